// Delivery: from what is pending to a handler's frame, a restarted system call, or the end.
//
// The rules are the kernel's do_signal (arch/arm64) and get_signal: synchronous signals first, then
// the lowest number; each further signal's frame lies on top of the one before, so the last one
// runs first.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "runtime/user/crash_report.h"
#include "runtime/user/debugger.h"
#include "runtime/user/foreign_views.h"
#include "runtime/user/ptrace_tracee.h"
#include "runtime/user/restart.h"
#include "runtime/user/signal_frame.h"
#include "runtime/user/signals.h"
#include "runtime/user/signals_state.h"

namespace ulna::user {

namespace {

enum class DefaultAction : u8 { Terminate, Core, Ignore, Stop };

DefaultAction default_action(int signal) {
    switch (signal) {
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH:
        return DefaultAction::Ignore;
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
        return DefaultAction::Stop;
    case SIGQUIT:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGSYS:
        return DefaultAction::Core;
    default:
        return DefaultAction::Terminate;
    }
}

struct Pending {
    siginfo_t info;
    bool forced = false; // raised by the instruction at PC: cannot be blocked or ignored
    u64 fault_address = 0;
    u64 esr = 0;
};

// A signal in the slot that the handler of a synchronous one has just blocked goes back to the
// kernel.
void requeue_slot(ThreadSignals& signals) {
    host_syscall(SYS_rt_tgsigqueueinfo, static_cast<u64>(getpid()),
                 static_cast<u64>(host_syscall(SYS_gettid)),
                 static_cast<u64>(signals.slot.si_signo), reinterpret_cast<u64>(&signals.slot));
    signals.slot_full = 0;
}

// `slot_taken` is set when the slot was emptied: asynchronous host signals are then still blocked.
std::optional<Pending> next_pending(ThreadSignals& signals, bool& slot_taken) {
    Pending pending;
    if (signals.sync_pending) {
        signals.sync_pending = false;
        return Pending{signals.sync.info, true, signals.sync.fault_address, signals.sync.esr};
    }
    if (take_held(signals, ~signals.mask, pending.info) != 0) {
        return pending;
    }
    if (signals.slot_full == 0) {
        return std::nullopt;
    }
    slot_taken = true;
    if (signals.mask & signal_bit(signals.slot.si_signo)) {
        requeue_slot(signals);
        return std::nullopt;
    }
    pending.info = signals.slot;
    signals.slot_full = 0;
    return pending;
}

// The action to take now; a one-shot handler is gone afterwards.
SignalAction consume_action(ThreadSignals& signals, int signal) {
    const std::lock_guard guard(signals.table->lock);
    SignalAction& action = signals.table->actions[signal];
    const SignalAction taken = action;
    if (is_handler(taken.handler) && (taken.flags & SA_RESETHAND)) {
        action.handler = kHandlerDefault;
        install_host_action(signal, action);
    }
    return taken;
}

void send_to_self(int signal) {
    host_syscall(SYS_tgkill, static_cast<u64>(getpid()), static_cast<u64>(host_syscall(SYS_gettid)),
                 static_cast<u64>(signal));
}

// Only for signals that reached our handler and found their disposition changed back, or forced
// ones.
void act_by_default(GuestThread& thread, const Pending& pending) {
    const int signal = pending.info.si_signo;
    switch (pending.forced ? DefaultAction::Core : default_action(signal)) {
    case DefaultAction::Ignore:
        return;
    case DefaultAction::Stop:
        if (is_traced(thread)) {
            stop_group(thread, signal);
        } else {
            send_to_self(SIGSTOP);
        }
        return;
    case DefaultAction::Core:
    case DefaultAction::Terminate:
        die_by_signal(thread, pending.info);
    }
}

// The system call that a signal interrupted, if it can be made again.
class Restart {
  public:
    Restart(GuestThread& thread, const i64* syscall_result) : cpu_(*thread.cpu) {
        if (syscall_result == nullptr) {
            return;
        }
        const i64 result = without_own_handler(thread, *syscall_result);
        if (is_restart(result)) {
            reason_ = result;
            cpu_.pc -= kSvcBytes; // x0 still is the first argument
            svc_ = cpu_.pc;
        } else if (result != kSigreturnDone) {
            cpu_.x[0] = static_cast<u64>(result);
        }
    }
    // No handler is about to run.
    void go_on() const {
        constexpr u64 kRestartSyscall = 128;
        if (reason_ == kRestartBlock && cpu_.pc == svc_) {
            cpu_.x[8] = kRestartSyscall;
        }
    }
    // A handler is about to run: some calls end with EINTR instead. The first handler decides.
    void before_handler(const SignalAction& action) {
        const bool ends = reason_ == kRestartNoHand || reason_ == kRestartBlock ||
                          (reason_ == kRestartSys && !(action.flags & SA_RESTART));
        if (ends && cpu_.pc == svc_) { // a debugger may have moved it
            cpu_.x[0] = static_cast<u64>(-EINTR);
            cpu_.pc += kSvcBytes;
        }
        reason_ = 0;
    }

  private:
    static constexpr u64 kSvcBytes = 4;
    ir::CpuState& cpu_;
    i64 reason_ = 0;
    GuestAddr svc_ = 0;
};

void deliver_to_handler(GuestThread& thread, const Pending& pending, const SignalAction& action) {
    ThreadSignals& signals = *thread.signals;
    const int signal = pending.info.si_signo;
    const FrameRequest request = {
        .info = pending.info,
        .action = action,
        .old_mask = signals.has_saved_mask ? signals.saved_mask : signals.mask,
        .fault_address = pending.fault_address,
        .esr = pending.esr,
    };
    if (!push_signal_frame(thread, request)) {
        // force_sigsegv: a handler without a stack for it gets SIGSEGV, one for SIGSEGV gets the
        // end
        siginfo_t info = {};
        info.si_signo = SIGSEGV;
        info.si_code = SI_KERNEL;
        if (signal == SIGSEGV) {
            die_by_signal(thread, info);
        }
        raise_sync(thread, {.info = info});
        return;
    }
    thread.trace.entered_handler = true;
    signals.has_saved_mask = false;
    signals.mask |= action.mask & ~kUnblockable;
    if (!(action.flags & SA_NODEFER)) {
        signals.mask |= signal_bit(signal);
    }
}

void deliver_one(GuestThread& thread, const Pending& pending, Restart& restart) {
    ThreadSignals& signals = *thread.signals;
    const int signal = pending.info.si_signo;
    if (pending.forced && (signals.mask & signal_bit(signal))) {
        die_by_signal(thread, pending.info);
    }
    const SignalAction action = consume_action(signals, signal);
    if (is_handler(action.handler)) {
        restart.before_handler(action);
        deliver_to_handler(thread, pending, action);
    } else if (pending.forced || action.handler == kHandlerDefault) {
        act_by_default(thread, pending);
    }
}

// What the tracer lets through. A signal that the instruction has raised stays that, unless it
// has become another one.
std::optional<Pending> ask_tracer(GuestThread& thread, Pending pending) {
    const std::optional<siginfo_t> wanted = ask_tracer(thread, pending.info);
    if (!wanted) {
        return std::nullopt;
    }
    if (wanted->si_signo != pending.info.si_signo) {
        pending = {};
    }
    pending.info = *wanted;
    return pending;
}

// Takes what the debugger wants in its place; none: nothing.
std::optional<Pending> ask_debugger(Debugger& debugger, GuestThread& thread, Pending pending) {
    const int wanted = debugger.threads().report_signal(thread, pending.info);
    if (wanted == 0) {
        return std::nullopt;
    }
    if (wanted != pending.info.si_signo) {
        pending = {};
        pending.info.si_signo = wanted;
        pending.info.si_code = SI_USER;
    }
    return pending;
}

// After whoever watches the thread has had his say.
std::optional<Pending> as_wanted(GuestThread& thread, const Pending& pending) {
    if (is_traced(thread)) {
        return ask_tracer(thread, pending);
    }
    Debugger* const debugger = debugger_of(thread);
    return debugger != nullptr ? ask_debugger(*debugger, thread, pending) : pending;
}

// Comes to the stops that a tracer has asked for. A signal that it has sent, and the host knows
// nothing of.
std::optional<Pending> asked_by_tracer(GuestThread& thread) {
    if (is_asked_for_view(thread)) {
        give_view(thread);
    }
    if (is_called(thread)) {
        follow_call(thread);
    }
    if (is_traced(thread)) {
        come_to_asked_stops(thread);
    }
    const auto sigstop = is_traced(thread) ? asked_sigstop(thread) : std::nullopt;
    return sigstop ? std::optional(Pending{*sigstop}) : std::nullopt;
}

} // namespace

bool ends_process(int signal) {
    const DefaultAction action = default_action(signal);
    return action == DefaultAction::Terminate || action == DefaultAction::Core;
}

void raise_sync(GuestThread& thread, const SyncSignal& sync) {
    thread.signals->sync = sync;
    thread.signals->sync_pending = true;
}

void raise_fault(GuestThread& thread, int signal, int code, GuestAddr address) {
    SyncSignal sync;
    sync.info.si_signo = signal;
    sync.info.si_code = code;
    sync.info.si_addr = reinterpret_cast<void*>(address);
    sync.fault_address = address;
    raise_sync(thread, sync);
}

void deliver_pending(GuestThread& thread, const i64* syscall_result) {
    ThreadSignals& signals = *thread.signals;
    Restart restart(thread, syscall_result);
    bool host_mask_is_stale = signals.has_saved_mask;
    while (true) {
        signals.interrupted = 0;
        const SignalSet mask_before = signals.mask;
        std::optional<Pending> pending = asked_by_tracer(thread);
        if (!pending) {
            pending = next_pending(signals, host_mask_is_stale);
        }
        if (pending) {
            if (const auto wanted = as_wanted(thread, *pending)) {
                deliver_one(thread, *wanted, restart);
            }
        } else if (signals.has_saved_mask) { // nothing was delivered: the call's own mask ends here
            signals.has_saved_mask = false;
            signals.mask = signals.saved_mask;
        } else if (!host_mask_is_stale) {
            restart.go_on();
            return;
        }
        host_mask_is_stale |= signals.mask != mask_before;
        // What the kernel still has queued for the new mask arrives during this call, or makes it
        // fail.
        if (host_mask_is_stale && signals.slot_full == 0) {
            host_mask_is_stale = try_set_host_mask(host_mask_for(signals.mask)) != 0;
        }
    }
}

// The parent must see this very signal in the wait status.
void die_by_signal(GuestThread& thread, const siginfo_t& info) {
    const int signal = info.si_signo;
    if (is_synchronous(signal)) {
        report_crash(thread, info);
    }
    constexpr std::size_t kWorthWriting = 4;
    save_translations(thread, kWorthWriting);
    if (is_traced(thread)) {
        stop_for_exit(thread, static_cast<u32>(signal));
    }
    report_process_end(static_cast<u32>(signal));
    if (Debugger* const debugger = debugger_of(thread)) {
        debugger->killed(thread, signal);
    }
    install_host_default(signal);
    const SignalSet only_this = ~signal_bit(signal);
    set_host_mask(only_this);
    send_to_self(signal);
    constexpr u64 kShellStatusOfSignal = 128;
    host_syscall(SYS_exit_group, kShellStatusOfSignal + static_cast<u64>(signal));
    __builtin_unreachable();
}

} // namespace ulna::user
