// The window from which blocking system calls are made.
//
// Between "is a signal waiting?" and the kernel entering the call a signal may arrive; without care
// the call would then sleep although the guest's handler should run first. The call is made by a
// few instructions with known addresses: the host handler moves a context found in [start, the
// SYSCALL instruction] to the path that returns kRestartNoIntr. A call that the kernel itself
// restarts is also found at the SYSCALL instruction, and therefore becomes a guest restart: the
// kernel has already applied SA_RESTART, because host handlers carry the guest's flag.
#pragma once

#include "ir/support/types.h"

namespace ulna::user {

// Makes the call unless *interrupted is non-zero. Arguments in order: a[0]..a[5].
extern "C" i64 ulna_safe_syscall(const u32* interrupted, i64 number, const u64* arguments);

// For the host signal handler: leaves the window if the context is inside it. `ucontext` is a
// ucontext_t*.
void leave_safe_syscall_window(void* ucontext);

} // namespace ulna::user
