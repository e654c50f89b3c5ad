// Entry to an exception, and return from it (DDI 0487 D1.3; AArch64.TakeException,
// AArch64.ExceptionReturn).
#include "runtime/system/take_exception.h"

#include "ir/support/bits.h"
#include "runtime/system/control_bits.h"
#include "runtime/system/debug_exceptions.h"
#include "runtime/system/exception_log.h"
#include "runtime/system/fields.h"
#include "runtime/system/stack_pointers.h"

namespace ulna::system {

using enum SysReg;
using frontend::Feature;

namespace {

struct ElRegisters {
    SysReg sctlr, spsr, elr, esr, far, vbar;
};
constexpr ElRegisters kElRegisters[4] = {
    {}, // nothing is taken to EL0
    {SCTLR_EL1, SPSR_EL1, ELR_EL1, ESR_EL1, FAR_EL1, VBAR_EL1},
    {SCTLR_EL2, SPSR_EL2, ELR_EL2, ESR_EL2, FAR_EL2, VBAR_EL2},
    {SCTLR_EL3, SPSR_EL3, ELR_EL3, ESR_EL3, FAR_EL3, VBAR_EL3},
};

bool is_abort(ExceptionClass ec) {
    return ec == ExceptionClass::DataAbort || ec == ExceptionClass::InstructionAbort;
}
bool is_debug(ExceptionClass ec) {
    return ec == ExceptionClass::Breakpoint || ec == ExceptionClass::SoftwareStep ||
           ec == ExceptionClass::Watchpoint || ec == ExceptionClass::Brk;
}
// Classes that have a code for lower ELs and the next one for the same EL.
bool tells_same_el(ExceptionClass ec) {
    return is_abort(ec) || (is_debug(ec) && ec != ExceptionClass::Brk);
}

// The target of a synchronous exception that is no trap to a given EL.
u8 target_of(const Cpu& cpu, const Exception& e) {
    const u8 el = cpu.pstate.el;
    const u64 hcr = effective_hcr(cpu);
    if (e.target_el != 0) {
        return e.target_el;
    }
    if (e.external && cpu.has_el3 && (cpu.reg(SCR_EL3) & scr::EA) != 0) {
        return 3;
    }
    if (el >= 2) {
        return el;
    }
    const bool to_el2 = (el == 0 && (hcr & hcr::TGE) != 0) || (el2_enabled(cpu) && e.stage2) ||
                        (e.external && (hcr & hcr::TEA) != 0) ||
                        (is_debug(e.ec) && debug_target(cpu) == 2) ||
                        (e.ec == ExceptionClass::MemoryCopySet && el == 1 &&
                         (effective_hcrx(cpu) & hcrx::MCE2) != 0);
    return to_el2 ? 2 : 1;
}

constexpr u64 kVectorSameElSp0 = 0, kVectorSameEl = 0x200, kVectorLowerEl = 0x400;

u64 vector_base(const Cpu& cpu, u8 target) {
    if (target > cpu.pstate.el) {
        return kVectorLowerEl;
    }
    return cpu.pstate.sp_sel ? kVectorSameEl : kVectorSameElSp0;
}

void set_pstate_for(Cpu& cpu, u8 target) {
    const u64 sctlr = cpu.reg(kElRegisters[target].sctlr);
    select_el(cpu, target, true);
    Pstate& p = cpu.pstate;
    cpu.set_daif(daif::kAll);
    p.ss = p.il = p.uao = false;
    const bool has_el0 = target == 1 || (target == 2 && el0_in_host(cpu));
    if (cpu.has(Feature::LSE) && has_el0 && (sctlr & sctlr::SPAN) == 0) { // FEAT_PAN
        p.pan = true;
    }
    ir::CpuState& state = *cpu.state;
    state.btype = 0;
    state.pstate &= ~(ir::pstate::SSBS | ir::pstate::TCO); // DIT stays
    if (cpu.has(Feature::SSBS) && (sctlr & sctlr::DSSBS) != 0) {
        state.pstate |= ir::pstate::SSBS;
    }
    if (cpu.has(Feature::MTE)) {
        state.pstate |= ir::pstate::TCO;
    }
}

} // namespace

void enter_exception(Cpu& cpu, u8 target, u64 vector_offset, GuestAddr preferred_return) {
    CHECK(target >= 1 && target <= 3 && target >= cpu.pstate.el);
    const u64 spsr = spsr_from_pstate(cpu);
    const u64 vector = vector_base(cpu, target) + vector_offset;
    set_pstate_for(cpu, target);
    const ElRegisters& to = kElRegisters[target];
    cpu.reg(to.spsr) = spsr;
    cpu.reg(to.elr) = preferred_return;
    cpu.state->pc = cpu.reg(to.vbar) + vector;
    update_translated_state(cpu);
    cpu.host->translation_changed(cpu);
}

void take_exception(Cpu& cpu, const Exception& e) {
    constexpr unsigned kEcShift = 26, kIlShift = 25;
    constexpr u64 kSynchronous = 0;
    const u8 target = target_of(cpu, e);
    const bool same_el = target == cpu.pstate.el;
    const u64 ec = static_cast<u64>(e.ec) + (tells_same_el(e.ec) && same_el);
    const ElRegisters& to = kElRegisters[target];
    cpu.reg(to.esr) = ec << kEcShift | u64{e.il} << kIlShift | e.iss;
    if (e.has_far) {
        cpu.reg(to.far) = e.far;
    }
    if (e.stage2 && target == 2) {
        cpu.reg(HPFAR_EL2) = (e.ipa >> 12 << 4) & row_of(HPFAR_EL2).writable;
    }
    const u8 from = cpu.pstate.el;
    enter_exception(cpu, target, kSynchronous, e.preferred_return);
    log_taken(cpu, e, cpu.reg(to.esr), from);
}

// --- Return

namespace {

// ELFromSPSR and IllegalExceptionReturn: the EL to return to, if that is legal.
std::optional<u8> legal_target(const Cpu& cpu, u64 spsr) {
    const auto target = static_cast<u8>(bits(spsr, spsr::kElHigh, spsr::kElLow));
    const bool stack_pointer = (spsr & spsr::kStackPointer) != 0;
    if ((spsr & (spsr::kAArch32 | spsr::kReserved)) != 0 || (target == 0 && stack_pointer) ||
        target > cpu.pstate.el) {
        return std::nullopt;
    }
    // From EL3, whether EL2 is there depends on the state that is returned to: SCR_EL3.NS.
    if (target == 2 && !el2_enabled(cpu)) {
        return std::nullopt;
    }
    if (target == 1 && (effective_hcr(cpu) & hcr::TGE) != 0) {
        return std::nullopt;
    }
    return target;
}

// What a legal return restores and an illegal one does not.
void restore_pstate(Cpu& cpu, u64 spsr, u8 target) {
    select_el(cpu, target, (spsr & spsr::kStackPointer) != 0);
    cpu.pstate.il = (spsr & spsr::IL) != 0;
    cpu.pstate.uao = cpu.has(Feature::DPB) && (spsr & spsr::UAO) != 0;
    ir::CpuState& state = *cpu.state;
    state.btype = cpu.has(Feature::BTI) ? static_cast<u32>(bits(spsr, 11, 10)) : 0;
    const u64 fields = (cpu.has(Feature::SSBS) ? ir::pstate::SSBS : 0) |
                       (cpu.has(Feature::DIT) ? ir::pstate::DIT : 0) |
                       (cpu.has(Feature::MTE) ? ir::pstate::TCO : 0);
    state.pstate = spsr & fields;
}

} // namespace

GuestAddr branch_address(const Cpu& cpu, GuestAddr address) {
    constexpr unsigned kTopByte = 56;
    const Regime regime = current_regime(cpu);
    const u64 tcr = translation_inputs(cpu, regime).tcr;
    const bool two_ranges = regime == Regime::El10 || regime == Regime::El20;
    const unsigned x = bit(address, 55);
    using namespace control;
    const bool tbi = bit(tcr, two_ranges ? tcr::TBIx[x] : tcr_single::TBI);
    const bool data_only = bit(tcr, two_ranges ? tcr::TBIDx[x] : tcr_single::TBID);
    if (!tbi || (data_only && cpu.has(Feature::PAuth))) {
        return address;
    }
    return two_ranges ? static_cast<u64>(sign_extend(address, kTopByte))
                      : bits(address, kTopByte - 1, 0);
}

void return_from_exception(Cpu& cpu, GuestAddr to) {
    const u8 from = cpu.pstate.el;
    const u64 spsr = cpu.reg(kElRegisters[from].spsr);
    const auto target = legal_target(cpu, spsr);
    const bool steps = target && step_bit_after_return(cpu, spsr, *target);
    if (target) {
        restore_pstate(cpu, spsr, *target);
    } else {
        cpu.pstate.il = true;
    }
    cpu.pstate.ss = steps;
    cpu.state->nzcv = static_cast<u32>(bits(spsr, 31, 28));
    cpu.set_daif(static_cast<u8>(bits(spsr, 9, 6)));
    cpu.pstate.pan = cpu.has(Feature::LSE) && (spsr & spsr::PAN) != 0;
    cpu.state->pc = target ? branch_address(cpu, to) : to;
    cpu.state->excl_bytes = 0; // ClearExclusiveLocal
    cpu.event = true;          // SendEventLocal
    update_translated_state(cpu);
    cpu.host->translation_changed(cpu);
    log_return(cpu, from, spsr);
}

void exception_return(Cpu& cpu) {
    CHECK(cpu.pstate.el != 0);
    return_from_exception(cpu, cpu.reg(kElRegisters[cpu.pstate.el].elr));
}

GuestAddr return_address(const Cpu& cpu) { return cpu.reg(kElRegisters[cpu.pstate.el].elr); }

} // namespace ulna::system
