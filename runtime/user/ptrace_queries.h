// Requests of ptrace(2) that a stopped tracee answers from what only its process knows
// (ptrace_answers.h). The tracer's side; results as the requests'.
#pragma once

#include "runtime/user/guest_thread.h"
#include "runtime/user/ptrace_session.h"

namespace ulna::user {

// PTRACE_PEEKSIGINFO: `args` is a ptrace_peeksiginfo_args.
[[nodiscard]] i64 peek_signals(TraceSlot& slot, GuestAddr args, GuestAddr to);

// PTRACE_SECCOMP_GET_FILTER: the instructions of the n'th filter, counted from the oldest, to `to`
// if that is not 0. How many they are.
[[nodiscard]] i64
get_seccomp_filter(const GuestThread& tracer, TraceSlot& slot, u64 n, GuestAddr to);
// PTRACE_SECCOMP_GET_METADATA: `at` is a seccomp_metadata, of which `bytes` are there.
[[nodiscard]] i64
get_seccomp_metadata(const GuestThread& tracer, TraceSlot& slot, u64 bytes, GuestAddr at);

// PTRACE_PEEKMTETAGS, PTRACE_POKEMTETAGS: `vector` is an iovec of the tags, one byte each, and says
// afterwards how many they were.
[[nodiscard]] i64 peek_tags(TraceSlot& slot, GuestAddr at, GuestAddr vector);
[[nodiscard]] i64 poke_tags(TraceSlot& slot, GuestAddr at, GuestAddr vector);

} // namespace ulna::user
