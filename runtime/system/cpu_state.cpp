// What a CPU is made of, for snapshots.
#include "ir/support/bits.h"
#include "runtime/devices/state_visitor.h"
#include "runtime/system/cpu.h"
#include "runtime/system/fields.h"

namespace ulna::system {

using devices::StateVisitor;

namespace {

// The registers that translated code works on. The exclusive monitor is open afterwards.
void visit_registers(Cpu& cpu, StateVisitor& visit) {
    constexpr u64 kPstate = ir::pstate::SSBS | ir::pstate::DIT | ir::pstate::TCO;
    constexpr u32 kFpsr = 0x0800'009f;
    ir::CpuState& state = *cpu.state;
    visit(state.x, state.sp, state.pc);
    for (V128& vector : state.v) {
        visit(vector.lo, vector.hi);
    }
    visit.masked(state.nzcv, 15);
    visit.masked(state.fpsr, kFpsr);
    visit.masked(state.fpcr, frontend::fpcr_mask(cpu.model->features));
    visit(state.tpidr_el0, state.tpidrro_el0, state.tpidr_el1, state.sp_el0, state.pac_keys);
    visit.masked(state.pstate, kPstate);
    visit.masked(state.daif, u64{daif::kAll} << spsr::kDaifShift);
    visit.bounded(state.btype, 3);
    visit.masked(state.gcr_el1, row_of(SysReg::GCR_EL1).writable);
    visit.masked(state.rgsr_el1, row_of(SysReg::RGSR_EL1).writable);
    visit.masked(state.tfsre0_el1, 3);
    visit(state.random_state);
    if (visit.loading()) {
        state.excl_bytes = 0;
    }
}

void visit_pstate(Cpu& cpu, StateVisitor& visit) {
    Pstate pstate = cpu.pstate;
    visit.bounded(pstate.el, 3);
    visit(pstate.sp_sel, pstate.pan, pstate.uao, pstate.il, pstate.ss);
    if ((pstate.el == 2 && !cpu.has_el2) || (pstate.el == 3 && !cpu.has_el3)) {
        visit.fail("an exception level that does not exist");
    } else {
        cpu.pstate = pstate;
    }
}

// Bits that software cannot write, and that are state all the same.
u64 state_bits(SysReg reg) {
    constexpr u64 kOslk = 1 << 1;
    switch (reg) {
    case SysReg::OSLSR_EL1:
        return kOslk; // written by OSLAR_EL1
    case SysReg::RVBAR_EL1:
    case SysReg::RVBAR_EL2:
    case SysReg::RVBAR_EL3:
        return ~u64{0};
    default:
        return row_of(reg).writable;
    }
}

// By encoding, so that the table may grow. What identifies the CPU must be the same.
void visit_system_registers(Cpu& cpu, StateVisitor& visit) {
    const u64 count = visit.count(kSysRegCount, kSysRegCount);
    for (u64 i = 0; i < count && !visit.failed(); ++i) {
        u16 encoding = system_registers()[i].encoding;
        visit(encoding);
        const auto reg = find_register(encoding);
        if (!reg) {
            return visit.fail("a system register that does not exist");
        }
        visit.masked(cpu.reg(*reg), state_bits(*reg), row_of(*reg).name);
    }
}

} // namespace

void visit_state(Cpu& cpu, StateVisitor& visit) {
    if (visit.loading()) {
        reset(cpu, 1, 0); // what is no state is as the CPU's model says
    }
    bool event = cpu.event.load();
    visit_registers(cpu, visit);
    visit_pstate(cpu, visit);
    visit_system_registers(cpu, visit);
    visit(cpu.sp_bank, cpu.pmu_base, event);
    if (visit.loading()) {
        cpu.event.store(event);
        update_translated_state(cpu);
        cpu.host->translation_changed(cpu);
    }
}

} // namespace ulna::system
