// Breakpoints and watchpoints that a tracer sets (NT_ARM_HW_BREAK, NT_ARM_HW_WATCH):
// arch/arm64/kernel/ptrace.c and hw_breakpoint.c. They are a thread's own.
#pragma once

#include "runtime/user/guest_thread.h"
#include "runtime/user/trace_hardware.h"

namespace ulna::user {

// What the kernel makes of an address and a control word that a tracer gives; -EINVAL: of bytes
// that are not in a row, of no kind of access or another one, or of the kernel's addresses.
[[nodiscard]] i64 set_trace_watchpoint(HardwarePoint& to, u64 address, u32 control);
[[nodiscard]] i64 set_trace_breakpoint(HardwarePoint& to, u64 address, u32 control);

// The thread's accesses are compared with these from its next return to guest code on.
void use_watchpoints(GuestThread& thread, const TraceWatchpoints& points);
// It stops before these instructions (breaks_at), which no translated code goes through.
void use_breakpoints(GuestThread& thread, const TraceBreakpoints& points);
[[nodiscard]] bool breaks_at(const GuestThread& thread, GuestAddr pc);

} // namespace ulna::user
