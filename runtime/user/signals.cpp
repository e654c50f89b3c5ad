// Dispositions and masks: what the guest asked for, and the host state that stands for it.
#include "runtime/user/signals.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include "ir/support/check.h"
#include "runtime/user/ptrace_session.h"
#include "runtime/user/signals_state.h"

// Our handlers return through our own code: the host libc's sigaction refuses signals 32 and 33.
asm(R"(
    .text
    .type ulna_host_sigreturn, @function
ulna_host_sigreturn:
    mov $15, %eax
    syscall
    .size ulna_host_sigreturn, .-ulna_host_sigreturn
)");
extern "C" const char ulna_host_sigreturn[];

namespace ulna::user {

namespace {

constexpr u64 kSetBytes = sizeof(SignalSet);
constexpr SignalSet kAllAsynchronous = kAllSignals & ~kSynchronous;

SignalSet g_initial_mask = 0;
std::shared_ptr<SignalTable> g_initial_table;
std::atomic<Reported> g_reported = Reported::Nothing;

u64 address(const void* pointer) { return reinterpret_cast<u64>(pointer); }

i64 host_sigaction(int signal, const SignalAction* action, SignalAction* old) {
    return host_syscall(SYS_rt_sigaction, static_cast<u64>(signal), address(action), address(old),
                        kSetBytes);
}

// Flags of the guest that decide what the kernel does by itself: whom it tells, what it restarts.
constexpr u64 kPassedFlags = SA_RESTART | SA_NOCLDSTOP | SA_NOCLDWAIT;

// The host does what the guest asked for by itself.
bool is_left_to_host(int signal, const SignalAction& guest) {
    const Reported reported = g_reported.load();
    const bool is_reported =
        reported == Reported::All ||
        (reported == Reported::Ends && guest.handler == kHandlerDefault && ends_process(signal));
    return !is_handler(guest.handler) && !is_synchronous(signal) && !is_reported;
}

SignalAction host_action_for(int signal, const SignalAction& guest) {
    if (is_left_to_host(signal, guest)) {
        return {guest.handler, (guest.flags & kPassedFlags) | kSaRestorer,
                address(ulna_host_sigreturn), 0};
    }
    // A signal whose handler is only ours must leave no trace: it restarts what it interrupts.
    const bool reaps = signal == SIGCHLD && guest.handler == kHandlerIgnore;
    const u64 passed = is_handler(guest.handler)
                           ? guest.flags & kPassedFlags
                           : SA_RESTART | (guest.flags & (SA_NOCLDSTOP | SA_NOCLDWAIT)) |
                                 (reaps ? SA_NOCLDWAIT : 0u);
    return {reinterpret_cast<u64>(&host_handler), passed | SA_SIGINFO | SA_ONSTACK | kSaRestorer,
            address(ulna_host_sigreturn), kAllAsynchronous};
}

std::shared_ptr<SignalTable> copy_table(SignalTable& from) {
    auto table = std::make_shared<SignalTable>();
    const std::lock_guard guard(from.lock);
    std::copy(std::begin(from.actions), std::end(from.actions), table->actions);
    return table;
}

} // namespace

void init_signals(SignalSet not_the_guests) {
    host_syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, address(&g_initial_mask), kSetBytes);
    g_initial_mask &= ~not_the_guests;
    set_host_mask(g_initial_mask | kBlockedOverExec);
    g_initial_table = std::make_shared<SignalTable>();
    for (int signal = 1; signal <= kSignalCount; ++signal) {
        SignalAction inherited;
        if (host_sigaction(signal, nullptr, &inherited) == 0 &&
            inherited.handler == kHandlerIgnore) {
            g_initial_table->actions[signal].handler = kHandlerIgnore;
        }
        if (is_synchronous(signal)) {
            install_host_action(signal, g_initial_table->actions[signal]);
        }
    }
    set_host_mask(host_mask_for(g_initial_mask) | kBlockedOverExec);
}

ThreadSignals* new_thread_signals(const ThreadSignals* parent) {
    auto* signals = new ThreadSignals;
    signals->mask = parent != nullptr ? parent->mask : g_initial_mask;
    signals->table = parent != nullptr ? parent->table : g_initial_table;
    signals->group = parent != nullptr ? parent->group : std::make_shared<ThreadGroup>();
    return signals;
}

void delete_thread_signals(ThreadSignals* signals) { delete signals; }

// --- masks

void set_host_mask(SignalSet host) {
    host_syscall(SYS_rt_sigprocmask, SIG_SETMASK, address(&host), 0, kSetBytes);
}

i64 try_set_host_mask(SignalSet host) {
    return blocking_syscall(SYS_rt_sigprocmask, SIG_SETMASK, address(&host), 0, kSetBytes);
}

i64 change_mask(GuestThread& thread, SignalSet mask) {
    ThreadSignals& signals = *thread.signals;
    mask &= ~kUnblockable;
    const SignalSet host = host_mask_for(mask);
    if (host != host_mask_for(signals.mask)) {
        const i64 result = try_set_host_mask(host);
        if (result != 0) {
            return result;
        }
    }
    signals.mask = mask;
    return 0;
}

void block_signals_again() { set_host_mask(kAllAsynchronous); }
bool block_signals() { return try_set_host_mask(kAllAsynchronous) == 0; }

void unblock_signals(GuestThread& thread) { set_host_mask(host_mask_for(thread.signals->mask)); }

void begin_temporary_mask(GuestThread& thread, SignalSet mask) {
    ThreadSignals& signals = *thread.signals;
    signals.saved_mask = signals.mask;
    signals.has_saved_mask = true;
    signals.mask = mask & ~kUnblockable;
}

// Only an interrupted call leaves its mask for the delivery: a signal found before or after the
// call was let through by the ordinary mask.
i64 end_temporary_mask(GuestThread& thread, i64 result) {
    ThreadSignals& signals = *thread.signals;
    if (result != -EINTR) {
        signals.mask = signals.saved_mask;
        signals.has_saved_mask = false;
    }
    return result;
}

bool has_signal_work(const GuestThread& thread) {
    const ThreadSignals& signals = *thread.signals;
    return signals.interrupted != 0 || signals.sync_pending || signals.has_saved_mask ||
           (signals.held & ~signals.mask) != 0;
}

// A second one of the same number is lost, as with the kernel.
void hold_signal(ThreadSignals& signals, const siginfo_t& info) {
    if (!(signals.held & signal_bit(info.si_signo))) {
        signals.held_info[info.si_signo] = info;
        __atomic_or_fetch(&signals.held, signal_bit(info.si_signo), __ATOMIC_RELAXED);
    }
}

int take_held(ThreadSignals& signals, SignalSet set, siginfo_t& info) {
    const SignalSet ready = __atomic_load_n(&signals.held, __ATOMIC_RELAXED) & set;
    if (ready == 0) {
        return 0;
    }
    const int signal = __builtin_ctzll(ready) + 1;
    info = signals.held_info[signal];
    // The host handler of this very thread sets bits: one instruction, so that it cannot come in
    // between.
    __atomic_and_fetch(&signals.held, ~signal_bit(signal), __ATOMIC_RELAXED);
    return signal;
}

// --- dispositions

SignalAction action_of(ThreadSignals& signals, int signal) {
    const std::lock_guard guard(signals.table->lock);
    return signals.table->actions[signal];
}

i64 install_host_action(int signal, const SignalAction& guest) {
    const SignalAction host = host_action_for(signal, guest);
    return host_sigaction(signal, &host, nullptr);
}

void install_host_default(int signal) {
    const SignalAction action;
    host_sigaction(signal, &action, nullptr);
}

void report_signals(SignalTable& table, Reported what) {
    const std::lock_guard guard(table.lock);
    g_reported = what;
    for (int signal = 1; signal <= kSignalCount; ++signal) {
        install_host_action(signal, table.actions[signal]);
    }
}

SignalTable& first_signal_table() { return *g_initial_table; }

void install_host_ignore(int signal) {
    const SignalAction action{.handler = kHandlerIgnore};
    host_sigaction(signal, &action, nullptr);
}

// The host's disposition changes first: what another thread receives in between waits for the lock
// when it looks for its handler. A signal that this thread has already received comes before the
// change.
i64 set_action(GuestThread& thread, int signal, const SignalAction& action) {
    ThreadSignals& signals = *thread.signals;
    const std::lock_guard guard(signals.table->lock);
    const SignalAction host = host_action_for(signal, action);
    const i64 result =
        blocking_syscall(SYS_rt_sigaction, static_cast<u64>(signal), address(&host), 0, kSetBytes);
    if (result != 0) {
        return result;
    }
    signals.table->actions[signal] = action;
    if (signal == SIGCHLD) {
        note_child_action(action.flags);
    }
    if (action.handler == kHandlerIgnore) {
        __atomic_and_fetch(&signals.held, ~signal_bit(signal), __ATOMIC_RELAXED);
    }
    return 0;
}

bool prepare_signals_for_exec(GuestThread& thread, SignalSet also_blocked) {
    ThreadSignals& signals = *thread.signals;
    for (int signal = 1; signal <= kSignalCount; ++signal) {
        const SignalAction action = action_of(signals, signal);
        if (action.handler == kHandlerIgnore && !is_left_to_host(signal, action)) {
            install_host_ignore(signal);
        }
    }
    return try_set_host_mask(signals.mask | also_blocked) == 0;
}

void undo_signals_for_exec(GuestThread& thread) {
    ThreadSignals& signals = *thread.signals;
    const SignalSet synchronous = kSynchronous;
    host_syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, address(&synchronous), 0, kSetBytes);
    for (int signal = 1; signal <= kSignalCount; ++signal) {
        const SignalAction action = action_of(signals, signal);
        if (!is_left_to_host(signal, action)) {
            install_host_action(signal, action);
        }
    }
}

void give_own_table(ThreadSignals& signals) { signals.table = copy_table(*signals.table); }

void clear_handlers(ThreadSignals& signals) {
    const std::lock_guard guard(signals.table->lock);
    for (int signal = 1; signal <= kSignalCount; ++signal) {
        SignalAction& action = signals.table->actions[signal];
        if (is_handler(action.handler)) {
            action = {};
            install_host_action(signal, action);
        }
    }
}

} // namespace ulna::user
