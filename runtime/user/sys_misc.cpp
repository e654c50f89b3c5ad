// System calls that say what machine this is, and those whose effects must stop at Ulna's own
// needs.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <ctime>

#include <linux/capability.h>
#include <linux/prctl.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "runtime/user/address_space.h"
#include "runtime/user/guest_cpu.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/memory_limits.h"
#include "runtime/user/seccomp.h"
#include "runtime/user/syscall.h"
#include "runtime/user/thread_group.h"

namespace ulna::user {

i64 sys_uname(GuestThread&, const SyscallArgs& args_) {
    static_assert(sizeof(utsname) == 6 * 65, "the kernel's struct new_utsname");
    utsname names{};
    const i64 result = host_syscall(SYS_uname, reinterpret_cast<u64>(&names));
    if (result < 0) {
        return result;
    }
    const auto set = [](char(&field)[65], const std::string& text) {
        field[text.copy(field, sizeof(field) - 1)] = '\0';
    };
    set(names.machine, "aarch64");
    if (!process().options.uname_release.empty()) {
        set(names.release, process().options.uname_release);
    }
    return put_guest(args_[0], names) ? 0 : -EFAULT;
}

// Through the host's vDSO for the clocks that it knows: no kernel entry.
i64 sys_clock_gettime(GuestThread&, const SyscallArgs& args_) {
    const auto clock = static_cast<clockid_t>(args_[0]);
    timespec now;
    static_assert(sizeof(now) == 16, "equal to arm64's");
    if (::clock_gettime(clock, &now) != 0) {
        return -errno;
    }
    return put_guest(args_[1], now) ? 0 : -EFAULT;
}

i64 sys_personality(GuestThread&, const SyscallArgs& args_) {
    constexpr u32 kQuery = 0xffff'ffff;
    static std::atomic<u32> read_implies_exec{
        0}; // for the host it would make guest pages executable
    const auto wanted = static_cast<u32>(args_[0]);
    if (wanted != kQuery && (wanted & PER_MASK) == PER_LINUX32) {
        return -EINVAL; // no AArch32
    }
    const u32 bit =
        wanted == kQuery ? read_implies_exec.load() : wanted & static_cast<u32>(READ_IMPLIES_EXEC);
    const i64 old = host_syscall(
        SYS_personality, wanted == kQuery ? wanted : wanted & ~static_cast<u32>(READ_IMPLIES_EXEC));
    return old < 0 ? old : old | read_implies_exec.exchange(bit);
}

// --- limits

namespace {

static_assert(sizeof(rlimit) == 16, "equal to arm64's");

i64 get_limit(u64 resource, rlimit& limit) {
    return is_memory_limit(resource)
               ? get_memory_limit(resource, limit)
               : host_syscall(SYS_prlimit64, 0, resource, 0, reinterpret_cast<u64>(&limit));
}

i64 set_limit(u64 resource, const rlimit& limit) {
    return is_memory_limit(resource)
               ? set_memory_limit(resource, limit)
               : host_syscall(SYS_prlimit64, 0, resource, reinterpret_cast<u64>(&limit), 0);
}

} // namespace

i64 sys_getrlimit(GuestThread&, const SyscallArgs& args_) {
    rlimit limit;
    const i64 result = get_limit(static_cast<u32>(args_[0]), limit);
    return result < 0 ? result : put_guest(args_[1], limit) ? 0 : -EFAULT;
}

i64 sys_setrlimit(GuestThread&, const SyscallArgs& args_) {
    rlimit limit;
    return get_guest(args_[1], limit) ? set_limit(static_cast<u32>(args_[0]), limit) : -EFAULT;
}

i64 sys_prlimit64(GuestThread&, const SyscallArgs& args_) {
    const auto [pid, resource, new_limit, old_limit, unused4, unused5] = args_;
    if (static_cast<pid_t>(pid) != 0 && static_cast<pid_t>(pid) != ::getpid()) {
        if (new_limit != 0 && is_memory_limit(static_cast<u32>(resource))) {
            return -EPERM; // it would be the other's Ulna that has to live with it
        }
        return host_syscall(SYS_prlimit64, pid, resource, new_limit, old_limit);
    }
    rlimit wanted, old;
    if (new_limit != 0 && !get_guest(new_limit, wanted)) {
        return -EFAULT;
    }
    i64 result = get_limit(static_cast<u32>(resource), old);
    if (result == 0 && new_limit != 0) {
        result = set_limit(static_cast<u32>(resource), wanted);
    }
    if (result == 0 && old_limit != 0 && !put_guest(old_limit, old)) {
        return -EFAULT;
    }
    return result;
}

// --- prctl

namespace {

enum class PrctlKind : u8 { Pass, Refuse };

struct PrctlRange {
    u32 first, last;
    PrctlKind kind;
    const char* reason;
};

// Everything else is refused as a kernel does that is too old to know it.
// clang-format off
constexpr PrctlRange kPrctls[] = {
    {PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PrctlKind::Pass, ""},
    {PR_GET_UNALIGN, PR_SET_UNALIGN, PrctlKind::Refuse, "not on arm64"},
    {PR_GET_KEEPCAPS, PR_SET_KEEPCAPS, PrctlKind::Pass, ""},
    {PR_GET_FPEMU, PR_SET_FPEXC, PrctlKind::Refuse, "not on arm64"},
    {PR_GET_TIMING, PR_GET_NAME, PrctlKind::Pass, ""},
    {PR_GET_ENDIAN, PR_SET_ENDIAN, PrctlKind::Refuse, "not on arm64"},
    {PR_CAPBSET_READ, PR_CAPBSET_DROP, PrctlKind::Pass, ""},
    {PR_GET_TSC, PR_SET_TSC, PrctlKind::Refuse, "not on arm64"},
    {PR_GET_SECUREBITS, PR_TASK_PERF_EVENTS_ENABLE, PrctlKind::Pass, ""},
    {PR_MCE_KILL, PR_MCE_KILL_GET, PrctlKind::Pass, ""},
    {PR_SET_MM, PR_SET_MM, PrctlKind::Refuse, "would move the host's own layout"},
    {PR_SET_CHILD_SUBREAPER, PR_GET_THP_DISABLE, PrctlKind::Pass, ""},
    {PR_MPX_ENABLE_MANAGEMENT, PR_GET_FP_MODE, PrctlKind::Refuse, "not on arm64"},
    {PR_CAP_AMBIENT, PR_CAP_AMBIENT, PrctlKind::Pass, ""},
    {PR_SVE_SET_VL, PR_SVE_GET_VL, PrctlKind::Refuse, "no SVE"},
    {PR_GET_SPECULATION_CTRL, PR_SET_SPECULATION_CTRL, PrctlKind::Pass, ""},
    {PR_SET_IO_FLUSHER, PR_GET_IO_FLUSHER, PrctlKind::Pass, ""},
    {PR_SET_SYSCALL_USER_DISPATCH, PR_SET_SYSCALL_USER_DISPATCH, PrctlKind::Refuse, "selectors would see host calls"},
    {PR_SCHED_CORE, PR_SCHED_CORE, PrctlKind::Pass, ""},
    {63, 66, PrctlKind::Refuse, "no SME; memory-deny-write-execute would stop the translator"},
    {67, 68, PrctlKind::Pass, ""}, // PR_SET_MEMORY_MERGE, PR_GET_MEMORY_MERGE
    {77, 78, PrctlKind::Pass, ""}, // PR_TIMER_CREATE_RESTORE_IDS, PR_FUTEX_HASH
    {PR_SET_PTRACER, PR_SET_PTRACER, PrctlKind::Pass, ""},
};
// clang-format on
constexpr u32 kPrGetAuxv = 0x4155'5856;

// Arguments that must be zero, from `first` on.
bool any_of_rest(const SyscallArgs& args_, unsigned first) {
    return std::any_of(args_ + first, args_ + 5, [](u64 arg) { return arg != 0; });
}

i64 name_mapping(const SyscallArgs& args_) {
    const auto [option, what, address, bytes, name, unused5] = args_;
    return process().space->owns(page_down(address), bytes)
               ? host_syscall(SYS_prctl, option, what, address, bytes, name)
               : -ENOMEM;
}

i64 get_auxv(const SyscallArgs& args_) {
    const std::vector<char>& auxv = process().auxv;
    if (args_[3] != 0 || args_[4] != 0) {
        return -EINVAL;
    }
    return copy_to_guest(args_[1], auxv.data(), std::min<u64>(args_[2], auxv.size()))
               ? static_cast<i64>(auxv.size())
               : -EFAULT;
}

} // namespace

i64 sys_prctl(GuestThread& thread, const SyscallArgs& args_) {
    const auto option = static_cast<u32>(args_[0]);
    if (option == PR_GET_TID_ADDRESS) {
        return get_tid_address(thread, args_[1]);
    }
    if (option == PR_SET_VMA) {
        return name_mapping(args_);
    }
    if (option == kPrGetAuxv) {
        return get_auxv(args_);
    }
    switch (option) {
    case PR_GET_SECCOMP:
        return prctl_get_seccomp(thread);
    case PR_SET_SECCOMP:
        return prctl_set_seccomp(thread, args_[1], args_[2]);
    case PR_PAC_RESET_KEYS:
        return any_of_rest(args_, 2) ? -EINVAL : reset_pac_keys(*thread.cpu, args_[1]);
    case PR_PAC_SET_ENABLED_KEYS:
        return any_of_rest(args_, 3) ? -EINVAL
                                     : set_enabled_pac_keys(*thread.cpu, args_[1], args_[2]);
    case PR_PAC_GET_ENABLED_KEYS:
        return any_of_rest(args_, 1) ? -EINVAL : enabled_pac_keys(*thread.cpu);
    case PR_SET_TAGGED_ADDR_CTRL:
        return any_of_rest(args_, 2) ? -EINVAL : set_tagged_address_control(thread, args_[1]);
    case PR_GET_TAGGED_ADDR_CTRL:
        return any_of_rest(args_, 1) ? -EINVAL : tagged_address_control(thread);
    default:
        break;
    }
    for (const PrctlRange& range : kPrctls) {
        if (option >= range.first && option <= range.last && range.kind == PrctlKind::Pass) {
            return host_syscall(SYS_prctl, args_[0], args_[1], args_[2], args_[3], args_[4]);
        }
    }
    return -EINVAL;
}

} // namespace ulna::user
