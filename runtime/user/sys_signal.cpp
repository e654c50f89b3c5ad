// System calls about signals. Sets are 64 bits on both architectures, siginfo_t and stack_t are
// equal.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/user/address_space.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/ptrace_tracer.h"
#include "runtime/user/signal_frame.h"
#include "runtime/user/signals.h"
#include "runtime/user/signals_state.h"

namespace ulna::user {

namespace {

constexpr u64 kSetBytes = sizeof(SignalSet);

u64 address(const void* pointer) { return reinterpret_cast<u64>(pointer); }
bool is_signal(u64 number) { return number >= 1 && number <= kSignalCount; }

// What the kernel keeps of sa_flags; the rest reads back as zero, so that programs can probe for
// it.
constexpr u64 kKnownFlags = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART |
                            SA_NODEFER | u64{SA_RESETHAND} | kSaExposeTagBits | kSaRestorer;

} // namespace

i64 sys_rt_sigaction(GuestThread& thread, const SyscallArgs& args_) {
    const u64 signal = static_cast<u32>(args_[0]);
    if (args_[3] != kSetBytes) {
        return -EINVAL;
    }
    SignalAction wanted;
    if (args_[1] != 0 && !get_guest(args_[1], wanted)) {
        return -EFAULT;
    }
    if (!is_signal(signal) ||
        (args_[1] != 0 && (kUnblockable & signal_bit(static_cast<int>(signal))))) {
        return -EINVAL;
    }
    const int number = static_cast<int>(signal);
    const SignalAction old = action_of(*thread.signals, number);
    if (args_[1] != 0) {
        wanted.flags &= kKnownFlags;
        wanted.mask &= ~kUnblockable;
        if (const i64 error = set_action(thread, number, wanted); error != 0) {
            return error;
        }
    }
    return args_[2] == 0 || put_guest(args_[2], old) ? 0 : -EFAULT;
}

i64 sys_rt_sigprocmask(GuestThread& thread, const SyscallArgs& args_) {
    if (args_[3] != kSetBytes) {
        return -EINVAL;
    }
    const SignalSet old = thread.signals->mask;
    if (args_[1] != 0) {
        SignalSet set;
        if (!get_guest(args_[1], set)) {
            return -EFAULT;
        }
        SignalSet mask;
        switch (static_cast<int>(args_[0])) {
        case SIG_BLOCK:
            mask = old | set;
            break;
        case SIG_UNBLOCK:
            mask = old & ~set;
            break;
        case SIG_SETMASK:
            mask = set;
            break;
        default:
            return -EINVAL;
        }
        if (const i64 error = change_mask(thread, mask); error != 0) {
            return error;
        }
    }
    return args_[2] == 0 || put_guest(args_[2], old) ? 0 : -EFAULT;
}

i64 sys_rt_sigreturn(GuestThread& thread, const SyscallArgs&) {
    ir::CpuState& cpu = *thread.cpu;
    RtSigframe frame;
    if (!read_signal_frame(cpu.sp, frame) || !is_valid_context(frame.uc.mcontext)) {
        // The kernel's choice (arm64_notify_segfault), whatever is wrong with the frame.
        const bool below_mapping = process().space->maps_beyond(untag(cpu.sp));
        raise_fault(thread, SIGSEGV, below_mapping ? SEGV_ACCERR : SEGV_MAPERR, cpu.sp);
        return kSigreturnDone;
    }
    if (const i64 error = change_mask(thread, frame.uc.sigmask); error != 0) {
        return error;
    }
    restore_cpu(cpu, frame.uc.mcontext);
    // The frame's settings may be refused, as when the stack is in use: the kernel ignores that as
    // well.
    [[maybe_unused]] const i64 ignored = set_alt_stack(*thread.signals, frame.uc.stack, cpu.sp);
    return kSigreturnDone;
}

i64 sys_rt_sigpending(GuestThread& thread, const SyscallArgs& args_) {
    if (args_[1] > kSetBytes) {
        return -EINVAL;
    }
    SignalSet pending = 0;
    host_syscall(SYS_rt_sigpending, address(&pending), kSetBytes);
    pending = (pending | thread.signals->held) & thread.signals->mask;
    return copy_to_guest(args_[0], &pending, args_[1]) ? 0 : -EFAULT;
}

i64 sys_rt_sigtimedwait(GuestThread& thread, const SyscallArgs& args_) {
    SignalSet set;
    if (args_[3] != kSetBytes) {
        return -EINVAL;
    }
    if (!get_guest(args_[0], set)) {
        return -EFAULT;
    }
    siginfo_t info;
    if (const int signal = take_held(*thread.signals, set, info); signal != 0) {
        return args_[1] == 0 || put_guest(args_[1], info) ? signal : -EFAULT;
    }
    return blocking_syscall(SYS_rt_sigtimedwait, address(&set), args_[1], args_[2], kSetBytes);
}

i64 sys_rt_sigsuspend(GuestThread& thread, const SyscallArgs& args_) {
    SignalSet mask;
    if (args_[1] != kSetBytes) {
        return -EINVAL;
    }
    if (!get_guest(args_[0], mask)) {
        return -EFAULT;
    }
    const SignalSet host = host_mask_for(mask);
    begin_temporary_mask(thread, mask);
    if (thread.signals->held & ~thread.signals->mask) {
        return -EINTR; // deliverable under this mask: delivery ends it
    }
    return end_temporary_mask(thread,
                              blocking_syscall(SYS_rt_sigsuspend, address(&host), kSetBytes));
}

// --- sending: thread and process ids are the host's

namespace {

// Crash handlers send the siginfo of a fault to their own thread once more. Through the host it
// would look like a fault of ours.
bool resends_fault(
    GuestThread& thread, pid_t process_id, pid_t thread_id, u64 signal, GuestAddr info_at) {
    siginfo_t info;
    const int number = static_cast<int>(signal);
    if (process_id != getpid() || thread_id != thread.tid || !is_signal(signal) ||
        !is_synchronous(number) || !get_guest(info_at, info) || info.si_code <= 0) {
        return false;
    }
    info.si_signo = number;
    ThreadSignals& signals = *thread.signals;
    if (action_of(signals, number).handler != kHandlerIgnore) {
        hold_signal(signals, info);
    }
    return true;
}

// The stop of a tracee is its tracer's to hear of.
bool is_hidden_stop(u64 process_id, u64 thread_id, u64 signal) {
    const bool is_one = static_cast<pid_t>(process_id) > 0 || static_cast<pid_t>(thread_id) > 0;
    return static_cast<u32>(signal) == SIGSTOP && is_one &&
           sends_sigstop(static_cast<pid_t>(process_id), static_cast<pid_t>(thread_id));
}

} // namespace

i64 sys_kill(GuestThread&, const SyscallArgs& args_) {
    if (is_hidden_stop(args_[0], 0, args_[1])) {
        return 0;
    }
    return host_syscall(SYS_kill, args_[0], args_[1]);
}
i64 sys_tkill(GuestThread&, const SyscallArgs& args_) {
    if (is_hidden_stop(0, args_[0], args_[1])) {
        return 0;
    }
    return host_syscall(SYS_tkill, args_[0], args_[1]);
}
i64 sys_tgkill(GuestThread&, const SyscallArgs& args_) {
    if (is_hidden_stop(args_[0], args_[1], args_[2])) {
        return 0;
    }
    return host_syscall(SYS_tgkill, args_[0], args_[1], args_[2]);
}
i64 sys_rt_sigqueueinfo(GuestThread& thread, const SyscallArgs& args_) {
    if (resends_fault(thread, static_cast<pid_t>(args_[0]), thread.tid, args_[1], args_[2])) {
        return 0;
    }
    return host_syscall(SYS_rt_sigqueueinfo, args_[0], args_[1], args_[2]);
}
i64 sys_rt_tgsigqueueinfo(GuestThread& thread, const SyscallArgs& args_) {
    const auto process_id = static_cast<pid_t>(args_[0]), thread_id = static_cast<pid_t>(args_[1]);
    if (resends_fault(thread, process_id, thread_id, args_[2], args_[3])) {
        return 0;
    }
    return host_syscall(SYS_rt_tgsigqueueinfo, args_[0], args_[1], args_[2], args_[3]);
}
i64 sys_pidfd_send_signal(GuestThread&, const SyscallArgs& args_) {
    return host_syscall(SYS_pidfd_send_signal, args_[0], args_[1], args_[2], args_[3]);
}

// --- the rest

i64 sys_sigaltstack(GuestThread& thread, const SyscallArgs& args_) {
    ThreadSignals& signals = *thread.signals;
    const u64 sp = thread.cpu->sp;
    AltStack old = signals.alt_stack;
    old.flags = alt_stack_state(old, sp);
    if (args_[0] != 0) {
        AltStack wanted;
        if (!get_guest(args_[0], wanted)) {
            return -EFAULT;
        }
        if (const i64 error = set_alt_stack(signals, wanted, sp); error != 0) {
            return error;
        }
    }
    return args_[1] == 0 || put_guest(args_[1], old) ? 0 : -EFAULT;
}

i64 sys_signalfd4(GuestThread&, const SyscallArgs& args_) {
    return host_syscall(SYS_signalfd4, args_[0], args_[1], args_[2], args_[3]);
}

} // namespace ulna::user
