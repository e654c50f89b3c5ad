// ptrace(2): a traced thread, as it sees itself. Its stops, and what it does in them.
#pragma once

#include <csignal>
#include <optional>

#include "runtime/user/guest_thread.h"
#include "runtime/user/ptrace_session.h"

namespace ulna::user {

[[nodiscard]] inline bool is_traced(const GuestThread& thread) {
    return thread.trace.slot != nullptr;
}

// --- becoming one, and ceasing to be

// A tracer has called (by the host's handler): the thread is its tracee from here on.
[[nodiscard]] inline bool is_called(const GuestThread& thread) {
    return __atomic_load_n(&thread.trace.called_slot, __ATOMIC_RELAXED) != nullptr;
}
void follow_call(GuestThread& thread);
// By its own will (TRACEME), or as the child of a tracee.
void begin_traced(GuestThread& thread, TraceSession& session, TraceSlot& slot);
// A forked child that nobody traces.
void forget_tracer(GuestThread& thread);

// --- stops

// The run loop's and the delivery of signals: what the tracer has asked for.
void come_to_asked_stops(GuestThread& thread);
// A SIGSTOP that the host does not know of.
[[nodiscard]] std::optional<siginfo_t> asked_sigstop(GuestThread& thread);
// Just before a signal is delivered: what is to be delivered in its place.
[[nodiscard]] std::optional<siginfo_t> ask_tracer(GuestThread& thread, const siginfo_t& info);
// The default action of a stop signal.
void stop_group(GuestThread& thread, int signal);
// dispatch_syscall with the stops at entry and exit. Result as there.
[[nodiscard]] i64 traced_syscall(GuestThread& thread);
// SECCOMP_RET_TRACE: what the call returns instead of being made; none: it is to be made, whatever
// it is by then.
[[nodiscard]] std::optional<i64> stop_for_seccomp(GuestThread& thread, u32 data);
[[nodiscard]] bool is_event_wanted(const GuestThread& thread, u32 event); // PTRACE_EVENT_*
void stop_for_event(GuestThread& thread, u32 event, u64 message);
// The first thing that a program does after execve.
void report_exec(GuestThread& thread);
// SIGTRAP as ptrace_notify(SIGTRAP) reports it: a handler has been entered by a step.
void report_step_into_handler(GuestThread& thread);
[[nodiscard]] inline bool is_stepping(const GuestThread& thread) {
    return thread.trace.mode == TraceMode::Step || thread.trace.mode == TraceMode::EmulateStep;
}

// --- ends

void stop_for_exit(GuestThread& thread, u32 status);
// Of this thread, which has been traced; of all traced threads of the process.
void report_thread_end(GuestThread& thread, u32 status);
void report_process_end(u32 status);

// --- over execve: "session,slot" or what stands for none
struct TraceHandover {
    int session = -1, slot = -1; // that trace this process
    int own = -1;                // with the tracees of this process
};
[[nodiscard]] TraceHandover trace_handover(const GuestThread& thread);
void take_over_tracer(GuestThread& thread, const TraceHandover& handover);

} // namespace ulna::user
