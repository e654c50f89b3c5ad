// Registers that translated code uses, and that therefore are in ir::CpuState.
#include "ir/helpers.h"
#include "ir/support/bits.h"
#include "runtime/system/sysreg_behaviours.h"

namespace ulna::system {

using enum SysReg;

namespace {
u64 call_helper(Cpu& cpu, ir::HelperId helper, u64 argument = 0) {
    return ir::kHelpers[static_cast<unsigned>(helper)](*cpu.state, argument, 0, 0, 0);
}
} // namespace

u64 read_fpcr(Cpu& cpu, SysReg) { return cpu.state->fpcr; }
void write_fpcr(Cpu& cpu, SysReg, u64 value) {
    call_helper(cpu, ir::HelperId::WriteFpcr, value & frontend::fpcr_mask(cpu.model->features));
}
u64 read_fpsr(Cpu& cpu, SysReg) { return call_helper(cpu, ir::HelperId::ReadFpsr); }
void write_fpsr(Cpu& cpu, SysReg, u64 value) { call_helper(cpu, ir::HelperId::WriteFpsr, value); }

// A number is always there: NZCV is 0000 (D19.2.131).
u64 read_random(Cpu& cpu, SysReg) {
    cpu.state->nzcv = 0;
    return call_helper(cpu, ir::HelperId::ReadRandom);
}

u64 read_tpidr_el0(Cpu& cpu, SysReg) { return cpu.state->tpidr_el0; }
void write_tpidr_el0(Cpu& cpu, SysReg, u64 value) { cpu.state->tpidr_el0 = value; }
u64 read_tpidr_el1(Cpu& cpu, SysReg) { return cpu.state->tpidr_el1; }
void write_tpidr_el1(Cpu& cpu, SysReg, u64 value) { cpu.state->tpidr_el1 = value; }
u64 read_tpidrro_el0(Cpu& cpu, SysReg) { return cpu.state->tpidrro_el0; }
void write_tpidrro_el0(Cpu& cpu, SysReg, u64 value) { cpu.state->tpidrro_el0 = value; }

// Five keys of two halves, APIA APIB APDA APDB APGA, in the order of their encodings (CRm 1..3).
namespace {
u64& pac_key(Cpu& cpu, SysReg reg) {
    const SysRegRow& row = row_of(reg);
    return cpu.state->pac_keys[(row.CRm() - 1) * 4 + row.op2()];
}
} // namespace
u64 read_pac_key(Cpu& cpu, SysReg reg) { return pac_key(cpu, reg); }
void write_pac_key(Cpu& cpu, SysReg reg, u64 value) { pac_key(cpu, reg) = value; }

// --- Allocation tags

namespace {
// With GCR_EL1.RRND how tags are chosen is open: as without, but a seed of zero would give zeros.
void keep_seed(ir::CpuState& state) {
    constexpr unsigned kRRND = 16, kSeed = 8;
    if (bit(state.gcr_el1, kRRND) && state.rgsr_el1 >> kSeed == 0) {
        state.rgsr_el1 |= u64{1} << kSeed;
    }
}
} // namespace

u64 read_rgsr(Cpu& cpu, SysReg) { return cpu.state->rgsr_el1; }
void write_rgsr(Cpu& cpu, SysReg reg, u64 value) {
    cpu.state->rgsr_el1 = value & row_of(reg).writable;
    keep_seed(*cpu.state);
}
u64 read_gcr(Cpu& cpu, SysReg) { return cpu.state->gcr_el1; }
void write_gcr(Cpu& cpu, SysReg reg, u64 value) {
    cpu.state->gcr_el1 = value & row_of(reg).writable;
    keep_seed(*cpu.state);
}
u64 read_tfsre0(Cpu& cpu, SysReg) { return cpu.state->tfsre0_el1; }
void write_tfsre0(Cpu& cpu, SysReg reg, u64 value) {
    cpu.state->tfsre0_el1 = static_cast<u32>(value & row_of(reg).writable);
}

} // namespace ulna::system
