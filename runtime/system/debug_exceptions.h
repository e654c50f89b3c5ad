// Self-hosted debug (DDI 0487 D2): when debug exceptions are enabled, software step, breakpoints
// and watchpoints.
#pragma once

#include <vector>

#include "runtime/system/cpu.h"

namespace ulna::system {

// The EL that debug exceptions from EL0 and EL1 go to: MDCR_EL2.TDE, HCR_EL2.TGE.
[[nodiscard]] u8 debug_target(const Cpu& cpu);
// Whether breakpoints, watchpoints and software step generate exceptions here.
[[nodiscard]] bool debug_exceptions_enabled(const Cpu& cpu);

// --- Software step (D2.11)

enum class StepState : u8 {
    Inactive,
    ActiveNotPending, // execute one instruction, then step_done()
    ActivePending,    // take software_step() before the next one
};
[[nodiscard]] StepState step_state(const Cpu& cpu);
// Inactive, but only by PSTATE.D, which translated code changes by itself.
[[nodiscard]] bool step_waits_for_unmasking(const Cpu& cpu);
// An instruction was stepped without an exception. The exception that follows is
// software_step(true, it was a load-exclusive).
void step_done(Cpu& cpu);
// PSTATE.SS after an exception return with this SPSR to `target` (DebugExceptionReturnSS).
[[nodiscard]] bool step_bit_after_return(const Cpu& cpu, u64 spsr, u8 target);

// --- Breakpoints and watchpoints

// The last ones of the breakpoints can be about a context, or be linked to.
inline constexpr unsigned kBreakpoints = 6, kContextBreakpoints = 2, kWatchpoints = 4;

// Where breakpoints may match, at some EL: MDSCR_EL1.MDE, and they are enabled. To be asked at
// CpuHost::debug_changed.
[[nodiscard]] std::vector<GuestAddr> breakpoint_addresses(const Cpu& cpu);
// One of them is about a context, and may match anywhere.
[[nodiscard]] bool breaks_anywhere(const Cpu& cpu);
// Any could match here: MDSCR_EL1.MDE, and one is enabled. To be asked when CpuHost::debug_changed
// or the EL changes; translated code need not look otherwise.
[[nodiscard]] bool breakpoints_active(const Cpu& cpu);
[[nodiscard]] bool watchpoints_active(const Cpu& cpu);
// MDSCR_EL1.MDE, and a watchpoint is enabled: at some EL it may match.
[[nodiscard]] bool watchpoints_possible(const Cpu& cpu);
// Whether an enabled watchpoint is about any of these bytes, wherever it counts: what a TLB that
// accesses do not pass by may not hold.
[[nodiscard]] bool is_watched(const Cpu& cpu, GuestAddr start, u64 bytes);
// The instruction at pc has a breakpoint.
[[nodiscard]] bool breakpoint_matches(const Cpu& cpu, GuestAddr pc);
// An access of `bytes` at `address`: the lowest address that is watched. `unprivileged`: LDTR and
// STTR, which are EL0's.
[[nodiscard]] std::optional<GuestAddr>
watchpoint_matches(const Cpu& cpu, GuestAddr address, u64 bytes, bool write, bool unprivileged);

} // namespace ulna::system
