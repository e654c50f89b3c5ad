// System calls that make, wait for and replace processes.
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "runtime/user/guest_memory.h"
#include "runtime/user/own_file.h"
#include "runtime/user/path_argument.h"
#include "runtime/user/process.h"
#include "runtime/user/ptrace_tracer.h"
#include "runtime/user/signals_state.h"
#include "runtime/user/thread_group.h"

namespace ulna::user {

namespace {

constexpr u64 kSignalMask = 0xff; // CSIGNAL
constexpr u16 kMoveMount = 429;

i64 wait4_with_tracees(GuestThread& thread, const SyscallArgs& args) {
    constexpr u64 kOptions = WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL;
    const auto pid = static_cast<pid_t>(args[0]);
    const u64 options = static_cast<u32>(args[2]);
    if ((options & ~kOptions) != 0) {
        return -EINVAL;
    }
    if (pid == INT_MIN) {
        return -ESRCH;
    }
    return wait_with_tracees(thread, {.kind = u64{pid == -1 ? P_ALL
                                                  : pid > 0 ? P_PID
                                                            : P_PGID},
                                      .id = pid == -1 ? 0 : std::abs(pid),
                                      .options = options | WEXITED,
                                      .status = args[1],
                                      .info = 0,
                                      .usage = args[3],
                                      .returns_pid = true});
}

} // namespace

// arm64: flags, stack, parent_tid, tls, child_tid (CONFIG_CLONE_BACKWARDS).
i64 sys_clone(GuestThread& thread, const SyscallArgs& args_) {
    CloneRequest request;
    request.flags = static_cast<u32>(args_[0]) & ~kSignalMask;
    request.exit_signal = request.flags & CLONE_THREAD ? 0 : args_[0] & kSignalMask;
    request.stack_top = args_[1];
    request.parent_tid = request.pidfd = args_[2];
    request.tls = args_[3];
    request.child_tid = args_[4];
    if ((request.flags & CLONE_PIDFD) && (request.flags & (CLONE_PARENT_SETTID | CLONE_DETACHED))) {
        return -EINVAL;
    }
    return clone_guest(thread, request);
}

i64 sys_clone3(GuestThread& thread, const SyscallArgs& args_) {
    const u64 bytes = args_[1];
    clone_args args = {};
    if (bytes < CLONE_ARGS_SIZE_VER0) {
        return -EINVAL;
    }
    if (bytes > 4096) {
        return -E2BIG;
    }
    u8 raw[4096];
    if (!copy_from_guest(raw, args_[0], bytes)) {
        return -EFAULT;
    }
    const u64 known = std::min<u64>(bytes, sizeof args);
    // A newer structure is fine as long as what we do not know is zero (copy_struct_from_user).
    if (std::any_of(raw + known, raw + bytes, [](u8 byte) { return byte != 0; })) {
        return -E2BIG;
    }
    std::copy_n(raw, known, reinterpret_cast<u8*>(&args));
    if ((args.flags & (CLONE_DETACHED | (kSignalMask & ~u64{CLONE_NEWTIME}))) ||
        (args.exit_signal & ~kSignalMask) || args.exit_signal > kSignalCount ||
        (args.stack == 0) != (args.stack_size == 0) ||
        ((args.flags & (CLONE_THREAD | CLONE_PARENT)) && args.exit_signal != 0) ||
        ((args.flags & CLONE_SIGHAND) && (args.flags & CLONE_CLEAR_SIGHAND)) ||
        (args.set_tid == 0) != (args.set_tid_size == 0)) {
        return -EINVAL;
    }
    return clone_guest(thread, {.flags = args.flags,
                                .exit_signal = args.exit_signal,
                                .stack_top = args.stack != 0 ? args.stack + args.stack_size : 0,
                                .parent_tid = untag(args.parent_tid),
                                .child_tid = untag(args.child_tid),
                                .tls = args.tls,
                                .pidfd = untag(args.pidfd),
                                .set_tid = untag(args.set_tid),
                                .set_tid_count = args.set_tid_size,
                                .cgroup = args.cgroup});
}

// rusage, siginfo_t and the status word are equal.
i64 sys_wait4(GuestThread& thread, const SyscallArgs& args_) {
    if (may_have_tracees()) [[unlikely]] {
        return wait4_with_tracees(thread, args_);
    }
    return blocking_syscall(SYS_wait4, args_[0], args_[1], args_[2], args_[3]);
}
i64 sys_waitid(GuestThread& thread, const SyscallArgs& args_) {
    if (may_have_tracees()) [[unlikely]] {
        return wait_with_tracees(thread, {.kind = args_[0],
                                          .id = static_cast<pid_t>(args_[1]),
                                          .options = args_[3],
                                          .status = 0,
                                          .info = args_[2],
                                          .usage = args_[4],
                                          .returns_pid = false});
    }
    return blocking_syscall(SYS_waitid, args_[0], args_[1], args_[2], args_[3], args_[4]);
}

i64 sys_execve(GuestThread& thread, const SyscallArgs& args_) {
    return exec_guest(thread, {AT_FDCWD, args_[0], args_[1], args_[2], 0});
}
i64 sys_execveat(GuestThread& thread, const SyscallArgs& args_) {
    return exec_guest(thread, {static_cast<int>(args_[0]), args_[1], args_[2], args_[3], args_[4]});
}

// A process of several threads cannot get a user namespace (kernel/fork.c: check_unshare_flags).
i64 sys_unshare(GuestThread&, const SyscallArgs& args_) {
    process().engine->stop_own_threads();
    return host_syscall(SYS_unshare, args_[0]);
}

// Names may mean something else afterwards: our own file's, too.
i64 sys_change_names(GuestThread& thread, const SyscallArgs& args_) {
    struct Call {
        u16 arm, host;
    };
    static constexpr Call kCalls[] = {{39, SYS_umount2}, {40, SYS_mount},  {41, SYS_pivot_root},
                                      {51, SYS_chroot},  {268, SYS_setns}, {429, kMoveMount}};
    const auto number = static_cast<u32>(thread.cpu->x[8]);
    for (const Call& call : kCalls) {
        if (call.arm == number) {
            keep_own_file();
            process().engine->stop_own_threads(); // setns: to a user or time namespace
            const std::string exe =
                call.host == SYS_mount ? named_program(args_[0]) : std::string();
            const u64 first = exe.empty() ? args_[0] : reinterpret_cast<u64>(exe.c_str());
            return host_syscall(call.host, first, args_[1], args_[2], args_[3], args_[4]);
        }
    }
    return -ENOSYS;
}

} // namespace ulna::user
