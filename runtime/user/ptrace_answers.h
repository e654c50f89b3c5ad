// ptrace(2): what a stopped tracee tells of itself beside registers and memory.
#pragma once

#include "runtime/user/guest_thread.h"
#include "runtime/user/ptrace_session.h"

namespace ulna::user {

// To slot.query, from and to slot.data. -errno, or
// - OwnSignals, SharedSignals: how many; -EIO when the host's kernel does not show its queues
// - SeccompFilter: of how many instructions it is, those from the wanted one on are in `data`
// - SeccompFlags: SECCOMP_FILTER_FLAG_*
// - ReadTags, WriteTags: how many there are, at most
[[nodiscard]] i64 answer_query(const GuestThread& thread, TraceSlot& slot);

} // namespace ulna::user
