// Futexes and the other calls that wait with a signal mask of their own. The host kernel does the
// waiting: futex words, timeouts and operation codes are equal, and thread ids in the words are the
// host's.
#include <linux/futex.h>
#include <sys/syscall.h>

#include <cerrno>

#include "runtime/user/guest_memory.h"
#include "runtime/user/signals_state.h"

namespace ulna::user {

namespace {

// The fifth argument is a timeout for the waiting operations and a number for the others; only
// pointers carry tags.
bool takes_timeout(u64 operation) {
    switch (operation & FUTEX_CMD_MASK) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
    case FUTEX_WAIT_REQUEUE_PI:
        return true;
    default:
        return false;
    }
}

} // namespace

i64 sys_futex(GuestThread&, const SyscallArgs& args_) {
    const u64 fourth = takes_timeout(args_[1]) ? args_[3] : args_[3];
    return blocking_syscall(SYS_futex, args_[0], args_[1], args_[2], fourth, args_[4], args_[5]);
}

i64 sys_futex_waitv(GuestThread&, const SyscallArgs& args_) {
    return blocking_syscall(SYS_futex_waitv, args_[0], args_[1], args_[2], args_[3], args_[4]);
}

i64 sys_futex_wait(GuestThread&, const SyscallArgs& args_) {
    constexpr long kFutexWait = 455;
    return blocking_syscall(kFutexWait, args_[0], args_[1], args_[2], args_[3], args_[4], args_[5]);
}

} // namespace ulna::user
