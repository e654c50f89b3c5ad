// The ptrace-stops of a thread: what is told in each, and what it does until it is resumed. After
// the kernel's ptrace_stop, ptrace_signal and do_jobctl_trap.
#include <fcntl.h>
#include <linux/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/file_descriptor.h"
#include "runtime/user/debugged_memory.h"
#include "runtime/user/foreign_views.h"
#include "runtime/user/ptrace_answers.h"
#include "runtime/user/ptrace_registers.h"
#include "runtime/user/ptrace_stops.h"
#include "runtime/user/ptrace_tracee.h"
#include "runtime/user/signals_state.h"

namespace ulna::user {

namespace {

void serve_memory(TraceSlot& slot, TraceCommand command) {
    const AddressSpace& space = *process().space;
    if (command == TraceCommand::Forget) {
        process().engine->invalidate(slot.address, slot.bytes);
        return;
    }
    const runtime::FileDescriptor file{open("/proc/self/mem", O_RDWR | O_CLOEXEC)};
    const std::span data{slot.data, std::min(slot.bytes, TraceSlot::kMostBytes)};
    slot.bytes = command == TraceCommand::Read
                     ? read_debugged(space, file.get(), slot.address, data)
                     : write_debugged(space, file.get(), slot.address, data);
}

void write_stop(const GuestThread& thread, TraceSlot& slot, const TraceStop& stop) {
    const ThreadSignals& signals = *thread.signals;
    slot.code = stop.code;
    slot.message = stop.message;
    slot.has_info = stop.info != nullptr;
    if (stop.info != nullptr) {
        slot.info = *stop.info;
    }
    slot.mask = signals.has_saved_mask ? signals.saved_mask : signals.mask;
    slot.registers_changed = slot.mask_changed = false;
    getrusage(RUSAGE_SELF, &slot.usage);
    save_registers(thread, slot.registers);
    slot.registers.syscall = thread.trace.call;
}

// A full slot of signals lets no mask be set: then delivery, which is to come, does it.
void take_mask(GuestThread& thread, SignalSet mask) {
    ThreadSignals& signals = *thread.signals;
    mask &= ~kUnblockable;
    if (signals.has_saved_mask) {
        signals.saved_mask = mask;
    } else if (change_mask(thread, mask) != 0) {
        signals.mask = mask;
    }
}

void take_changes(GuestThread& thread, const TraceSlot& slot) {
    if (slot.registers_changed) {
        load_registers(thread, slot.registers);
        thread.trace.call = slot.registers.syscall;
    }
    if (slot.mask_changed) {
        take_mask(thread, slot.mask);
    }
}

bool has_lost_tracer(const TraceSession& session) {
    return session.closed || !is_alive(session.tracer);
}

void leave_slot(GuestThread& thread) {
    TraceSlot& slot = *thread.trace.slot;
    forget_tracer(thread);
    slot.state = SlotState::Free;
    wake_futex(slot.command); // await_detached
}

// As when its tracer has ended, which it may have had no time to say.
void lose_tracer(GuestThread& thread) {
    thread.trace.session->closed = true;
    if ((thread.trace.slot->options & PTRACE_O_EXITKILL) != 0) {
        host_syscall(SYS_kill, static_cast<u64>(getpid()), SIGKILL);
    }
    leave_slot(thread);
}

void finish(TraceSlot& slot) {
    slot.command = TraceCommand::Done;
    wake_futex(slot.command);
}

// Until the tracer says how to go on.
TraceCommand serve(GuestThread& thread, const TraceSession& session, TraceSlot& slot) {
    constexpr int kPatience = 1000; // a tracer that is killed wakes nobody
    while (true) {
        if (is_asked_for_view(thread)) {
            give_view(thread);
        }
        const TraceCommand command = slot.command.load();
        switch (command) {
        case TraceCommand::None:
        case TraceCommand::Done:
            wait_on_futex(slot.command, command, kPatience);
            if (slot.command.load() == command && has_lost_tracer(session)) {
                return TraceCommand::Detach;
            }
            break;
        case TraceCommand::Read:
        case TraceCommand::Write:
        case TraceCommand::Forget:
            serve_memory(slot, command);
            finish(slot);
            break;
        case TraceCommand::Query:
            slot.answer = answer_query(thread, slot);
            finish(slot);
            break;
        case TraceCommand::Resume:
        case TraceCommand::Listen:
        case TraceCommand::Detach:
            slot.command = TraceCommand::None;
            return command;
        }
    }
}

void publish(GuestThread& thread, const TraceStop& stop) {
    TraceSlot& slot = *thread.trace.slot;
    write_stop(thread, slot, stop);
    slot.unreported = 1;
    slot.state = SlotState::Stopped;
    constexpr u32 kSignalOfCode = 0x7f;
    announce(*thread.trace.session, slot, stop.reason, static_cast<int>(stop.code & kSignalOfCode));
}

constexpr u32 event_code(u32 event, int signal = SIGTRAP) {
    return event << 8 | static_cast<u32>(signal);
}

// All threads that are traced have stopped for good: the host may stop the process, too, and tell
// its parent.
bool is_last_to_listen(TraceSession& session, const TraceSlot& own) {
    return find_slot(session, [&own](const TraceSlot& slot) {
               return slot.tgid == own.tgid && is_live(slot) && !slot.listening;
           }) == nullptr;
}

// PTRACE_LISTEN: stopped until SIGCONT comes, or the tracer asks for a stop.
void listen(GuestThread& thread) {
    constexpr int kLook = 100;
    TraceSession& session = *thread.trace.session;
    TraceSlot& slot = *thread.trace.slot;
    if (is_last_to_listen(session, slot)) {
        host_syscall(SYS_kill, static_cast<u64>(getpid()), SIGSTOP);
        for_each_slot(session, [&](TraceSlot& other) { // it has gone on
            if (other.tgid == slot.tgid) {
                other.listening = false;
                wake_futex(other.command);
            }
        });
    }
    while (slot.listening && slot.asked == 0 && !has_lost_tracer(session)) {
        wait_on_futex(slot.command, TraceCommand::None, kLook);
    }
    slot.listening = false;
}

void trap_for_group_stop(GuestThread& thread, int signal) {
    if (thread.trace.slot->seized) {
        const u32 code = event_code(PTRACE_EVENT_STOP, signal);
        const siginfo_t info = event_info(thread, code);
        come_to_stop(thread, {.code = code, .info = &info, .reason = CLD_STOPPED});
    } else {
        come_to_stop(thread, {.code = static_cast<u32>(signal), .reason = CLD_STOPPED});
    }
}

} // namespace

TraceMode mode_of(u32 request) {
    switch (request) {
    case PTRACE_SYSCALL:
        return TraceMode::Syscalls;
    case PTRACE_SINGLESTEP:
        return TraceMode::Step;
    case PTRACE_SYSEMU:
        return TraceMode::Emulate;
    case PTRACE_SYSEMU_SINGLESTEP:
        return TraceMode::EmulateStep;
    default:
        return TraceMode::Run;
    }
}

siginfo_t event_info(const GuestThread& thread, u32 code) {
    siginfo_t info = {};
    info.si_signo = static_cast<int>(code & 0x7f);
    info.si_code = static_cast<int>(code);
    info.si_pid = thread.tid;
    info.si_uid = getuid();
    return info;
}

u32 come_to_stop(GuestThread& thread, const TraceStop& stop, u32 unseen) {
    TraceSession& session = *thread.trace.session;
    TraceSlot& slot = *thread.trace.slot;
    if (session.closed) {
        lose_tracer(thread);
        return unseen;
    }
    publish(thread, stop);
    const TraceCommand command = serve(thread, session, slot);
    if (command == TraceCommand::Detach && has_lost_tracer(session)) {
        lose_tracer(thread);
        return unseen;
    }
    take_changes(thread, slot);
    const u32 signal = slot.signal;
    if (command == TraceCommand::Detach) {
        leave_slot(thread);
        return signal;
    }
    thread.trace.mode = mode_of(slot.request);
    thread.trace.entered_handler = false;
    if (command == TraceCommand::Listen) {
        listen(thread);
        slot.asked |= asks::kInterrupt; // and stops again, to tell what has become of it
    }
    return signal;
}

// --- signals

void come_to_asked_stops(GuestThread& thread) {
    constexpr u32 kTraps = asks::kInterrupt | asks::kGroupStop;
    while (is_traced(thread) && (thread.trace.slot->asked & kTraps) != 0) {
        TraceSlot& slot = *thread.trace.slot;
        const u32 asked = slot.asked.fetch_and(~kTraps) & kTraps;
        const bool of_group = (asked & asks::kGroupStop) != 0;
        trap_for_group_stop(thread, of_group ? static_cast<int>(slot.group_stop) : SIGTRAP);
    }
}

std::optional<siginfo_t> asked_sigstop(GuestThread& thread) {
    TraceSlot& slot = *thread.trace.slot;
    if ((slot.asked.fetch_and(~asks::kSigstop) & asks::kSigstop) == 0) {
        return std::nullopt;
    }
    siginfo_t info = {};
    info.si_signo = SIGSTOP;
    info.si_code = slot.sigstop_code;
    info.si_pid = slot.sigstop_sender;
    info.si_uid = slot.sigstop_sender != 0 ? getuid() : 0;
    return info;
}

namespace {

// The tracer has chosen another signal (ptrace_signal).
siginfo_t chosen_signal(const TraceSession& session, int signal) {
    siginfo_t info = {};
    info.si_signo = signal;
    info.si_pid = session.tracer;
    info.si_uid = getuid();
    return info;
}

// A signal that is blocked meanwhile waits.
bool is_put_back(GuestThread& thread, const siginfo_t& info) {
    ThreadSignals& signals = *thread.signals;
    if ((signals.mask & signal_bit(info.si_signo) & ~kUnblockable) == 0) {
        return false;
    }
    if (is_synchronous(info.si_signo)) {
        hold_signal(signals, info);
    } else {
        host_syscall(SYS_rt_tgsigqueueinfo, static_cast<u64>(getpid()),
                     static_cast<u64>(thread.tid), static_cast<u64>(info.si_signo),
                     reinterpret_cast<u64>(&info));
    }
    return true;
}

} // namespace

std::optional<siginfo_t> ask_tracer(GuestThread& thread, const siginfo_t& info) {
    const TraceSession& session = *thread.trace.session;
    TraceSlot& slot = *thread.trace.slot;
    if (info.si_signo == SIGCONT &&
        (slot.asked.fetch_and(~asks::kSwallowsCont) & asks::kSwallowsCont) != 0) {
        return std::nullopt;
    }
    const u32 number = static_cast<u32>(info.si_signo);
    const u32 wanted = come_to_stop(thread, {.code = number, .info = &info}, number);
    if (wanted == 0 || wanted > kSignalCount) {
        return std::nullopt;
    }
    const siginfo_t chosen = wanted != number    ? chosen_signal(session, static_cast<int>(wanted))
                             : is_traced(thread) ? slot.info // which the tracer may have changed
                                                 : info;
    return is_put_back(thread, chosen) ? std::nullopt : std::optional(chosen);
}

void stop_group(GuestThread& thread, int signal) {
    TraceSession& session = *thread.trace.session;
    const TraceSlot& own = *thread.trace.slot;
    for_each_slot(session, [&](TraceSlot& slot) {
        if (&slot != &own && slot.tgid == own.tgid && is_live(slot)) {
            slot.group_stop = static_cast<u32>(signal);
            slot.asked |= asks::kGroupStop;
            call_tracee(session, slot);
        }
    });
    trap_for_group_stop(thread, signal);
}

// --- events

bool is_event_wanted(const GuestThread& thread, u32 event) {
    return is_traced(thread) && (thread.trace.slot->options >> event & 1) != 0;
}

void stop_for_event(GuestThread& thread, u32 event, u64 message) {
    if (is_event_wanted(thread, event)) {
        const u32 code = event_code(event);
        const siginfo_t info = event_info(thread, code);
        come_to_stop(thread, {.code = code, .message = message, .info = &info});
    }
}

void report_step_into_handler(GuestThread& thread) {
    thread.trace.entered_handler = false;
    const siginfo_t info = event_info(thread, SIGTRAP);
    come_to_stop(thread, {.code = SIGTRAP, .info = &info});
}

void stop_for_exit(GuestThread& thread, u32 status) {
    stop_for_event(thread, PTRACE_EVENT_EXIT, status);
}

} // namespace ulna::user
