// System calls that a signal interrupts without a handler: they go on. The kernel knows when that
// is so; here a handler of ours may have run that no guest sees, for a signal that the guest
// ignores or a tracer has kept, or for none.
#pragma once

#include "runtime/user/guest_thread.h"

namespace ulna::user {

// Results after which the call is made again, unless a handler says otherwise.
[[nodiscard]] bool is_restart(i64 result);
// What a result of -EINTR would have been without our handler: kRestartNoHand for the calls in
// thread.cpu that the kernel restarts when no handler runs; all others as they are.
[[nodiscard]] i64 without_own_handler(const GuestThread& thread, i64 result);

// A relative sleep has been interrupted, `left` before its end: restart_syscall is to sleep on.
// Returns kRestartBlock.
[[nodiscard]] i64 sleep_on_later(GuestThread& thread, int clock, const timespec& left);

} // namespace ulna::user
