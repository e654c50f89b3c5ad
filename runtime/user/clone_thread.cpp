// Guest threads: CLONE_THREAD. Each is a host thread of its own.
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>

#include "runtime/user/clone_child.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/ptrace_clone.h"
#include "runtime/user/ptrace_tracee.h"
#include "runtime/user/seccomp.h"

namespace ulna::user {

namespace {

u64 address(const void* pointer) { return reinterpret_cast<u64>(pointer); }

struct ThreadStart {
    Child child;
    const CloneRequest* request;
    std::atomic<bool> ready{false}; // the parent may go on; this structure is gone afterwards
    i64 error = 0;
    pid_t tid = 0;
};

// Rare: a thread that does not share what threads usually do.
i64 unshare_for_thread(u64 flags) {
    constexpr u64 kUsuallyShared = CLONE_FS | CLONE_FILES | CLONE_SYSVSEM;
    constexpr u64 kNamespaces =
        CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP;
    const u64 wanted = (~flags & kUsuallyShared) | (flags & kNamespaces);
    return wanted == 0 ? 0 : host_syscall(SYS_unshare, wanted);
}

void store_tids(const CloneRequest& request, pid_t tid) {
    [[maybe_unused]] bool stored = true; // the kernel, too, ignores bad addresses here
    if (request.flags & CLONE_PARENT_SETTID) {
        stored = put_guest(request.parent_tid, tid);
    }
    if (request.flags & CLONE_CHILD_SETTID) {
        stored = put_guest(request.child_tid, tid);
    }
}

bool begin_thread(ThreadStart& start) {
    GuestThread& thread = *start.child;
    start.error = unshare_for_thread(start.request->flags);
    if (start.error != 0) {
        return false;
    }
    thread.tid = static_cast<pid_t>(host_syscall(SYS_gettid));
    thread.signals->is_pthread = true;
    if (start.request->flags & CLONE_CHILD_CLEARTID) {
        thread.clear_child_tid = untag(start.request->child_tid);
    }
    store_tids(*start.request, thread.tid);
    enter_host_thread(thread);
    set_current_thread(&thread);
    if (is_traced(thread)) {
        begin_traced_child(thread, *thread.trace.session, *thread.trace.slot);
    }
    start.tid = thread.tid;
    return true;
}

// After everything that belongs to the guest thread is gone: who joins it may reuse its memory.
void announce_thread_end(GuestAddr clear_child_tid) {
    const u32 zero = 0;
    if (clear_child_tid != 0 && put_guest(clear_child_tid, zero)) {
        constexpr u64 kFutexWake = 1;
        host_syscall(SYS_futex, clear_child_tid, kFutexWake, 1);
    }
}

void finish_thread(Child child) {
    set_host_mask(kAllSignals);
    set_current_thread(nullptr);
    release_robust_list(*child);
    static struct {
        void* next;
        long offset;
        void* pending;
    } empty_list = {&empty_list, 0, nullptr};
    host_syscall(SYS_set_robust_list, address(&empty_list), sizeof empty_list);
    leave_host_thread(*child);
    const GuestAddr clear_child_tid = child->clear_child_tid;
    child.reset();
    announce_thread_end(clear_child_tid);
}

void* thread_main(void* argument) {
    auto& start = *static_cast<ThreadStart*>(argument);
    const bool began = begin_thread(start);
    Child child = began ? std::move(start.child) : nullptr;
    start.ready.store(true);
    start.ready.notify_one(); // touches only the address
    if (began) {
        unblock_signals(*child);
        run_thread(*child);
        finish_thread(std::move(child));
    }
    return nullptr;
}

} // namespace

i64 clone_thread(GuestThread& parent, const CloneRequest& request) {
    ThreadStart start{.child = new_child(parent, request), .request = &request};
    if (start.child == nullptr) {
        return -ENOMEM;
    }
    join_group(*start.child, parent);
    parent.signals->group->live.fetch_add(1);
    if (start_host_thread(*parent.signals, thread_main, &start) != 0) {
        start.error = -EAGAIN;
    } else {
        start.ready.wait(false);
    }
    if (start.error != 0) {
        parent.signals->group->live.fetch_sub(1);
        return start.error;
    }
    return start.tid;
}

} // namespace ulna::user
