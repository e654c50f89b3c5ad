// sysreg_guards.def as functions. In each, the controls of EL0 come first, then EL2's, then EL3's,
// as in the pseudocode of the registers (DDI 0487 D19).
#include "runtime/system/sysreg_guards.h"

#include "runtime/system/fields.h"

namespace ulna::system {

using enum SysReg;

Trap trap_of_el0(const Cpu& cpu) {
    return trap_to((effective_hcr(cpu) & hcr::TGE) != 0 ? u8{2} : u8{1});
}

u64 sctlr_of_el0(const Cpu& cpu) { return cpu.reg(el0_in_host(cpu) ? SCTLR_EL2 : SCTLR_EL1); }

u64 hcr_at_el1(const Cpu& cpu) { return cpu.pstate.el == 1 ? effective_hcr(cpu) : 0; }

u64 hcr_below_el2(const Cpu& cpu) {
    return cpu.pstate.el == 1 || (cpu.pstate.el == 0 && !el0_in_host(cpu)) ? effective_hcr(cpu) : 0;
}

u64 scr_below_el3(const Cpu& cpu, u64 without) {
    return cpu.has_el3 && cpu.pstate.el < 3 ? cpu.reg(SCR_EL3) : without;
}

namespace {

constexpr u64 kAll = ~u64{0};

struct Access {
    const Cpu& cpu;
    SysReg reg;
    bool write;
    [[nodiscard]] u8 el() const { return cpu.pstate.el; }
};

[[nodiscard]] Verdict to_el2_if(bool denied) { return denied ? Verdict{trap_to(2)} : std::nullopt; }
[[nodiscard]] Verdict undefined_if(bool denied) { return denied ? Verdict{Trap{}} : std::nullopt; }

// The control of EL0 says no.
[[nodiscard]] Verdict el0_needs(const Access& a, bool enabled) {
    return a.el() == 0 && !enabled ? Verdict{trap_of_el0(a.cpu)} : std::nullopt;
}

// MDCR_EL2 for accesses at EL1 and EL0; MDCR_EL3 for those below EL3.
[[nodiscard]] u64 mdcr2_below_el2(const Cpu& cpu) {
    if (cpu.pstate.el >= 2 || !el2_enabled(cpu)) {
        return 0;
    }
    const u64 mdcr = cpu.reg(MDCR_EL2);
    const bool all = (mdcr & mdcr2::TDE) != 0 || (effective_hcr(cpu) & hcr::TGE) != 0;
    return all ? mdcr | mdcr2::TDA | mdcr2::TDOSA | mdcr2::TDRA : mdcr;
}
[[nodiscard]] u64 mdcr3_below_el3(const Cpu& cpu) {
    return cpu.has_el3 && cpu.pstate.el < 3 ? cpu.reg(MDCR_EL3) : 0;
}
[[nodiscard]] Verdict debug_trap(const Cpu& cpu, u64 in_mdcr2, u64 in_mdcr3) {
    if ((mdcr2_below_el2(cpu) & in_mdcr2) != 0) {
        return trap_to(2);
    }
    return (mdcr3_below_el3(cpu) & in_mdcr3) != 0 ? Verdict{trap_to(3)} : std::nullopt;
}

Verdict guard_None(const Access&) { return std::nullopt; }

// --- Debug

Verdict guard_Tda(const Access& a) { return debug_trap(a.cpu, mdcr2::TDA, mdcr3::TDA); }
Verdict guard_Tdra(const Access& a) { return debug_trap(a.cpu, mdcr2::TDRA, mdcr3::TDA); }
Verdict guard_Tdosa(const Access& a) { return debug_trap(a.cpu, mdcr2::TDOSA, mdcr3::TDOSA); }
Verdict guard_Tdcc(const Access& a) {
    const auto el0 = el0_needs(a, (a.cpu.reg(MDSCR_EL1) & mdscr::TDCC) == 0);
    return el0 ? el0 : guard_Tda(a);
}

// --- Identification

Verdict guard_Tid1(const Access& a) { return to_el2_if((hcr_at_el1(a.cpu) & hcr::TID1) != 0); }
Verdict guard_Tid2(const Access& a) {
    return to_el2_if((hcr_at_el1(a.cpu) & (hcr::TID2 | hcr::TID4)) != 0);
}
Verdict guard_Tid3(const Access& a) { return to_el2_if((hcr_at_el1(a.cpu) & hcr::TID3) != 0); }
Verdict guard_Tid5(const Access& a) { return to_el2_if((hcr_at_el1(a.cpu) & hcr::TID5) != 0); }
Verdict guard_Ctr(const Access& a) {
    const auto el0 = el0_needs(a, (sctlr_of_el0(a.cpu) & sctlr::UCT) != 0);
    return el0 ? el0 : to_el2_if((hcr_below_el2(a.cpu) & hcr::TID2) != 0);
}

// --- Control

Verdict guard_Tvm(const Access& a) {
    return to_el2_if((hcr_at_el1(a.cpu) & (a.write ? hcr::TVM : hcr::TRVM)) != 0);
}
Verdict guard_Tacr(const Access& a) { return to_el2_if((hcr_at_el1(a.cpu) & hcr::TACR) != 0); }
Verdict guard_Cptr(const Access& a) {
    const bool denied = a.cpu.has_el3 && a.el() < 3 && (a.cpu.reg(CPTR_EL3) & cptr::TCPAC) != 0;
    return denied ? Verdict{trap_to(3)} : std::nullopt;
}
Verdict guard_Tcpac(const Access& a) {
    if (a.el() == 1 && el2_enabled(a.cpu) && (a.cpu.reg(CPTR_EL2) & cptr::TCPAC) != 0) {
        return trap_to(2);
    }
    return guard_Cptr(a);
}

// A feature whose registers each higher EL hides until it sets a bit.
[[nodiscard]] Verdict enabled_above(const Access& a, u64 in_hcr, u64 in_scr) {
    if (a.el() == 1 && el2_enabled(a.cpu) && (effective_hcr(a.cpu) & in_hcr) == 0) {
        return trap_to(2);
    }
    const bool denied = (scr_below_el3(a.cpu, kAll) & in_scr) == 0;
    return denied ? Verdict{trap_to(3)} : std::nullopt;
}
Verdict guard_Ata(const Access& a) { return enabled_above(a, hcr::ATA, scr::ATA); }
Verdict guard_Apk(const Access& a) { return enabled_above(a, hcr::APK, scr::APK); }
Verdict guard_Hxen(const Access& a) { return enabled_above(a, kAll, scr::HXEn); }
Verdict guard_Scxt(const Access& a) {
    if (const auto el0 = el0_needs(a, (sctlr_of_el0(a.cpu) & sctlr::TSCXT) == 0)) {
        return el0;
    }
    const bool guest = a.el() == 1 || (a.el() == 0 && !el0_in_host(a.cpu));
    if (guest && el2_enabled(a.cpu) && (effective_hcr(a.cpu) & hcr::EnSCXT) == 0) {
        return trap_to(2);
    }
    const bool denied = (scr_below_el3(a.cpu, kAll) & scr::EnSCXT) == 0;
    return denied ? Verdict{trap_to(3)} : std::nullopt;
}
Verdict guard_Terr(const Access& a) {
    if ((hcr_at_el1(a.cpu) & hcr::TERR) != 0) {
        return trap_to(2);
    }
    return (scr_below_el3(a.cpu, 0) & scr::TERR) != 0 ? Verdict{trap_to(3)} : std::nullopt;
}

[[nodiscard]] u8 highest_el(const Cpu& cpu) { return cpu.has_el3 ? 3 : cpu.has_el2 ? 2 : 1; }
Verdict guard_HighestEl(const Access& a) {
    const u8 own = row_of(a.reg).op1() == 0 ? 1 : 2;
    return undefined_if(highest_el(a.cpu) != own);
}

// --- Special-purpose registers

Verdict guard_SpEl0(const Access& a) { return undefined_if(!a.cpu.pstate.sp_sel); }
Verdict guard_Uma(const Access& a) { return el0_needs(a, (sctlr_of_el0(a.cpu) & sctlr::UMA) != 0); }
Verdict guard_Fp(const Access& a) {
    const auto trap = fp_access_trap(a.cpu, 0);
    return trap ? Verdict{Trap{trap->target_el, trap->ec}} : std::nullopt;
}

// --- Performance monitors

Verdict guard_PmUser(const Access& a) { return debug_trap(a.cpu, mdcr2::TPM, mdcr3::TPM); }
[[nodiscard]] Verdict pmu_access(const Access& a, u64 also) {
    const auto el0 = el0_needs(a, (a.cpu.reg(PMUSERENR_EL0) & (pmuserenr::EN | also)) != 0);
    return el0 ? el0 : guard_PmUser(a);
}
Verdict guard_Pmu(const Access& a) { return pmu_access(a, 0); }
Verdict guard_PmSwInc(const Access& a) { return pmu_access(a, pmuserenr::SW); }
Verdict guard_PmCycles(const Access& a) { return pmu_access(a, a.write ? 0 : pmuserenr::CR); }
Verdict guard_PmCounter(const Access& a) {
    return pmu_access(a, !a.write || a.reg == PMSELR_EL0 ? pmuserenr::ER : 0);
}
Verdict guard_Pmcr(const Access& a) {
    const auto pmu = guard_Pmu(a);
    return pmu ? pmu : debug_trap(a.cpu, mdcr2::TPMCR, 0);
}

// --- Generic timer

// The register of EL0's controls.
[[nodiscard]] u64 cntkctl_of_el0(const Cpu& cpu) {
    return cpu.reg(el0_in_host(cpu) ? CNTHCTL_EL2 : CNTKCTL_EL1);
}
[[nodiscard]] Verdict needs_cnthctl(const Access& a, u64 without_e2h, u64 with_e2h) {
    if (a.el() >= 2 || !el2_enabled(a.cpu) || (a.el() == 0 && el0_in_host(a.cpu))) {
        return std::nullopt;
    }
    const u64 enable = e2h(a.cpu) ? with_e2h : without_e2h;
    return to_el2_if((a.cpu.reg(CNTHCTL_EL2) & enable) == 0);
}

Verdict guard_Cntfrq(const Access& a) {
    if (a.write) {
        return undefined_if(a.el() != highest_el(a.cpu));
    }
    return el0_needs(a, (cntkctl_of_el0(a.cpu) & (cntkctl::EL0PCTEN | cntkctl::EL0VCTEN)) != 0);
}
Verdict guard_Cntpct(const Access& a) {
    const auto el0 = el0_needs(a, (cntkctl_of_el0(a.cpu) & cntkctl::EL0PCTEN) != 0);
    return el0 ? el0 : needs_cnthctl(a, cnthctl::EL1PCTEN, cnthctl::EL1PCTEN_E2H);
}
Verdict guard_Cntvct(const Access& a) {
    return el0_needs(a, (cntkctl_of_el0(a.cpu) & cntkctl::EL0VCTEN) != 0);
}
Verdict guard_Cntp(const Access& a) {
    const auto el0 = el0_needs(a, (cntkctl_of_el0(a.cpu) & cntkctl::EL0PTEN) != 0);
    return el0 ? el0 : needs_cnthctl(a, cnthctl::EL1PCEN, cnthctl::EL1PTEN_E2H);
}
Verdict guard_Cntv(const Access& a) {
    return el0_needs(a, (cntkctl_of_el0(a.cpu) & cntkctl::EL0VTEN) != 0);
}
Verdict guard_Cntps(const Access& a) {
    if (a.el() == 3) {
        return std::nullopt;
    }
    if (a.el() == 2 || !is_secure(a.cpu)) {
        return Trap{};
    }
    return (a.cpu.reg(SCR_EL3) & scr::ST) == 0 ? Verdict{trap_to(3)} : std::nullopt;
}

using GuardFunction = Verdict (*)(const Access&);
constexpr GuardFunction kGuards[] = {
#define GUARD(name, meaning) guard_##name,
#include "runtime/system/sysreg_guards.def"
#undef GUARD
};

} // namespace

bool is_identification(const Cpu& cpu, u16 encoding) {
    const unsigned op0 = encoding >> 14, op1 = encoding >> 11 & 7, CRn = encoding >> 7 & 15,
                   CRm = encoding >> 3 & 15;
    return cpu.has(frontend::Feature::LSE2) && op0 == 3 && (op1 <= 1 || op1 == 3) && CRn == 0 &&
           CRm <= 7;
}

Trap trap_of_identification(const Cpu& cpu) {
    return cpu.pstate.el == 0 ? trap_of_el0(cpu) : trap_to(cpu.pstate.el);
}

Verdict judge_access(const Cpu& cpu, SysReg reg, bool write) {
    const SysRegRow& row = row_of(reg);
    const bool there = cpu.has(row.feature) && (row.access >> (write ? 4 : 0) >> cpu.pstate.el & 1);
    if (!there) {
        return !write && is_identification(cpu, row.encoding) ? trap_of_identification(cpu)
                                                              : Trap{};
    }
    return kGuards[static_cast<unsigned>(row.guard)](Access{cpu, reg, write});
}

} // namespace ulna::system
