// What the files that implement signals share. See README.md "signals".
//
// One signal at a time: the host handler stores an asynchronous signal in the thread's slot and
// leaves all host signals blocked, so the kernel keeps every later one queued, in its own order.
// The slot is emptied, and the host mask restored, when the guest's handler frame stands. The five
// synchronous signals are never blocked on the host (a guest access may fault at any time); when
// sent by kill they are held, one per number, which is all the kernel does for standard signals.
// Thus:
//   slot empty  <=>  the host mask is the guest's mask without the synchronous signals
//   slot full    =>  every other host signal is blocked
// A system call that changes the mask or a disposition must not run while the slot is full (the
// signal came before it): it goes through blocking_syscall, or begins with block_signals.
#pragma once

#include <atomic>
#include <csignal>
#include <memory>
#include <mutex>

#include "runtime/user/guest_thread.h"
#include "runtime/user/syscall.h"
#include "runtime/user/thread_group.h"

namespace ulna::user {

using SignalSet = u64; // bit n-1 is signal n, as the kernel's sigset_t

inline constexpr int kSignalCount = 64;
[[nodiscard]] constexpr SignalSet signal_bit(int signal) { return SignalSet{1} << (signal - 1); }
inline constexpr SignalSet kAllSignals = ~SignalSet{0};
inline constexpr SignalSet kUnblockable = signal_bit(SIGKILL) | signal_bit(SIGSTOP);
// Raised by guest instructions: the host never blocks or ignores them, what the guest asked is
// emulated.
inline constexpr SignalSet kSynchronous = signal_bit(SIGSEGV) | signal_bit(SIGBUS) |
                                          signal_bit(SIGILL) | signal_bit(SIGFPE) |
                                          signal_bit(SIGTRAP);
[[nodiscard]] constexpr bool is_synchronous(int signal) {
    return kSynchronous & signal_bit(signal);
}

// struct sigaction of the arm64 kernel (asm-generic): also x86-64's.
struct SignalAction {
    u64 handler = 0;
    u64 flags = 0;
    u64 restorer = 0;
    SignalSet mask = 0;
};
static_assert(sizeof(SignalAction) == 32);
inline constexpr u64 kSaRestorer = 0x0400'0000;
inline constexpr u64 kSaExposeTagBits = 0x0000'0800;
inline constexpr u64 kHandlerDefault = 0, kHandlerIgnore = 1;
[[nodiscard]] constexpr bool is_handler(u64 handler) { return handler > kHandlerIgnore; }

// Dispositions: shared by the threads of a process (CLONE_SIGHAND), copied by fork and vfork.
struct SignalTable {
    std::mutex lock;
    SignalAction actions[kSignalCount + 1];
};

// stack_t, equal on both.
struct AltStack {
    u64 sp = 0;
    i32 flags = SS_DISABLE;
    u32 padding = 0;
    u64 bytes = 0;
};
static_assert(sizeof(AltStack) == 24);
inline constexpr u32 kSsAutodisarm = 1u << 31;

// A synchronous signal, with what sigcontext tells about it.
struct SyncSignal {
    siginfo_t info = {};
    u64 fault_address = 0;
    u64 esr = 0; // 0: no esr_context
};

struct ThreadSignals {
    // --- written by the host handler
    u32 interrupted = 0; // something may be deliverable; read by the safe-syscall window
    u32 slot_full = 0;
    siginfo_t slot = {};
    SignalSet held = 0; // sent synchronous signals, blocked by the guest or not yet delivered
    siginfo_t held_info[kSignalCount + 1] = {};
    siginfo_t fault = {}; // the host's view of a guest access that faulted
    bool fault_is_write = false;

    // --- guest state
    SignalSet mask = 0;
    SignalSet saved_mask = 0; // while mask is a temporary one (sigsuspend, ppoll...)
    bool has_saved_mask = false;
    AltStack alt_stack;
    std::shared_ptr<SignalTable> table;

    bool sync_pending = false;
    SyncSignal sync;

    // --- the host's
    void* host_stack = nullptr; // alternate stack of our handlers
    std::shared_ptr<ThreadGroup> group;
    bool is_pthread =
        false; // the host's libc owns the kernel's child-tid address, we emulate the guest's
    GuestAddr robust_list = 0;
    std::shared_ptr<void> exec_image; // what an execve under way has allocated (exec.cpp)
};

// --- masks (signals.cpp)
// What the host mask is while `guest` is the guest's.
[[nodiscard]] constexpr SignalSet host_mask_for(SignalSet guest) { return guest & ~kSynchronous; }
// Only when no signal can arrive in between: all are blocked and the slot is empty.
void set_host_mask(SignalSet host);
// Otherwise: kRestartNoIntr, and no change, when a signal is to be delivered first.
[[nodiscard]] i64 try_set_host_mask(SignalSet host);
// Makes `mask` the guest's mask; kRestartNoIntr when a signal is to be delivered first.
[[nodiscard]] i64 change_mask(GuestThread& thread, SignalSet mask);
// Blocks every asynchronous host signal for a section that must not lose one; false when a signal
// is to be delivered first. unblock_signals returns to the guest's mask.
[[nodiscard]] bool block_signals();
void block_signals_again(); // after something inside the section changed the host mask
void unblock_signals(GuestThread& thread);
// Uses `mask` for one blocking call; after_temporary_mask takes the call's result and returns it.
void begin_temporary_mask(GuestThread& thread, SignalSet mask);
i64 end_temporary_mask(GuestThread& thread, i64 result);
[[nodiscard]] bool has_signal_work(const GuestThread& thread);
// Keeps a sent synchronous signal until it can be delivered. Async-signal-safe, on the thread
// itself.
void hold_signal(ThreadSignals& signals, const siginfo_t& info);
// Takes the lowest held signal of `set`; 0: none.
int take_held(ThreadSignals& signals, SignalSet set, siginfo_t& info);

// --- dispositions (signals.cpp)
[[nodiscard]] SignalAction action_of(ThreadSignals& signals, int signal);
// Validated by the caller. The host's disposition follows.
[[nodiscard]] i64 set_action(GuestThread& thread, int signal, const SignalAction& action);
// The host disposition that stands for a guest disposition.
i64 install_host_action(int signal, const SignalAction& guest);
void install_host_default(int signal);
// Which signals reach us although the guest leaves them to the kernel: for a debugger those that
// would end the process, for a tracer all.
enum class Reported : u8 { Nothing, Ends, All };
void report_signals(SignalTable& table, Reported what);
[[nodiscard]] SignalTable& first_signal_table(); // of what execve has started
[[nodiscard]] bool ends_process(int signal);     // by default
void install_host_ignore(int signal);
// Blocked over the execve of ourselves beside what the guest blocks: a call of another process that
// comes before the new program's handlers waits for them.
inline constexpr SignalSet kBlockedOverExec = signal_bit(SIGTRAP);
// Before execve: the new program inherits ignored signals and the whole mask, and what else is to
// be blocked. Undone when it fails. False when a signal is to be delivered first (undo all the
// same).
[[nodiscard]] bool prepare_signals_for_exec(GuestThread& thread, SignalSet also_blocked);
void undo_signals_for_exec(GuestThread& thread);
// A child that shares memory but not dispositions.
void give_own_table(ThreadSignals& signals);
// CLONE_CLEAR_SIGHAND: handlers become default.
void clear_handlers(ThreadSignals& signals);

// --- this host thread (signals_host.cpp)
void enter_host_thread(
    GuestThread& thread); // alternate stack; current_thread() is set by thread.cpp
void leave_host_thread(GuestThread& thread);
void release_host_stack(void* stack); // of a thread that can't do it itself any more
void host_handler(int signal, siginfo_t* info, void* ucontext);

// --- delivery (signals_deliver.cpp)
void raise_sync(GuestThread& thread, const SyncSignal& sync);
[[noreturn]] void die_by_signal(GuestThread& thread, const siginfo_t& info);

} // namespace ulna::user
