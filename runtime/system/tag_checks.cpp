#include "runtime/system/tag_checks.h"

#include "ir/support/bits.h"
#include "runtime/system/control_bits.h"
#include "runtime/system/fields.h"

namespace ulna::system {

using enum SysReg;

bool may_access_tags(const Cpu& cpu, u8 el) {
    if (!cpu.has(frontend::Feature::MTE)) {
        return false;
    }
    if (el < 3 && cpu.has_el3 && (cpu.reg(SCR_EL3) & scr::ATA) == 0) {
        return false;
    }
    const bool is_guest = el < 2 && el2_enabled(cpu) && !el0_in_host(cpu);
    if (is_guest && (effective_hcr(cpu) & hcr::ATA) == 0) {
        return false;
    }
    const u64 sctlr = sctlr_of(cpu, current_regime(cpu));
    return (sctlr & (el == 0 ? sctlr::ATA0 : sctlr::ATA)) != 0;
}

u8 accessing_el(const Cpu& cpu, bool unprivileged) {
    const Regime regime = current_regime(cpu);
    const bool has_el0 = regime == Regime::El10 || regime == Regime::El20;
    return unprivileged && has_el0 ? u8{0} : cpu.pstate.el;
}

ir::TagCheck tag_check(const Cpu& cpu, bool unprivileged) {
    const u8 el = accessing_el(cpu, unprivileged);
    if ((cpu.state->pstate & ir::pstate::TCO) != 0 || !may_access_tags(cpu, el)) {
        return ir::TagCheck::None;
    }
    const u64 sctlr = sctlr_of(cpu, current_regime(cpu));
    return static_cast<ir::TagCheck>(el == 0 ? bits(sctlr, 39, 38) : bits(sctlr, 41, 40));
}

bool TagControls::has_tag(GuestAddr address) const {
    using namespace control;
    return bit(tcr, two_ranges ? tcr::TBIx[bit(address, 55)] : tcr_single::TBI);
}

bool TagControls::is_unchecked(GuestAddr address) const {
    using namespace control;
    const bool upper = bit(address, 55);
    const bool tcma = bit(tcr, two_ranges ? tcr::TCMAx[upper] : tcr_single::TCMA);
    return tcma && ir::logical_tag(address) == (upper ? 0xf : 0);
}

void note_tag_check_fault(Cpu& cpu, u8 el, GuestAddr address) {
    const u32 which = u32{1} << bit(address, 55);
    switch (el) {
    case 0:
        cpu.state->tfsre0_el1 |= which;
        break;
    case 1:
        cpu.reg(TFSR_EL1) |= which;
        break;
    case 2:
        cpu.reg(TFSR_EL2) |= e2h(cpu) ? which : 1;
        break;
    default:
        cpu.reg(TFSR_EL3) |= 1;
        break;
    }
}

} // namespace ulna::system
