// System calls that end or describe a thread.
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/user/guest_memory.h"
#include "runtime/user/signals_state.h"
#include "runtime/user/thread_group.h"

namespace ulna::user {

i64 sys_exit(GuestThread& thread, const SyscallArgs& args_) {
    // A signal that this thread has already taken from the kernel would die with it.
    if (!block_signals()) {
        return kRestartNoIntr;
    }
    exit_thread(thread, static_cast<int>(args_[0]));
    return kSigreturnDone;
}

i64 sys_exit_group(GuestThread& thread, const SyscallArgs& args_) {
    exit_process(thread, static_cast<int>(args_[0]));
}

i64 sys_set_tid_address(GuestThread& thread, const SyscallArgs& args_) {
    if (!thread.signals->is_pthread) {
        return host_syscall(SYS_set_tid_address, args_[0]);
    }
    thread.clear_child_tid = args_[0];
    return thread.tid;
}

i64 get_tid_address(const GuestThread& thread, GuestAddr to) {
    if (!thread.signals->is_pthread) {
        return host_syscall(SYS_prctl, PR_GET_TID_ADDRESS, untag(to));
    }
    return put_guest(to, thread.clear_child_tid) ? 0 : -EFAULT;
}

// The kernel walks the guest's list when the process dies; for a thread that merely ends we do,
// because the host thread outlives the guest's (release_robust_list).
i64 sys_set_robust_list(GuestThread& thread, const SyscallArgs& args_) {
    const i64 result = host_syscall(SYS_set_robust_list, args_[0], args_[1]);
    if (result == 0) {
        thread.signals->robust_list = args_[0];
    }
    return result;
}

} // namespace ulna::user
