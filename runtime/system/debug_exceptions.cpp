#include "runtime/system/debug_exceptions.h"

#include <algorithm>

#include "ir/support/bits.h"
#include "runtime/system/fields.h"

namespace ulna::system {

using enum SysReg;

u8 debug_target(const Cpu& cpu) {
    const bool to_el2 = el2_enabled(cpu) && ((cpu.reg(HCR_EL2) & hcr::TGE) != 0 ||
                                             (cpu.reg(MDCR_EL2) & mdcr2::TDE) != 0);
    return to_el2 ? 2 : 1;
}

namespace {

// AArch64.GenerateDebugExceptionsFrom
bool enabled_from(const Cpu& cpu, u8 el, bool secure, bool masked) {
    constexpr u64 kOslk = 1 << 1;
    if ((cpu.reg(OSLSR_EL1) & kOslk) != 0 || (secure && (cpu.reg(MDCR_EL3) & mdcr3::SDD) != 0)) {
        return false;
    }
    const u8 target = debug_target(cpu);
    if (el == target) {
        return (cpu.reg(MDSCR_EL1) & mdscr::KDE) != 0 && !masked;
    }
    return el < target;
}

} // namespace

bool debug_exceptions_enabled(const Cpu& cpu) {
    return enabled_from(cpu, cpu.pstate.el, is_secure(cpu), (cpu.daif() & daif::D) != 0);
}

// --- Software step

StepState step_state(const Cpu& cpu) {
    if ((cpu.reg(MDSCR_EL1) & mdscr::SS) == 0 || !debug_exceptions_enabled(cpu)) {
        return StepState::Inactive;
    }
    return cpu.pstate.ss ? StepState::ActiveNotPending : StepState::ActivePending;
}

bool step_waits_for_unmasking(const Cpu& cpu) {
    constexpr u64 kBoth = mdscr::SS | mdscr::KDE;
    constexpr bool kMasked = false;
    return (cpu.reg(MDSCR_EL1) & kBoth) == kBoth && (cpu.daif() & daif::D) != 0 &&
           enabled_from(cpu, cpu.pstate.el, is_secure(cpu), kMasked);
}

void step_done(Cpu& cpu) { cpu.pstate.ss = false; }

bool step_bit_after_return(const Cpu& cpu, u64 spsr, u8 target) {
    if ((cpu.reg(MDSCR_EL1) & mdscr::SS) == 0 || (spsr & spsr::SS) == 0 ||
        debug_exceptions_enabled(cpu)) {
        return false;
    }
    const bool to_secure = cpu.has_el3 && (target == 3 || (cpu.reg(SCR_EL3) & scr::NS) == 0);
    const bool masked = (spsr >> spsr::kDaifShift & daif::D) != 0;
    return enabled_from(cpu, target, to_secure, masked);
}

// --- Breakpoints and watchpoints

namespace {

struct Pair {
    SysReg value, control;
};
constexpr Pair kBreakpointRegisters[kBreakpoints] = {
    {DBGBVR0_EL1, DBGBCR0_EL1}, {DBGBVR1_EL1, DBGBCR1_EL1}, {DBGBVR2_EL1, DBGBCR2_EL1},
    {DBGBVR3_EL1, DBGBCR3_EL1}, {DBGBVR4_EL1, DBGBCR4_EL1}, {DBGBVR5_EL1, DBGBCR5_EL1},
};
constexpr Pair kWatchpointRegisters[kWatchpoints] = {
    {DBGWVR0_EL1, DBGWCR0_EL1},
    {DBGWVR1_EL1, DBGWCR1_EL1},
    {DBGWVR2_EL1, DBGWCR2_EL1},
    {DBGWVR3_EL1, DBGWCR3_EL1},
};

constexpr u64 kEnable = 1;

bool monitor_debug(const Cpu& cpu) {
    return (cpu.reg(MDSCR_EL1) & mdscr::MDE) != 0 && debug_exceptions_enabled(cpu);
}
bool any_enabled(const Cpu& cpu, std::span<const Pair> pairs) {
    return std::ranges::any_of(
        pairs, [&](const Pair& pair) { return (cpu.reg(pair.control) & kEnable) != 0; });
}

// BT: 0 an address, 2 a context; odd ones are linked. Those with VMID or EL2's context are not
// implemented, and never match.
enum BreakpointType : u8 { kAddress, kAddressLinked, kContext, kContextLinked };

bool context_matches(const Cpu& cpu, u64 value) {
    const SysReg context = el0_in_host(cpu) ? CONTEXTIDR_EL2 : CONTEXTIDR_EL1;
    return (cpu.pstate.el <= 1 || (cpu.pstate.el == 2 && e2h(cpu))) &&
           bits(value, 31, 0) == cpu.reg(context);
}
bool is_context_aware(u64 n) { return n >= kBreakpoints - kContextBreakpoints && n < kBreakpoints; }
bool linked_context_matches(const Cpu& cpu, u64 lbn) {
    if (!is_context_aware(lbn)) {
        return false;
    }
    const Pair& pair = kBreakpointRegisters[lbn];
    const u64 control = cpu.reg(pair.control);
    return (control & kEnable) != 0 && bits(control, 23, 20) == kContextLinked &&
           context_matches(cpu, cpu.reg(pair.value));
}

// AArch64.StateMatch, of DBGBCR or DBGWCR: SSC, HMC and PxC are in the same place.
bool state_matches(const Cpu& cpu, u64 control, u8 el, bool linked) {
    const u64 ssc = bits(control, 15, 14), pxc = bits(control, 2, 1);
    const bool hmc = bit(control, 13);
    const bool secure = is_secure(cpu);
    bool matches = false;
    switch (el) {
    case 0:
        matches = bit(pxc, 1);
        break;
    case 1:
        matches = bit(pxc, 0);
        break;
    case 2:
        matches = (hmc && !(ssc == 2 && pxc == 0)) || ssc == 3;
        break;
    default:
        matches = hmc && !bit(ssc, 0);
        break;
    }
    const bool security_matches =
        ssc == 0 || (ssc == 1 && !secure) || (ssc == 2 && secure) || (ssc == 3 && (hmc || secure));
    return matches && security_matches &&
           (!linked || linked_context_matches(cpu, bits(control, 19, 16)));
}

// Addresses are compared without what may be a tag.
u64 without_tag(u64 address) { return static_cast<u64>(sign_extend(address, 56)); }

struct WatchedRange {
    u64 start = 0, bytes = 0;

    // The first of [from, from + count) that is in it.
    [[nodiscard]] std::optional<u64> first_of(u64 from, u64 count) const {
        const u64 first = std::max(from, start);
        const bool overlaps = bytes != 0 && first - start < bytes && first - from < count;
        return overlaps ? std::optional{first} : std::nullopt;
    }
};
WatchedRange watched_range(u64 value, u64 control) {
    const auto mask = static_cast<unsigned>(bits(control, 28, 24));
    if (mask != 0) {
        return {without_tag(value) & ~ones(mask), u64{1} << mask};
    }
    const bool word = bit(value, 2);
    const u64 bas = bits(control, word ? 8 : 12, 5);
    if (bas == 0) {
        return {};
    }
    const auto first = static_cast<u64>(std::countr_zero(bas));
    const auto count = static_cast<u64>(std::countr_one(bas >> first));
    return {(without_tag(value) & ~u64{3} & (word ? ~u64{0} : ~u64{7})) + first, count};
}

} // namespace

namespace {

// Calls back with the value and the type of each enabled breakpoint.
template <class Visit> void each_enabled_breakpoint(const Cpu& cpu, Visit visit) {
    const bool any = (cpu.reg(MDSCR_EL1) & mdscr::MDE) != 0;
    for (const Pair& pair : kBreakpointRegisters) {
        const u64 control = cpu.reg(pair.control);
        if (any && (control & kEnable) != 0) {
            visit(cpu.reg(pair.value), bits(control, 23, 20));
        }
    }
}

} // namespace

std::vector<GuestAddr> breakpoint_addresses(const Cpu& cpu) {
    std::vector<GuestAddr> addresses;
    each_enabled_breakpoint(cpu, [&](u64 value, u64 type) {
        if (type == kAddress || type == kAddressLinked) {
            addresses.push_back(without_tag(value & ~u64{3}));
        }
    });
    return addresses;
}

bool breaks_anywhere(const Cpu& cpu) {
    bool anywhere = false;
    each_enabled_breakpoint(cpu, [&](u64, u64 type) { anywhere |= type == kContext; });
    return anywhere;
}

bool breakpoints_active(const Cpu& cpu) {
    return any_enabled(cpu, kBreakpointRegisters) && monitor_debug(cpu);
}
bool watchpoints_active(const Cpu& cpu) {
    return any_enabled(cpu, kWatchpointRegisters) && monitor_debug(cpu);
}

bool watchpoints_possible(const Cpu& cpu) {
    return (cpu.reg(MDSCR_EL1) & mdscr::MDE) != 0 && any_enabled(cpu, kWatchpointRegisters);
}

bool is_watched(const Cpu& cpu, GuestAddr start, u64 bytes) {
    return std::ranges::any_of(kWatchpointRegisters, [&](const Pair& pair) {
        const u64 control = cpu.reg(pair.control);
        const WatchedRange range = watched_range(cpu.reg(pair.value), control);
        return (control & kEnable) != 0 && range.first_of(without_tag(start), bytes).has_value();
    });
}

bool breakpoint_matches(const Cpu& cpu, GuestAddr pc) {
    if (!breakpoints_active(cpu)) {
        return false;
    }
    for (const Pair& pair : kBreakpointRegisters) {
        const u64 control = cpu.reg(pair.control), value = cpu.reg(pair.value);
        const u64 type = bits(control, 23, 20);
        const bool by_address = (type == kAddress || type == kAddressLinked) &&
                                without_tag(value & ~u64{3}) == without_tag(pc);
        const bool by_context = type == kContext && context_matches(cpu, value);
        if ((control & kEnable) != 0 && (by_address || by_context) &&
            state_matches(cpu, control, cpu.pstate.el, type == kAddressLinked)) {
            return true;
        }
    }
    return false;
}

std::optional<GuestAddr>
watchpoint_matches(const Cpu& cpu, GuestAddr address, u64 bytes, bool write, bool unprivileged) {
    if (!watchpoints_active(cpu)) {
        return std::nullopt;
    }
    const u64 start = without_tag(address);
    std::optional<GuestAddr> lowest;
    for (const Pair& pair : kWatchpointRegisters) {
        const u64 control = cpu.reg(pair.control);
        const bool this_kind = bit(control, write ? 4 : 3); // LSC: stores, loads
        const auto first = watched_range(cpu.reg(pair.value), control).first_of(start, bytes);
        if ((control & kEnable) != 0 && this_kind && first &&
            state_matches(cpu, control, unprivileged ? 0 : cpu.pstate.el, bit(control, 20))) {
            const GuestAddr at = address + (*first - start);
            lowest = lowest ? std::min(*lowest, at) : at;
        }
    }
    return lowest;
}

} // namespace ulna::system
