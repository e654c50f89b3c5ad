// Reset, and what the state of a CPU means.
#include "runtime/system/cpu.h"

#include <algorithm>

#include "ir/block_key.h"
#include "ir/pauth.h"
#include "ir/support/bits.h"
#include "runtime/system/fields.h"
#include "runtime/system/id_registers.h"
#include "runtime/system/pointer_auth.h"
#include "runtime/system/tag_checks.h"
#include "runtime/system/walk_registers.h"

namespace ulna::system {

using enum SysReg;

std::optional<Exception> CpuHost::access_tags(Cpu&, const TagAccess&) { return std::nullopt; }

// --- Which ELs and regimes are there now

bool is_secure(const Cpu& cpu) {
    return is_secure_below_el3(cpu) || (cpu.has_el3 && cpu.pstate.el == 3);
}

bool is_secure_below_el3(const Cpu& cpu) {
    return cpu.has_el3 && (cpu.reg(SCR_EL3) & scr::NS) == 0;
}

// There is no Secure EL2 (FEAT_SEL2). At EL3 this is about the state that SCR_EL3.NS selects.
bool el2_enabled(const Cpu& cpu) {
    return cpu.has_el2 && (!cpu.has_el3 || (cpu.reg(SCR_EL3) & scr::NS) != 0);
}

u64 effective_hcr(const Cpu& cpu) { return el2_enabled(cpu) ? cpu.reg(HCR_EL2) : 0; }

bool e2h(const Cpu& cpu) { return (effective_hcr(cpu) & hcr::E2H) != 0; }

bool el0_in_host(const Cpu& cpu) {
    constexpr u64 kBoth = hcr::E2H | hcr::TGE;
    return (effective_hcr(cpu) & kBoth) == kBoth;
}

Regime current_regime(const Cpu& cpu) {
    switch (cpu.pstate.el) {
    case 3:
        return Regime::El3;
    case 2:
        return e2h(cpu) ? Regime::El20 : Regime::El2;
    case 0:
        return el0_in_host(cpu) ? Regime::El20 : Regime::El10;
    default:
        return Regime::El10;
    }
}

namespace {
// Of the three registers, the one of the EL that controls the regime.
u64 of_regime(const Cpu& cpu, Regime regime, SysReg el1, SysReg el2, SysReg el3) {
    switch (regime) {
    case Regime::El10:
        return cpu.reg(el1);
    case Regime::El20:
    case Regime::El2:
        return cpu.reg(el2);
    case Regime::El3:
        return cpu.reg(el3);
    }
    UNREACHABLE("a regime");
}
} // namespace

u64 sctlr_of(const Cpu& cpu, Regime regime) {
    return of_regime(cpu, regime, SCTLR_EL1, SCTLR_EL2, SCTLR_EL3);
}

u64 tcr_of(const Cpu& cpu, Regime regime) {
    return of_regime(cpu, regime, TCR_EL1, TCR_EL2, TCR_EL3);
}

TranslationInputs translation_inputs(const Cpu& cpu, Regime regime) {
    TranslationInputs in;
    in.regime = regime;
    in.sctlr = sctlr_of(cpu, regime);
    in.secure = is_secure(cpu);
    in.pan = cpu.pstate.pan;
    in.hcr = effective_hcr(cpu);
    in.tcr = tcr_of(cpu, regime);
    in.mair = of_regime(cpu, regime, MAIR_EL1, MAIR_EL2, MAIR_EL3);
    in.ttbr0 = of_regime(cpu, regime, TTBR0_EL1, TTBR0_EL2, TTBR0_EL3);
    if (regime == Regime::El10) {
        in.ttbr1 = cpu.reg(TTBR1_EL1);
        in.vtcr = cpu.reg(VTCR_EL2), in.vttbr = cpu.reg(VTTBR_EL2);
    } else if (regime != Regime::El3) {
        in.ttbr1 = cpu.reg(TTBR1_EL2);
    }
    return in;
}

bool fp_enabled(const Cpu& cpu) { return !fp_access_trap(cpu, 0); }

// --- What translated code looks at

bool zero_block_allowed(const Cpu& cpu) {
    const bool own_el0 = cpu.pstate.el == 0 && el0_in_host(cpu);
    const bool below_el2 = cpu.pstate.el < 2 && !own_el0;
    if (cpu.pstate.el == 0 && (sctlr_of(cpu, current_regime(cpu)) & sctlr::DZE) == 0) {
        return false;
    }
    return !below_el2 || (effective_hcr(cpu) & hcr::TDZ) == 0;
}

// IsHCRXEL2Enabled
u64 effective_hcrx(const Cpu& cpu) {
    const bool enabled = el2_enabled(cpu) && (!cpu.has_el3 || (cpu.reg(SCR_EL3) & scr::HXEn) != 0);
    return enabled ? cpu.reg(HCRX_EL2) : 0;
}

bool memory_copy_enabled(const Cpu& cpu) {
    const bool below_el2 = cpu.pstate.el < 2 && !el0_in_host(cpu);
    if (below_el2 && el2_enabled(cpu) && (effective_hcrx(cpu) & hcrx::MSCEn) == 0) {
        return false;
    }
    return cpu.pstate.el != 0 || (sctlr_of(cpu, current_regime(cpu)) & sctlr::MSCEn) != 0;
}

void update_translated_state(Cpu& cpu) {
    ir::CpuState& state = *cpu.state;
    const Regime regime = current_regime(cpu);
    const u64 sctlr = sctlr_of(cpu, regime);
    constexpr u64 kPacTrapped = u64{1} << ir::kPacTrappedBit;
    const bool pac_trapped = key_trap_target(cpu) != 0;
    // Translated code looks at DZE, MSCEn and ATA at every EL, where they stand for HCR_EL2.TDZ,
    // HCRX_EL2.MSCEn and all of may_access_tags() as well.
    state.sctlr_el1 =
        (sctlr & ~(sctlr::DZE | sctlr::MSCEn | sctlr::ATA | kPacTrapped)) |
        (zero_block_allowed(cpu) ? sctlr::DZE : 0) | (memory_copy_enabled(cpu) ? sctlr::MSCEn : 0) |
        (may_access_tags(cpu, cpu.pstate.el) ? sctlr::ATA : 0) | (pac_trapped ? kPacTrapped : 0);
    state.mode_bits &= ~(ir::BlockMode::kPacRestricted | ir::BlockMode::kWideAddresses);
    if (pac_trapped || (sctlr & sctlr::kPacKeys) != sctlr::kPacKeys) {
        state.mode_bits |= ir::BlockMode::kPacRestricted;
    }
    if (cpu.has(frontend::Feature::PAuth) && has_wide_addresses(cpu, regime)) {
        state.mode_bits |= ir::BlockMode::kWideAddresses;
    }
}

// --- Reset

namespace {

void reset_state(ir::CpuState& state, GuestAddr pc) {
    std::ranges::fill(state.x, 0);
    std::ranges::fill(state.v, V128{});
    state.sp = 0;
    state.pc = pc;
    state.nzcv = 0;
    state.fpsr = 0;
    state.fpcr = 0;
    state.tpidr_el0 = state.tpidrro_el0 = state.tpidr_el1 = 0;
    state.sp_el0 = 0;
    state.daif = u64{daif::kAll} << spsr::kDaifShift;
    state.pstate = 0;
    std::ranges::fill(state.pac_keys, 0);
    state.btype = 0;
    state.tfsre0_el1 = 0;
    state.excl_bytes = 0;
    state.gcr_el1 = state.rgsr_el1 = 0;
}

// What firmware leaves for a kernel that it starts in Non-secure state.
void set_up_el3(Cpu& cpu) {
    cpu.reg(SCR_EL3) |=
        scr::NS | scr::HCE | scr::APK | scr::API | scr::EnSCXT | scr::ATA | scr::HXEn;
}
void set_up_el2(Cpu& cpu) {
    cpu.reg(HCR_EL2) |= hcr::RW | hcr::APK | hcr::API | hcr::EnSCXT | hcr::ATA;
    cpu.reg(HCRX_EL2) |= cpu.has(frontend::Feature::MOPS) ? hcrx::MSCEn : 0;
}

} // namespace

void reset(Cpu& cpu, unsigned el, GuestAddr pc) {
    CHECK(cpu.state != nullptr && cpu.model != nullptr && cpu.host != nullptr);
    CHECK(el >= 1 && el <= 3 && (el != 2 || cpu.has_el2) && (el != 3 || cpu.has_el3));
    for (unsigned i = 0; i < kSysRegCount; ++i) {
        cpu.regs[i] = system_registers()[i].reset;
    }
    std::ranges::fill(cpu.sp_bank, 0);
    std::ranges::fill(cpu.pmu_base, 0);
    cpu.event = false;
    cpu.reg(RVBAR_EL1) = cpu.reg(RVBAR_EL2) = cpu.reg(RVBAR_EL3) = pc;
    fill_identification(cpu);
    reset_state(*cpu.state, pc);
    cpu.pstate = {};
    cpu.pstate.el = static_cast<u8>(el);
    if (cpu.has_el3 && el < 3) {
        set_up_el3(cpu);
    }
    if (cpu.has_el2 && el < 2) {
        set_up_el2(cpu);
    }
    update_translated_state(cpu);
    cpu.host->translation_changed(cpu); // the MMU is off again
}

} // namespace ulna::system
