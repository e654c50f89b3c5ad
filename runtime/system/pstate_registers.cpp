// PSTATE, and the registers that show its fields.
#include "ir/support/bits.h"
#include "runtime/system/fields.h"
#include "runtime/system/pmu.h"
#include "runtime/system/stack_pointers.h"
#include "runtime/system/sysreg_behaviours.h"

namespace ulna::system {

using enum SysReg;
using frontend::Feature;

// --- Stack pointers

namespace {
unsigned current_bank(const Cpu& cpu) { return cpu.pstate.sp_sel ? cpu.pstate.el : 0; }
u64& banked(Cpu& cpu, unsigned bank) { return bank == 0 ? cpu.state->sp_el0 : cpu.sp_bank[bank]; }
} // namespace

u64& stack_pointer(Cpu& cpu, unsigned el) {
    return el == current_bank(cpu) ? cpu.state->sp : banked(cpu, el);
}

void select_el(Cpu& cpu, u8 el, bool sp_sel) {
    if (el != cpu.pstate.el && pmu_counts(cpu)) { // what counts there may not count here
        update_pmu(cpu);
    }
    banked(cpu, current_bank(cpu)) = cpu.state->sp;
    cpu.pstate.el = el;
    cpu.pstate.sp_sel = sp_sel;
    cpu.state->sp = banked(cpu, current_bank(cpu));
}

namespace {
unsigned bank_of(SysReg reg) { return reg == SP_EL0 ? 0 : reg == SP_EL1 ? 1 : 2; }
} // namespace
u64 read_stack_pointer(Cpu& cpu, SysReg reg) { return stack_pointer(cpu, bank_of(reg)); }
void write_stack_pointer(Cpu& cpu, SysReg reg, u64 value) {
    stack_pointer(cpu, bank_of(reg)) = value;
}

u64 read_spsel(Cpu& cpu, SysReg) { return cpu.pstate.sp_sel ? 1 : 0; }
void write_spsel(Cpu& cpu, SysReg, u64 value) { select_el(cpu, cpu.pstate.el, bit(value, 0)); }

// --- Fields

u64 read_current_el(Cpu& cpu, SysReg) { return u64{cpu.pstate.el} << 2; }

u64 read_pan(Cpu& cpu, SysReg) { return cpu.pstate.pan ? spsr::PAN : 0; }
void write_pan(Cpu& cpu, SysReg, u64 value) {
    cpu.pstate.pan = (value & spsr::PAN) != 0;
    cpu.host->translation_changed(cpu);
}
u64 read_uao(Cpu& cpu, SysReg) { return cpu.pstate.uao ? spsr::UAO : 0; }
void write_uao(Cpu& cpu, SysReg, u64 value) {
    cpu.pstate.uao = (value & spsr::UAO) != 0;
    cpu.host->translation_changed(cpu);
}
u64 read_nzcv(Cpu& cpu, SysReg) { return u64{cpu.state->nzcv} << spsr::kNzcvShift; }
void write_nzcv(Cpu& cpu, SysReg, u64 value) {
    cpu.state->nzcv = static_cast<u32>(bits(value, 31, 28));
}
u64 read_daif(Cpu& cpu, SysReg) { return u64{cpu.daif()} << spsr::kDaifShift; }
void write_daif(Cpu& cpu, SysReg, u64 value) { cpu.set_daif(static_cast<u8>(bits(value, 9, 6))); }
// DIT, SSBS, TCO: the register's only bit is where CpuState::pstate has it.
u64 read_state_pstate(Cpu& cpu, SysReg reg) { return cpu.state->pstate & row_of(reg).writable; }
void write_state_pstate(Cpu& cpu, SysReg reg, u64 value) {
    const u64 field = row_of(reg).writable;
    cpu.state->pstate = (cpu.state->pstate & ~field) | (value & field);
    if (reg == TCO) { // which pages are looked up with their tags
        cpu.host->translation_changed(cpu);
    }
}

u64 spsr_from_pstate(const Cpu& cpu) {
    const Pstate& p = cpu.pstate;
    return u64{cpu.state->nzcv} << spsr::kNzcvShift | cpu.state->pstate | (p.uao ? spsr::UAO : 0) |
           (p.pan ? spsr::PAN : 0) | (p.ss ? spsr::SS : 0) | (p.il ? spsr::IL : 0) |
           u64{cpu.state->btype} << ir::pstate::kBtypeShift | u64{cpu.daif()} << spsr::kDaifShift |
           u64{p.el} << spsr::kElLow | (p.sp_sel ? spsr::kStackPointer : 0);
}

} // namespace ulna::system
