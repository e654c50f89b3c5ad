// ptrace(2): what passes between processes of Ulna beside the slots.
#pragma once

#include <csignal>

#include "runtime/user/guest_thread.h"
#include "runtime/user/ptrace_session.h"

namespace ulna::user {

// By the host's handler, of a signal with kTraceCallCode; `thread` is null on threads that are not
// the guest's. Async-signal-safe.
void hear_trace_call(GuestThread* thread, const siginfo_t& info);

// TRACEME: the session of the parent, made if there is none. Null: it cannot trace.
[[nodiscard]] TraceSession* session_of_parent(const GuestThread& thread);
// ATTACH, SEIZE: `slot` becomes the thread's; 0 or -errno, and then the slot is still the caller's.
[[nodiscard]] i64 attach_thread(const TraceSession& session, TraceSlot& slot);

// The tracer ends: its tracees are detached, or killed if they wanted that.
void close_session(TraceSession& session);

} // namespace ulna::user
