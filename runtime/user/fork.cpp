// Children with a copy of the memory. Our locks are taken before the copy is made, so that the
// child, in which only the calling thread exists, finds them free.
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

#include "runtime/user/address_space.h"
#include "runtime/user/clone_child.h"
#include "runtime/user/debugged_code.h"
#include "runtime/user/debugger.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/io_uring.h"
#include "runtime/user/open_views.h"
#include "runtime/user/ptrace_clone.h"
#include "runtime/user/ptrace_tracee.h"
#include "runtime/user/seccomp.h"

// The host libc's own preparation of malloc for a fork: there when it is linked statically.
extern "C" {
[[gnu::weak]] void __malloc_fork_lock_parent();
[[gnu::weak]] void __malloc_fork_unlock_parent();
[[gnu::weak]] void __malloc_fork_unlock_child();
}

namespace ulna::user {

namespace {

constexpr u64 kTidFlags = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;

u64 address(const void* pointer) { return reinterpret_cast<u64>(pointer); }

bool is_plain_fork(const CloneRequest& request) {
    return (request.flags & ~(kTidFlags | CLONE_SETTLS)) == 0 && request.exit_signal == SIGCHLD &&
           request.set_tid_count == 0;
}

// For flags that fork() does not know, such as namespaces. Thread ids are stored by the kernel.
i64 fork_with_flags(const CloneRequest& request) {
    const u64 flags = request.flags & ~u64{CLONE_SETTLS | CLONE_CLEAR_SIGHAND};
    constexpr u64 kBothAtParentTid = CLONE_PIDFD | CLONE_PARENT_SETTID; // of clone(2)
    if ((flags & ~kLegacyCloneFlags) == 0 && request.set_tid_count == 0 &&
        (flags & kBothAtParentTid) != kBothAtParentTid) {
        const u64 parent_tid = flags & CLONE_PIDFD ? request.pidfd : request.parent_tid;
        return host_syscall(SYS_clone, flags | request.exit_signal, 0, parent_tid,
                            request.child_tid);
    }
    clone_args args = {};
    args.flags = flags;
    args.pidfd = request.pidfd;
    args.child_tid = request.child_tid;
    args.parent_tid = request.parent_tid;
    args.exit_signal = request.exit_signal;
    args.set_tid = request.set_tid;
    args.set_tid_size = request.set_tid_count;
    args.cgroup = request.cgroup;
    return host_syscall(SYS_clone3, address(&args), sizeof args);
}

i64 fork_with_flags_and_malloc(const CloneRequest& request) {
    const bool prepares_malloc = __malloc_fork_lock_parent != nullptr;
    if (prepares_malloc) {
        __malloc_fork_lock_parent();
    }
    const i64 pid = fork_with_flags(request);
    if (prepares_malloc) {
        pid == 0 ? __malloc_fork_unlock_child() : __malloc_fork_unlock_parent();
    }
    return pid;
}

void become_forked_child(GuestThread& thread, const CloneRequest& request, bool plain) {
    ThreadSignals& signals = *thread.signals;
    thread.tid = static_cast<pid_t>(host_syscall(SYS_gettid));
    thread.clear_child_tid = 0;
    signals.group = std::make_shared<ThreadGroup>();
    join_group(thread, thread);
    signals.is_pthread = false;
    signals.robust_list = 0;
    signals.held = 0; // pending signals are not inherited
    if (plain) {
        if (request.flags & CLONE_CHILD_SETTID) {
            [[maybe_unused]] const bool stored = put_guest(request.child_tid, thread.tid);
        }
        const u64 clear = request.flags & CLONE_CHILD_CLEARTID ? request.child_tid : 0;
        host_syscall(SYS_set_tid_address, clear);
    }
    if (request.flags & CLONE_CLEAR_SIGHAND) {
        clear_handlers(signals);
    }
    enter_child_state(*thread.cpu, request);
    if (request.slot != nullptr) {
        begin_traced_child(thread, *thread.trace.session, *request.slot);
    } else {
        forget_tracer(thread);
    }
}

} // namespace

i64 fork_guest(GuestThread& thread, const CloneRequest& request) {
    runtime::Engine& engine = *process().engine;
    AddressSpace* space = process().space;
    const bool plain = is_plain_fork(request);
    lock_views();
    std::unique_lock table_lock(thread.signals->table->lock);
    lock_rings();
    lock_groups();
    engine.before_fork();
    if (space != nullptr) {
        space->before_fork();
    }
    stop_points().before_fork();
    Debugger* const debugger = process().debugger;
    if (debugger != nullptr) {
        debugger->before_fork();
    }
    const i64 forked = plain ? fork() : fork_with_flags_and_malloc(request);
    const i64 pid = plain && forked < 0 ? -errno : forked;
    if (debugger != nullptr) {
        debugger->after_fork(pid == 0);
    }
    stop_points().after_fork(pid == 0);
    if (space != nullptr) {
        space->after_fork();
    }
    engine.after_fork(pid == 0);
    unlock_groups();
    unlock_rings();
    table_lock.unlock();
    unlock_views(pid == 0);
    if (pid == 0) {
        become_forked_child(thread, request, plain);
    } else if (pid > 0 && plain && (request.flags & CLONE_PARENT_SETTID)) {
        [[maybe_unused]] const bool stored = put_guest(request.parent_tid, static_cast<pid_t>(pid));
    }
    return pid;
}

} // namespace ulna::user
