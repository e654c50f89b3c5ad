// ptrace(2): children of a tracee.
#pragma once

#include "runtime/user/thread_group.h"

namespace ulna::user {

// Gives the request a slot when the child is to be traced, too. The event (PTRACE_EVENT_*) that its
// parent is to report; 0: none.
[[nodiscard]] u32 prepare_traced_child(const GuestThread& parent, CloneRequest& request);
// In the child, as soon as it has its id: it stops before its first instruction.
void begin_traced_child(GuestThread& child, TraceSession& session, TraceSlot& slot);
// In the parent. `result` is the child's id or -errno.
void finish_traced_clone(GuestThread& parent, const CloneRequest& request, u32 event, i64 result);
// In the middle of a vfork: the child runs, and the parent waits for it.
void report_vfork(GuestThread& parent, const CloneRequest& request, pid_t child);

} // namespace ulna::user
