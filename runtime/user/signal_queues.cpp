// Only a tracer may look into the kernel's queues. So a child that lives for this alone traces the
// thread by the host's ptrace(2), while the thread waits for it; nobody else learns of it.
#include "runtime/user/signal_queues.h"

#include <linux/ptrace.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "runtime/user/ptrace_session.h"
#include "runtime/user/signals_state.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

namespace {

u64 address(const void* pointer) { return reinterpret_cast<u64>(pointer); }

struct Look {
    u64 thread;
    ptrace_peeksiginfo_args args;
    std::array<siginfo_t, 32> infos;
    i64 result; // of PTRACE_PEEKSIGINFO
};

i64 host_ptrace(u64 request, u64 thread, u64 at, u64 data) {
    return host_syscall(SYS_ptrace, request, thread, at, data);
}

// It stops for us, or for a signal that comes just then, which it is to get.
i64 look_at_stopped(Look& look) {
    int status = 0;
    if (host_syscall(SYS_wait4, look.thread, address(&status), __WALL) < 0 || !WIFSTOPPED(status)) {
        return -ESRCH;
    }
    const i64 result = host_ptrace(PTRACE_PEEKSIGINFO, look.thread, address(&look.args),
                                   address(look.infos.data()));
    const bool is_signal = status >> 16 == 0;
    host_ptrace(PTRACE_DETACH, look.thread, 0, is_signal ? static_cast<u64>(WSTOPSIG(status)) : 0);
    return result;
}

// In the thread's memory: it makes system calls only.
int run_child(void* argument) {
    Look& look = *static_cast<Look*>(argument);
    look.result = host_ptrace(PTRACE_SEIZE, look.thread, 0, 0);
    if (look.result == 0) {
        look.result = host_ptrace(PTRACE_INTERRUPT, look.thread, 0, 0);
    }
    if (look.result == 0) {
        look.result = look_at_stopped(look);
    }
    ::_exit(0);
}

// How many there are; negative: the host forbids it. All signals are blocked.
i64 look_from(Look& look, u64 offset, SignalQueue queue) {
    alignas(16) std::array<u8, 16u << 10> stack;
    look.args = {.off = offset,
                 .flags = queue == SignalQueue::Process ? u32{PTRACE_PEEKSIGINFO_SHARED} : 0,
                 .nr = static_cast<i32>(look.infos.size())};
    look.result = -EPERM;
    const int child = ::clone(run_child, stack.data() + stack.size(), CLONE_VM, &look);
    if (child < 0) {
        return -EAGAIN;
    }
    while (host_syscall(SYS_wait4, static_cast<u64>(child), 0, __WALL) == -EINTR) {
    }
    return look.result;
}

// What the kernel has not handed over.
std::optional<std::vector<siginfo_t>> queued_signals(u64 thread, SignalQueue queue) {
    std::vector<siginfo_t> all;
    Look look = {.thread = thread, .args = {}, .infos = {}, .result = 0};
    i64 got;
    do {
        got = look_from(look, all.size(), queue);
        if (got < 0) {
            return std::nullopt;
        }
        all.insert(all.end(), look.infos.begin(), look.infos.begin() + got);
    } while (got == static_cast<i64>(look.infos.size()));
    return all;
}

bool is_call_of_ours(const siginfo_t& info) {
    return info.si_signo == SIGTRAP && info.si_code == kTraceCallCode;
}

// Which queue it was in shows in how it was sent, as far as that can be known.
bool came_by(const siginfo_t& info, SignalQueue queue) {
    return (info.si_code == SI_TKILL) == (queue == SignalQueue::Thread);
}

// What it has handed over, and the guest has not got yet.
std::vector<siginfo_t> received_signals(const ThreadSignals& signals, SignalQueue queue) {
    std::vector<siginfo_t> received;
    const auto add = [&](const siginfo_t& info) {
        if (came_by(info, queue)) {
            received.push_back(info);
        }
    };
    if (signals.slot_full != 0) {
        add(signals.slot);
    }
    for (int signal = 1; signal <= kSignalCount; ++signal) {
        if ((signals.held & signal_bit(signal)) != 0) {
            add(signals.held_info[signal]);
        }
    }
    return received;
}

} // namespace

std::optional<std::vector<siginfo_t>> waiting_signals(const GuestThread& thread,
                                                      SignalQueue queue) {
    SignalSet before = 0;
    const SignalSet all = kAllSignals; // none arrives meanwhile, and no handler runs in the child
    host_syscall(SYS_rt_sigprocmask, SIG_SETMASK, address(&all), address(&before), sizeof before);
    auto queued = queued_signals(static_cast<u64>(host_syscall(SYS_gettid)), queue);
    std::vector<siginfo_t> waiting = received_signals(*thread.signals, queue);
    set_host_mask(before);
    if (!queued) {
        return std::nullopt;
    }
    std::erase_if(*queued, is_call_of_ours);
    for (siginfo_t& info : *queued) {
        mend_child_signal(info);
    }
    waiting.insert(waiting.end(), queued->begin(), queued->end());
    return waiting;
}

} // namespace ulna::user
