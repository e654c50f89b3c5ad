// The host's signal handler: what the kernel tells us becomes a guest signal, or was never one.
//
// Runs on the thread's alternate stack, possibly inside translated code, so it only stores, and
// moves contexts; everything else happens in deliver_pending with exact guest state.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "ir/support/check.h"
#include "runtime/fault_safe_copy.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/ptrace_calls.h"
#include "runtime/user/safe_syscall.h"
#include "runtime/user/signals.h"
#include "runtime/user/signals_state.h"

namespace ulna::user {

namespace {

// Frames with AVX-512 state are about 3 KiB; AMX adds 8 KiB.
constexpr u64 kHostStackBytes = 64 << 10;
constexpr u64 kGuardBytes = 4096;

SignalSet& mask_of(ucontext_t& context) {
    // glibc's sigset_t is larger than the kernel's, which is what the frame holds.
    return *reinterpret_cast<SignalSet*>(&context.uc_sigmask);
}

// A fault of our own code: name it in one line, then let the default action end the process.
void internal_fault(int signal, const siginfo_t& info, const ucontext_t& context) {
    char line[160];
    const int length = snprintf(
        line, sizeof line,
        "ulna: internal error: signal %d (code %d, address %p) at host pc %#llx\n", signal,
        info.si_code, info.si_addr, static_cast<long long>(context.uc_mcontext.gregs[REG_RIP]));
    if (write(STDERR_FILENO, line, static_cast<size_t>(length)) < 0) {
        // nothing left to say it with
    }
    install_host_default(signal);
}

void on_fault(int signal, const siginfo_t& info, ucontext_t& context) {
    if (runtime::recover_copy(&context)) {
        return;
    }
    GuestThread* thread = current_thread();
    if (thread != nullptr) {                  // first: on_host_fault may jump out of this handler
        constexpr greg_t kPageFaultWrite = 2; // of the error code that a page fault pushes
        thread->signals->fault = info;
        thread->signals->fault_is_write = context.uc_mcontext.gregs[REG_ERR] & kPageFaultWrite;
    }
    bool resumed = false;
    if (thread == nullptr ||
        !process().engine->on_host_fault(signal, &context, *thread->cpu, resumed)) {
        internal_fault(signal, info, context);
    }
}

// True when the call that it interrupts must end.
bool on_sent_synchronous(ThreadSignals& signals, int signal, const siginfo_t& info) {
    hold_signal(signals, info);
    return !(signals.mask & signal_bit(signal));
}

void on_asynchronous(GuestThread& thread, int signal, const siginfo_t& info, ucontext_t& context) {
    ThreadSignals& signals = *thread.signals;
    if (signal == SIGTRAP && info.si_code == kTraceCallCode) {
        hear_trace_call(&thread, info);
    } else if (is_synchronous(signal)) {
        if (!on_sent_synchronous(signals, signal, info)) {
            return;
        }
    } else {
        signals.slot = info;
        mend_child_signal(signals.slot);
        signals.slot_full = 1;
        mask_of(context) |= kAllSignals & ~kSynchronous;
    }
    signals.interrupted = 1;
    leave_safe_syscall_window(&context);
    process().engine->request_safepoint(*thread.cpu);
}

} // namespace

void host_handler(int signal, siginfo_t* info, void* context_pointer) {
    const int saved_errno = errno;
    ucontext_t& context = *static_cast<ucontext_t*>(context_pointer);
    if (is_synchronous(signal) && info->si_code > 0) {
        on_fault(signal, *info, context);
    } else if (GuestThread* thread = current_thread()) {
        on_asynchronous(*thread, signal, *info, context);
    } else if (signal == SIGTRAP && info->si_code == kTraceCallCode) {
        hear_trace_call(nullptr, *info);
    }
    errno = saved_errno;
}

void enter_host_thread(GuestThread& thread) {
    void* block = mmap(nullptr, kHostStackBytes + kGuardBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    CHECK(block != MAP_FAILED);
    mprotect(block, kGuardBytes, PROT_NONE);
    thread.signals->host_stack = block;
    const stack_t stack = {.ss_sp = static_cast<char*>(block) + kGuardBytes,
                           .ss_flags = 0,
                           .ss_size = kHostStackBytes};
    CHECK(host_syscall(SYS_sigaltstack, reinterpret_cast<u64>(&stack)) == 0);
}

void leave_host_thread(GuestThread& thread) {
    const stack_t none = {.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
    host_syscall(SYS_sigaltstack, reinterpret_cast<u64>(&none));
    release_host_stack(thread.signals->host_stack);
    thread.signals->host_stack = nullptr;
}

void release_host_stack(void* stack) { munmap(stack, kHostStackBytes + kGuardBytes); }

} // namespace ulna::user
