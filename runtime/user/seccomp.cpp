#include "runtime/user/seccomp.h"

#include <linux/audit.h>
#include <linux/ptrace.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

#include "runtime/user/ptrace_tracee.h"
#include "runtime/user/seccomp_filter.h"
#include "runtime/user/seccomp_listener.h"
#include "runtime/user/signals_state.h"
#include "runtime/user/vdso.h"

namespace ulna::user {

namespace {

constexpr int kSysSeccomp = 1; // SYS_SECCOMP of <asm-generic/siginfo.h>, which <csignal> lacks

seccomp_data data_of(const ir::CpuState& cpu, u32 number) {
    seccomp_data data = {};
    data.nr = static_cast<int>(number);
    data.arch = AUDIT_ARCH_AARCH64;
    data.instruction_pointer = cpu.pc;
    std::copy_n(cpu.x, std::size(data.args), data.args);
    return data;
}

siginfo_t signal_of(const ir::CpuState& cpu, u32 number, u32 reason) {
    siginfo_t info = {};
    info.si_signo = SIGSYS;
    info.si_code = kSysSeccomp;
    info.si_errno = static_cast<int>(reason);
    info.si_call_addr = reinterpret_cast<void*>(cpu.pc);
    info.si_syscall = static_cast<int>(number);
    info.si_arch = AUDIT_ARCH_AARCH64;
    return info;
}

// The last thread takes the process with it.
i64 end_thread(GuestThread& thread, const siginfo_t& info) {
    if (thread.signals->group->live.load() == 1) {
        die_by_signal(thread, info);
    }
    exit_thread(thread, 0);
    return kSigreturnDone;
}

std::optional<i64> refuse_strictly(GuestThread& thread, u32 number) {
    constexpr u32 kRead = 63, kWrite = 64, kExit = 93, kSigreturn = 139;
    if (number == kRead || number == kWrite || number == kExit || number == kSigreturn) {
        return std::nullopt;
    }
    siginfo_t info = {};
    info.si_signo = SIGKILL;
    return end_thread(thread, info);
}

// A call that the tracer lets pass is judged again, as it may have become another one: but it is
// not asked again.
enum class Asked : u8 { No, Yes };
std::optional<i64> judge(GuestThread& thread, u32 number, Asked asked);

std::optional<i64> ask_tracer(GuestThread& thread, u32 data, Asked asked) {
    if (asked == Asked::Yes) {
        return std::nullopt;
    }
    const std::optional<i64> refused = stop_for_seccomp(thread, data);
    return refused ? refused : judge(thread, static_cast<u32>(thread.cpu->x[8]), Asked::Yes);
}

std::optional<i64>
act(GuestThread& thread, u32 number, SeccompFilter::Verdict verdict, Asked asked) {
    constexpr u32 kMaxErrno = 4095;
    const u32 data = verdict.action & SECCOMP_RET_DATA;
    switch (verdict.action & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
    case SECCOMP_RET_LOG: // to the audit log, which nobody keeps here
        return std::nullopt;
    case SECCOMP_RET_ERRNO:
        return -static_cast<i64>(std::min(data, kMaxErrno));
    case SECCOMP_RET_TRAP: // the handler sees the registers before the call
        raise_sync(thread, {.info = signal_of(*thread.cpu, number, data)});
        return kSigreturnDone;
    case SECCOMP_RET_TRACE:
        return ask_tracer(thread, data, asked);
    case SECCOMP_RET_USER_NOTIF:
        return verdict.filter->has_listener() ? ask_listener(thread, number) : -ENOSYS;
    case SECCOMP_RET_KILL_THREAD:
        return end_thread(thread, signal_of(*thread.cpu, number, data));
    default:
        die_by_signal(thread, signal_of(*thread.cpu, number, data));
    }
}

std::optional<i64> judge(GuestThread& thread, u32 number, Asked asked) {
    const SeccompFilter& newest = *thread.seccomp.newest.load();
    return act(thread, number, newest.judge(data_of(*thread.cpu, number)), asked);
}

bool is_suspended(const GuestThread& thread) {
    return is_traced(thread) && (thread.trace.slot->options & PTRACE_O_SUSPEND_SECCOMP) != 0;
}

} // namespace

std::optional<i64> refuse_by_seccomp(GuestThread& thread, u32 number) {
    SeccompState& state = thread.seccomp;
    const ir::CpuState& cpu = *thread.cpu;
    if (is_vdso_clock(cpu.pc, cpu.x[0])) { // on Arm it would not be a call
        return std::nullopt;
    }
    if (is_suspended(thread)) {
        return std::nullopt;
    }
    if (state.mode.load() == SECCOMP_MODE_STRICT) {
        return refuse_strictly(thread, number);
    }
    if (state.gets_no_new_privs.load(std::memory_order_relaxed)) {
        host_syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1);
        state.gets_no_new_privs = false;
    }
    return judge(thread, number, Asked::No);
}

} // namespace ulna::user
