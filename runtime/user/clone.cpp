// clone(2) of the guest: which of the ways it is, and what they share. See thread_group.h.
#include <pthread.h>
#include <sched.h>
#include <sys/single_threaded.h>

#include <algorithm>
#include <cerrno>
#include <linux/sched.h>

#include "runtime/user/clone_child.h"
#include "runtime/user/ptrace_clone.h"
#include "runtime/user/ptrace_tracee.h"
#include "runtime/user/seccomp.h"

namespace ulna::user {

namespace {

// Registers only: the rest of CpuState belongs to the engine's thread.
void copy_guest_state(ir::CpuState& to, const ir::CpuState& from) {
    std::copy(std::begin(from.x), std::end(from.x), to.x);
    std::copy(std::begin(from.v), std::end(from.v), to.v);
    to.sp = from.sp;
    to.pc = from.pc;
    to.nzcv = from.nzcv;
    to.fpsr = from.fpsr;
    to.fpcr = from.fpcr;
    to.guest_mxcsr = from.guest_mxcsr;
    to.tpidr_el0 = from.tpidr_el0;
    to.tpidrro_el0 = from.tpidrro_el0;
    to.pstate = from.pstate;
    to.sctlr_el1 = from.sctlr_el1;
    std::copy(std::begin(from.pac_keys), std::end(from.pac_keys), to.pac_keys);
    to.mode_bits = from.mode_bits & ~ir::BlockMode::kWatches; // which are a thread's own
    to.gcr_el1 = from.gcr_el1;
    to.rgsr_el1 = from.rgsr_el1;
}

// The kernel's rules (copy_process) for what it does not see itself.
bool is_valid_thread(const CloneRequest& request) {
    const u64 flags = request.flags;
    return (flags & CLONE_SIGHAND) && (flags & CLONE_VM) &&
           !(flags & (CLONE_NEWUSER | CLONE_NEWPID | CLONE_PIDFD)) &&
           (flags & (CLONE_NEWNS | CLONE_FS)) != (CLONE_NEWNS | CLONE_FS) &&
           request.exit_signal == 0 && request.set_tid_count == 0;
}

} // namespace

void enter_child_state(ir::CpuState& cpu, const CloneRequest& request) {
    cpu.x[0] = 0;
    if (request.stack_top != 0) {
        cpu.sp = request.stack_top;
    }
    if (request.flags & CLONE_SETTLS) {
        cpu.tpidr_el0 = request.tls;
    }
    cpu.excl_bytes = 0;
}

// When the host's libc makes its first thread, it takes signal 33 and unblocks 32 and 33, which are
// the guest's.
void take_back_libc_signals(ThreadSignals& signals) {
    block_signals_again();
    for (const int signal : {32, 33}) {
        install_host_action(signal, action_of(signals, signal));
    }
}

void ChildDeleter::operator()(GuestThread* child) const {
    leave_group(*child);
    process().engine->delete_thread(child->cpu);
    delete_thread_signals(child->signals);
    delete child;
}

Child new_child(const GuestThread& parent, const CloneRequest& request) {
    ir::CpuState* cpu = process().engine->new_thread();
    if (cpu == nullptr) {
        return nullptr;
    }
    Child child(new GuestThread);
    child->cpu = cpu;
    child->signals = new_thread_signals(parent.signals);
    child->tagged_addresses = parent.tagged_addresses;
    copy_guest_state(*child->cpu, *parent.cpu);
    enter_child_state(*child->cpu, request);
    if (request.slot != nullptr) {
        child->trace.session = parent.trace.session;
        child->trace.slot = request.slot;
    }
    if (parent.cpu->random_state != 0) { // another sequence than the parent's
        child->cpu->random_state = (parent.cpu->random_state ^ child->cpu->sp) | 1;
    }
    return child;
}

int start_host_thread(ThreadSignals& signals, void* (*function)(void*), void* argument) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, kCloneStackBytes);
    pthread_t unused;
    const bool is_first = __libc_single_threaded;
    const int error = pthread_create(&unused, &attributes, function, argument);
    if (is_first) {
        take_back_libc_signals(signals);
    }
    pthread_attr_destroy(&attributes);
    return error;
}

i64 clone_guest(GuestThread& thread, const CloneRequest& wanted) {
    CloneRequest request = wanted;
    if ((request.flags & CLONE_THREAD) && !is_valid_thread(request)) {
        return -EINVAL;
    }
    if (!block_signals()) {
        return kRestartNoIntr;
    }
    if ((request.flags & CLONE_VM) && !(request.flags & CLONE_VFORK)) {
        process().engine->add_mode(ir::BlockMode::kShared);
    }
    const u32 event = prepare_traced_child(thread, request);
    i64 result;
    if (request.flags & CLONE_THREAD) {
        result = clone_thread(thread, request);
    } else if (request.flags & CLONE_VM) {
        result = clone_borrowing_memory(thread, request);
    } else {
        result = fork_guest(thread, request);
    }
    unblock_signals(thread);
    if (is_traced(thread)) {
        finish_traced_clone(thread, request, event, result);
    }
    return result;
}

} // namespace ulna::user
