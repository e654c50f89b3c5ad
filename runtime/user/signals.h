// Guest signals: dispositions, masks, frames. See README.md "signals" for the whole story.
#pragma once

#include <csignal>

#include "runtime/user/guest_thread.h"

namespace ulna::user {

// Installs the host handlers that the runtime itself needs (SIGSEGV, SIGBUS, SIGILL, SIGFPE,
// SIGTRAP). `not_the_guests` are blocked by the host, but not by the guest. Calls of other
// processes (ptrace_session.h) wait until the first thread runs.
void init_signals(u64 not_the_guests = 0);
[[nodiscard]] ThreadSignals* new_thread_signals(const ThreadSignals* parent);
void delete_thread_signals(ThreadSignals* signals);

// Raises a synchronous signal on the calling guest thread, as the kernel's force_sig_fault does.
void raise_fault(GuestThread& thread, int signal, int code, GuestAddr address);

// Delivers what is pending, at a point where thread.cpu is exact: sets up handler frames, restarts
// or interrupts the system call whose result is `syscall_result` (nullptr: not in a system call),
// or ends the process as the default action says.
void deliver_pending(GuestThread& thread, const i64* syscall_result);

} // namespace ulna::user
