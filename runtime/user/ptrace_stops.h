// ptrace(2): one stop of a thread, for the files that have stops.
#pragma once

#include <csignal>

#include "runtime/user/guest_thread.h"

namespace ulna::user {

struct TraceStop {
    u32 code; // what wait4 shows in its high byte
    u64 message = 0;
    const siginfo_t* info = nullptr; // null: there is none
    int reason = CLD_TRAPPED;        // of the tracer's SIGCHLD
};

// Of a thread that is traced. Returns the signal that the tracer has sent with the request that
// resumed it; `unseen` when the tracer has ended. It may be traced no more.
u32 come_to_stop(GuestThread& thread, const TraceStop& stop, u32 unseen = 0);

// How a thread runs after such a request.
[[nodiscard]] TraceMode mode_of(u32 request);

// What ptrace_notify makes of an exit code.
[[nodiscard]] siginfo_t event_info(const GuestThread& thread, u32 code);

} // namespace ulna::user
