// Children that share their parent's memory without being threads of it: vfork, and
// clone(CLONE_VM).
//
// The child is a real one (an exec error, and what the child writes, must reach the parent), on a
// host stack and with a CpuState of its own, but with the thread-local storage of a host thread
// that sleeps until the child leaves the memory: the calling thread for vfork, a thread made for
// the purpose otherwise.
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>

#include "ir/support/check.h"
#include "runtime/host_clone.h"
#include "runtime/user/clone_child.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/ptrace_clone.h"
#include "runtime/user/ptrace_tracee.h"
#include "runtime/user/seccomp.h"

namespace ulna::user {

namespace {

u64 address(const void* pointer) { return reinterpret_cast<u64>(pointer); }

struct BorrowedStart {
    Child child;
    const CloneRequest* request;
    u8* stack = nullptr;
    pid_t tid = 0; // by the kernel, as the parent sees it
    i64 result = 0;
    std::atomic<bool> ready{false};
};

[[noreturn]] void borrowed_main(void* argument) {
    auto& start = *static_cast<BorrowedStart*>(argument);
    GuestThread& thread = *start.child;
    const CloneRequest& request = *start.request;
    ThreadSignals& signals = *thread.signals;
    thread.tid = static_cast<pid_t>(host_syscall(SYS_gettid));
    if (start.tid == 0) {
        start.tid = thread.tid;
    }
    if (!(request.flags & CLONE_SIGHAND)) {
        give_own_table(signals);
    }
    if (request.flags & CLONE_CLEAR_SIGHAND) {
        clear_handlers(signals);
    }
    if (request.flags & CLONE_PARENT_SETTID) {
        [[maybe_unused]] const bool stored = put_guest(request.parent_tid, start.tid);
    }
    set_current_thread(&thread);
    enter_host_thread(thread);
    if (is_traced(thread)) {
        begin_traced_child(thread, *thread.trace.session, *thread.trace.slot);
    }
    start.ready.store(true);
    start.ready.notify_one();
    unblock_signals(thread);
    run_thread(thread);
    UNREACHABLE("a child that borrows memory ends by exec or exit");
}

// The kernel stores our copy of the tid before the child runs; the guest's copy is stored by the
// child.
i64 call_clone(BorrowedStart& start) {
    const CloneRequest& request = *start.request;
    const u64 flags = ((request.flags | CLONE_VFORK | CLONE_PARENT_SETTID) &
                       ~u64{CLONE_SETTLS | CLONE_CLEAR_SIGHAND});
    const bool needs_clone3 = (flags & ~kLegacyCloneFlags) != 0 || request.set_tid_count != 0;
    if (!needs_clone3) {
        const u64 pid_at = request.flags & CLONE_PIDFD ? request.pidfd : address(&start.tid);
        const u64 legacy = request.flags & CLONE_PIDFD ? flags & ~u64{CLONE_PARENT_SETTID} : flags;
        return ulna_clone_call(SYS_clone, legacy | request.exit_signal,
                               address(start.stack + kCloneStackBytes), pid_at, request.child_tid,
                               0, borrowed_main, &start);
    }
    clone_args args = {};
    args.flags = flags;
    args.pidfd = request.pidfd;
    args.child_tid = request.child_tid;
    args.parent_tid = address(&start.tid);
    args.exit_signal = request.exit_signal;
    args.stack = address(start.stack);
    args.stack_size = kCloneStackBytes;
    args.set_tid = request.set_tid;
    args.set_tid_size = request.set_tid_count;
    args.cgroup = request.cgroup;
    return ulna_clone_call(SYS_clone3, address(&args), sizeof args, 0, 0, 0, borrowed_main, &start);
}

// Sleeps until the child has left our memory, then cleans up after it.
void run_borrowed(BorrowedStart& start) {
    GuestThread* const parent = current_thread();
    void* stack = mmap(nullptr, kCloneStackBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        start.result = -ENOMEM;
        return;
    }
    start.stack = static_cast<u8*>(stack);
    start.result = call_clone(start);
    set_current_thread(parent);
    munmap(stack, kCloneStackBytes);
    if (void* alternate = start.child->signals->host_stack) {
        release_host_stack(alternate);
    }
}

struct CarrierStart {
    CloneRequest request;
    BorrowedStart start;
    std::atomic<bool> done{false}; // the child has left our memory
};

// A host thread that lends its thread-local storage to a child which runs beside its parent. So
// does the child of a traced vfork: its parent tells the tracer of it meanwhile.
void* carrier_main(void* argument) {
    const std::unique_ptr<std::shared_ptr<CarrierStart>> carrier(
        static_cast<std::shared_ptr<CarrierStart>*>(argument));
    BorrowedStart& start = (*carrier)->start;
    run_borrowed(start);
    start.ready.store(true); // for a clone that failed
    start.ready.notify_one();
    (*carrier)->done.store(true);
    (*carrier)->done.notify_one();
    return nullptr;
}

void prepare_borrowed(BorrowedStart& start,
                      const GuestThread& parent,
                      const CloneRequest& request) {
    start.child = new_child(parent, request);
    start.request = &request;
    if (start.child == nullptr) {
        return;
    }
    ThreadSignals& signals = *start.child->signals;
    signals.group = std::make_shared<ThreadGroup>();
    signals.group->borrows_memory = true;
    join_group(*start.child, parent);
    if (request.flags & CLONE_VFORK) { // the kernel's sas_ss_reset is for the other kind
        signals.alt_stack = parent.signals->alt_stack;
    }
}

} // namespace

i64 clone_borrowing_memory(GuestThread& parent, const CloneRequest& request) {
    if ((request.flags & CLONE_VFORK) && !is_traced(parent)) {
        BorrowedStart start;
        prepare_borrowed(start, parent, request);
        if (start.child == nullptr) {
            return -ENOMEM;
        }
        run_borrowed(start);
        return start.result;
    }
    const auto carrier = std::make_shared<CarrierStart>();
    carrier->request = request;
    prepare_borrowed(carrier->start, parent, carrier->request);
    if (carrier->start.child == nullptr) {
        return -ENOMEM;
    }
    auto for_thread = std::make_unique<std::shared_ptr<CarrierStart>>(carrier);
    if (start_host_thread(*parent.signals, carrier_main, for_thread.get()) != 0) {
        return -EAGAIN;
    }
    [[maybe_unused]] const auto* owned_by_thread = for_thread.release();
    carrier->start.ready.wait(false);
    const i64 result = carrier->start.result < 0 ? carrier->start.result : carrier->start.tid;
    if ((request.flags & CLONE_VFORK) && result > 0) {
        report_vfork(parent, carrier->request, static_cast<pid_t>(result));
        carrier->done.wait(false);
    }
    return result;
}

} // namespace ulna::user
