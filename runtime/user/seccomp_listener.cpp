#include "runtime/user/seccomp_listener.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>

#include "runtime/user/guest_memory.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

namespace {

// Above all numbers of the host, below x32's.
constexpr u32 kFirstNumber = 0x10000, kNumbers = 0x10000;
// Stands for SECCOMP_USER_NOTIF_FLAG_CONTINUE, with which the host would make the call itself.
constexpr i64 kContinue = 0x554c'4e41'636f'6e74;

static_assert(sizeof(seccomp_notif) == 80 && sizeof(seccomp_notif_resp) == 24, "equal to arm64's");

// The guest's number, the registers as they are. Where it was called from the host does not know.
void convert(seccomp_data& data) {
    const u32 number = static_cast<u32>(data.nr) - kFirstNumber;
    if (data.arch == AUDIT_ARCH_X86_64 && number < kNumbers) {
        data.nr = static_cast<int>(number);
        data.arch = AUDIT_ARCH_AARCH64;
        data.instruction_pointer = 0;
    }
}

i64 receive(u64 descriptor, GuestAddr to) {
    const i64 result = blocking_syscall(SYS_ioctl, descriptor, SECCOMP_IOCTL_NOTIF_RECV, to);
    seccomp_notif notification;
    if (result < 0 || !get_guest(to, notification)) {
        return result;
    }
    convert(notification.data);
    return put_guest(to, notification) ? result : -EFAULT;
}

i64 answer(u64 descriptor, GuestAddr from) {
    seccomp_notif_resp response;
    if (!get_guest(from, response)) {
        return -EFAULT;
    }
    if (response.flags == SECCOMP_USER_NOTIF_FLAG_CONTINUE) {
        if (response.error != 0 || response.val != 0) {
            return -EINVAL;
        }
        response.val = kContinue;
        response.flags = 0;
    }
    return host_syscall(SYS_ioctl, descriptor, SECCOMP_IOCTL_NOTIF_SEND,
                        reinterpret_cast<u64>(&response));
}

} // namespace

i64 open_listener(u32 flags) {
    constexpr u32 kPassed = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
                            SECCOMP_FILTER_FLAG_NEW_LISTENER |
                            SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kFirstNumber, 0, 1),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kFirstNumber + kNumbers, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
    };
    const sock_fprog program = {std::size(code), code};
    return host_syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                        (flags & kPassed) | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                        reinterpret_cast<u64>(&program));
}

std::optional<i64> ask_listener(GuestThread& thread, u32 number) {
    ir::CpuState& cpu = *thread.cpu;
    if (number >= kNumbers) {
        return -ENOSYS;
    }
    const i64 result = blocking_syscall(kFirstNumber + number, cpu.x[0], cpu.x[1], cpu.x[2],
                                        cpu.x[3], cpu.x[4], cpu.x[5]);
    if (result == kRestartSys) { // the listener's answer: nobody else returns that from the host
        cpu.x[0] = static_cast<u64>(result);
        return kSigreturnDone;
    }
    return result == kContinue ? std::nullopt : std::optional(result);
}

bool is_listener_request(u64 request) {
    return static_cast<u32>(request) == SECCOMP_IOCTL_NOTIF_RECV ||
           static_cast<u32>(request) == SECCOMP_IOCTL_NOTIF_SEND;
}

i64 listener_ioctl(u64 descriptor, u64 request, u64 argument) {
    return static_cast<u32>(request) == SECCOMP_IOCTL_NOTIF_RECV ? receive(descriptor, argument)
                                                                 : answer(descriptor, argument);
}

} // namespace ulna::user
