// The ptrace-stops around system calls and execve. After syscall_trace_enter and syscall_trace_exit
// of arch/arm64.
#include <linux/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "runtime/user/ptrace_stops.h"
#include "runtime/user/ptrace_tracee.h"
#include "runtime/user/restart.h"
#include "runtime/user/signals_state.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

namespace {

// send_sig(): it is delivered, and so reported, like any other.
void send_to_self(int signal) {
    siginfo_t info = {};
    info.si_signo = signal;
    info.si_code = SI_KERNEL;
    if (is_synchronous(signal)) { // it would look like a fault of ours
        hold_signal(*current_thread()->signals, info);
        return;
    }
    host_syscall(SYS_rt_tgsigqueueinfo, static_cast<u64>(getpid()),
                 static_cast<u64>(host_syscall(SYS_gettid)), static_cast<u64>(signal),
                 reinterpret_cast<u64>(&info));
}

constexpr i32 kNoCall = -1;

// X7 says which of the two stops it is, and what the tracer writes there is lost (report_syscall of
// arch/arm64).
void stop_at_call(GuestThread& thread, u64 message, u64 marker) {
    ir::CpuState& cpu = *thread.cpu;
    const u64 x7 = cpu.x[7];
    const bool marked = (thread.trace.slot->options & PTRACE_O_TRACESYSGOOD) != 0;
    const u32 code = SIGTRAP | (marked ? 0x80 : 0);
    const siginfo_t info = event_info(thread, code);
    cpu.x[7] = marker;
    const u32 signal = come_to_stop(thread, {.code = code, .message = message, .info = &info});
    cpu.x[7] = x7;
    if (signal != 0 && signal <= kSignalCount) {
        send_to_self(static_cast<int>(signal));
    }
}

bool emulates(const GuestThread& thread) {
    return thread.trace.mode == TraceMode::Emulate || thread.trace.mode == TraceMode::EmulateStep;
}

bool stops_at_calls(const GuestThread& thread) {
    return is_traced(thread) && thread.trace.mode == TraceMode::Syscalls;
}

// Whether the call is to be made.
bool enter_call(GuestThread& thread) {
    const bool emulated = emulates(thread);
    if (thread.trace.call == kNoCall) { // el0_svc_common
        thread.cpu->x[0] = static_cast<u64>(-ENOSYS);
    }
    stop_at_call(thread, PTRACE_EVENTMSG_SYSCALL_ENTRY, 0);
    return !emulated && thread.trace.call != kNoCall;
}

// X8 is the number for us, and stays what it was for the guest.
i64 make_call(GuestThread& thread) {
    ir::CpuState& cpu = *thread.cpu;
    const u64 x8 = cpu.x[8];
    if (static_cast<u32>(x8) != static_cast<u32>(thread.trace.call)) {
        cpu.x[8] = static_cast<u32>(thread.trace.call);
    }
    const i64 result = dispatch_syscall(thread);
    if (result != kSigreturnDone) {
        cpu.x[8] = x8;
    }
    return result;
}

// The tracer sees the result where the guest will, and may change it.
i64 leave_call(GuestThread& thread, i64 result) {
    ir::CpuState& cpu = *thread.cpu;
    const u64 argument = cpu.x[0];
    result = without_own_handler(thread, result);
    if (result != kSigreturnDone) {
        cpu.x[0] = static_cast<u64>(result);
    }
    stop_at_call(thread, PTRACE_EVENTMSG_SYSCALL_EXIT, 1);
    if (result == kSigreturnDone) {
        return result;
    }
    const auto shown = static_cast<i64>(cpu.x[0]);
    if (is_restart(shown)) {
        cpu.x[0] = argument;
    }
    return shown;
}

} // namespace

i64 traced_syscall(GuestThread& thread) {
    thread.trace.call = static_cast<i32>(thread.cpu->x[8]);
    const bool emulated = emulates(thread);
    const bool is_made = stops_at_calls(thread) || emulated ? enter_call(thread) : true;
    const i64 result = is_made ? make_call(thread) : static_cast<i64>(thread.cpu->x[0]);
    if (thread.exiting || !stops_at_calls(thread) || emulated) {
        return result;
    }
    return leave_call(thread, result);
}

std::optional<i64> stop_for_seccomp(GuestThread& thread, u32 data) {
    if (!is_event_wanted(thread, PTRACE_EVENT_SECCOMP)) {
        return -ENOSYS;
    }
    stop_for_event(thread, PTRACE_EVENT_SECCOMP, data);
    ir::CpuState& cpu = *thread.cpu;
    if (thread.trace.call == kNoCall) {
        return static_cast<i64>(cpu.x[0]);
    }
    cpu.x[8] = static_cast<u32>(thread.trace.call); // until make_call is done
    return std::nullopt;
}

void report_exec(GuestThread& thread) {
    const pid_t before = std::exchange(thread.trace.tid_before_exec, 0);
    thread.trace.mode = mode_of(thread.trace.slot->request);
    const bool has_event = is_event_wanted(thread, PTRACE_EVENT_EXEC);
    const bool seized = thread.trace.slot->seized;
    stop_for_event(thread, PTRACE_EVENT_EXEC, static_cast<u64>(before));
    if (!has_event && !seized) {
        siginfo_t info = {};
        info.si_signo = SIGTRAP;
        info.si_pid = thread.tid;
        info.si_uid = getuid();
        hold_signal(*thread.signals, info);
    }
    if (stops_at_calls(thread)) {
        stop_at_call(thread, PTRACE_EVENTMSG_SYSCALL_EXIT, 1);
    }
}

} // namespace ulna::user
