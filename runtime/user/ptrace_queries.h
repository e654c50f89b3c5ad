// Requests of ptrace(2) that a stopped tracee answers from what only its process knows
// (ptrace_answers.h). The tracer's side; results as the requests'.
#pragma once

#include "runtime/user/guest_thread.h"
#include "runtime/user/ptrace_session.h"

namespace ulna::user {

// PTRACE_PEEKSIGINFO: `args` is a ptrace_peeksiginfo_args.
[[nodiscard]] i64 peek_signals(TraceSlot& slot, GuestAddr args, GuestAddr to);

} // namespace ulna::user
