// Watchpoints that a tracer sets (NT_ARM_HW_WATCH): arch/arm64/kernel/ptrace.c and
// hw_breakpoint.c.
#pragma once

#include <array>

#include "ir/watchpoints.h"
#include "runtime/user/trace_watchpoint.h"

namespace ulna::user {

struct GuestThread;

// What the kernel makes of an address and a control word (DBGWVR, DBGWCR) that a tracer gives;
// -EINVAL: of bytes that are not in a row, or of no kind of access.
[[nodiscard]] i64 set_trace_watchpoint(TraceWatchpoint& to, u64 address, u32 control);

// The thread's accesses are compared with these from its next return to guest code on.
void use_watchpoints(GuestThread& thread, const TraceWatchpoints& points);

} // namespace ulna::user
