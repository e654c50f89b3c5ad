// seccomp(2) and its part of prctl(2).
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>

#include "runtime/user/guest_memory.h"
#include "runtime/user/seccomp.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

namespace {

// struct sock_fprog
struct GuestProgram {
    u16 length;
    GuestAddr instructions;
};
static_assert(sizeof(GuestProgram) == sizeof(sock_fprog));

bool may_filter() {
    return host_syscall(SYS_prctl, PR_GET_NO_NEW_PRIVS) == 1 || is_administrator();
}

// A result must tell the listener from a thread, and only with a listener there is a wait for one.
bool contradict(u32 flags) {
    const auto has = [flags](u32 flag) { return (flags & flag) != 0; };
    const bool listens = has(SECCOMP_FILTER_FLAG_NEW_LISTENER);
    return (listens && has(SECCOMP_FILTER_FLAG_TSYNC) && !has(SECCOMP_FILTER_FLAG_TSYNC_ESRCH)) ||
           (!listens && has(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV));
}

i64 set_filter_mode(GuestThread& thread, u32 flags, GuestAddr program_at) {
    constexpr u32 kFlags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG |
                           SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
                           SECCOMP_FILTER_FLAG_NEW_LISTENER |
                           SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    if ((flags & ~kFlags) != 0 || contradict(flags)) {
        return -EINVAL;
    }
    GuestProgram guest;
    if (!get_guest(program_at, guest)) {
        return -EFAULT;
    }
    if (guest.length == 0 || guest.length > BPF_MAXINSNS) {
        return -EINVAL;
    }
    if (!may_filter()) {
        return -EACCES;
    }
    if (guest.instructions == 0) {
        return -EINVAL;
    }
    std::vector<sock_filter> program(guest.length);
    if (!copy_from_guest(program.data(), guest.instructions,
                         program.size() * sizeof(sock_filter))) {
        return -EFAULT;
    }
    return is_seccomp_program(program) ? add_filter(thread, std::move(program), flags) : -EINVAL;
}

i64 is_action_available(GuestAddr action_at) {
    u32 action;
    if (!get_guest(action_at, action)) {
        return -EFAULT;
    }
    switch (action) {
    case SECCOMP_RET_KILL_PROCESS:
    case SECCOMP_RET_KILL_THREAD:
    case SECCOMP_RET_TRAP:
    case SECCOMP_RET_ERRNO:
    case SECCOMP_RET_TRACE:
    case SECCOMP_RET_LOG:
    case SECCOMP_RET_ALLOW:
        return 0;
    case SECCOMP_RET_USER_NOTIF: // the host's
        return host_syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0,
                            reinterpret_cast<u64>(&action));
    default:
        return -EOPNOTSUPP;
    }
}

} // namespace

bool is_administrator() {
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
    return host_syscall(SYS_capget, reinterpret_cast<u64>(&header), reinterpret_cast<u64>(&sets)) ==
               0 &&
           (sets[0].effective >> CAP_SYS_ADMIN & 1) != 0;
}

bool is_machine_administrator() {
    constexpr ino_t kFirstNamespace = 0xefff'fffd; // PROC_USER_INIT_INO
    struct stat space;
    return is_administrator() && ::stat("/proc/self/ns/user", &space) == 0 &&
           space.st_ino == kFirstNamespace;
}

i64 sys_seccomp(GuestThread& thread, const SyscallArgs& args_) {
    const auto [operation, flags, argument, unused3, unused4, unused5] = args_;
    switch (static_cast<u32>(operation)) {
    case SECCOMP_SET_MODE_STRICT:
        return static_cast<u32>(flags) != 0 || argument != 0 ? -EINVAL : enter_strict_mode(thread);
    case SECCOMP_SET_MODE_FILTER:
        return set_filter_mode(thread, static_cast<u32>(flags), argument);
    case SECCOMP_GET_ACTION_AVAIL:
        return static_cast<u32>(flags) != 0 ? -EINVAL : is_action_available(argument);
    case SECCOMP_GET_NOTIF_SIZES:
        return host_syscall(SYS_seccomp, operation, flags, argument);
    default:
        return -EINVAL;
    }
}

i64 prctl_get_seccomp(const GuestThread& thread) {
    const u32 own = thread.seccomp.mode;
    return own != SECCOMP_MODE_DISABLED ? own : host_syscall(SYS_prctl, PR_GET_SECCOMP);
}

i64 prctl_set_seccomp(GuestThread& thread, u64 mode, GuestAddr program) {
    switch (mode) {
    case SECCOMP_MODE_STRICT:
        return enter_strict_mode(thread);
    case SECCOMP_MODE_FILTER:
        return set_filter_mode(thread, 0, program);
    default:
        return -EINVAL;
    }
}

} // namespace ulna::user
