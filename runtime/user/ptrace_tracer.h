// ptrace(2): tracees, as their tracer sees them.
#pragma once

#include <span>

#include "runtime/user/guest_thread.h"
#include "runtime/user/ptrace_session.h"

namespace ulna::user {

inline constexpr pid_t kNoTracer = -1;

// What is neither gone nor detached, whether it has stopped or not.
[[nodiscard]] bool is_tracee_of(const TraceSlot& slot, const GuestThread& tracer);
[[nodiscard]] TraceSlot* find_tracee(TraceSession& session, const GuestThread& tracer, pid_t tid);

// Of a tracee that has stopped; `bytes` is at most TraceSlot::kMostBytes. The bytes that were
// copied.
[[nodiscard]] u64
access_tracee(TraceSlot& slot, TraceCommand command, GuestAddr at, void* data, u64 bytes);
// Of a tracee that has stopped: its answer, -ESRCH when it has gone. Of `data`, at most
// TraceSlot::kMostBytes go there and come back.
[[nodiscard]] i64 ask_tracee(TraceSlot& slot, TraceQuery query, u64 address, std::span<u8> data);
// PTRACE_DETACH: until the tracee has taken note.
void await_detached(TraceSlot& slot);
// The tracer has written there by other means: translations are stale.
void forget_in_tracee(pid_t process, GuestAddr at, u64 bytes);

// kill(2) with SIGSTOP: true when it is to a thread, or a process (`thread` 0), that is traced in a
// session which this process knows. The host must not stop it: its tracer hears of the signal.
[[nodiscard]] bool sends_sigstop(pid_t process, pid_t thread);

// --- wait4(2), waitid(2)
struct WaitRequest {
    u64 kind; // P_*
    pid_t id;
    u64 options;
    GuestAddr status, info, usage; // 0: not wanted
    bool returns_pid;
};
[[nodiscard]] inline bool may_have_tracees() { return own_session() != nullptr; }
[[nodiscard]] i64 wait_with_tracees(GuestThread& thread, const WaitRequest& request);

} // namespace ulna::user
