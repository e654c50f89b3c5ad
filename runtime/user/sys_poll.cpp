// Calls that wait for descriptors under a temporary signal mask.
#include <sys/syscall.h>

#include <array>

#include "runtime/user/epoll_event.h"
#include "runtime/user/temporary_mask.h"

namespace ulna::user {

namespace {

u64 address(const void* pointer) { return reinterpret_cast<u64>(pointer); }

} // namespace

i64 sys_ppoll(GuestThread& thread, const SyscallArgs& args_) {
    std::optional<SignalSet> mask;
    if (const i64 error = read_mask(args_[3], args_[4], mask); error != 0) {
        return error;
    }
    return wait_with_mask(thread, mask, [&](u64 host_mask) {
        return blocking_syscall(SYS_ppoll, args_[0], args_[1], args_[2], host_mask,
                                kSignalSetBytes);
    });
}

i64 sys_pselect6(GuestThread& thread, const SyscallArgs& args_) {
    std::array<u64, 2> packed = {}; // pointer to the mask, its size
    if (args_[5] != 0 && !get_guest(args_[5], packed)) {
        return -EFAULT;
    }
    std::optional<SignalSet> mask;
    if (const i64 error = read_mask(packed[0], packed[1], mask); error != 0) {
        return error;
    }
    return wait_with_mask(thread, mask, [&](u64 host_mask) {
        const std::array<u64, 2> host_packed = {host_mask, kSignalSetBytes};
        return blocking_syscall(SYS_pselect6, args_[0], args_[1], args_[2], args_[3], args_[4],
                                address(&host_packed));
    });
}

i64 sys_io_pgetevents(GuestThread& thread, const SyscallArgs& args_) {
    std::array<u64, 2> packed = {}; // struct __aio_sigset: pointer to the mask, its size
    if (args_[5] != 0 && !get_guest(args_[5], packed)) {
        return -EFAULT;
    }
    std::optional<SignalSet> mask;
    if (const i64 error = read_mask(packed[0], packed[1], mask); error != 0) {
        return error;
    }
    return wait_with_mask(thread, mask, [&](u64 host_mask) {
        const std::array<u64, 2> host_packed = {host_mask, kSignalSetBytes};
        return blocking_syscall(SYS_io_pgetevents, args_[0], args_[1], args_[2], args_[3], args_[4],
                                address(&host_packed));
    });
}

namespace {

// The host writes its smaller structures into the guest's array; they are spread out from the end,
// in place, so that no copy of the array is needed. The kernel has already checked that it is
// writable for the host's size; the last bytes may still fault.
i64 spread_events(GuestAddr events, i64 count) {
    for (i64 i = count; i-- > 0;) {
        HostEpollEvent host;
        const auto index = static_cast<u64>(i);
        if (!get_guest(events + index * sizeof host, host)) {
            return -EFAULT;
        }
        const GuestEpollEvent guest = {host.events, 0, host.data};
        if (!put_guest(events + index * sizeof guest, guest)) {
            return -EFAULT;
        }
    }
    return count;
}

i64 epoll_wait_with_mask(GuestThread& thread, const SyscallArgs& args, long number) {
    std::optional<SignalSet> mask;
    if (const i64 error = read_mask(args[4], args[5], mask); error != 0) {
        return error;
    }
    const GuestAddr events = args[1];
    const u64 timeout = number == SYS_epoll_pwait ? args[3] : args[3];
    const i64 count = wait_with_mask(thread, mask, [&](u64 host_mask) {
        return blocking_syscall(number, args[0], events, args[2], timeout, host_mask,
                                kSignalSetBytes);
    });
    return count > 0 ? spread_events(events, count) : count;
}

} // namespace

i64 sys_epoll_pwait(GuestThread& thread, const SyscallArgs& args_) {
    return epoll_wait_with_mask(thread, args_, SYS_epoll_pwait);
}
i64 sys_epoll_pwait2(GuestThread& thread, const SyscallArgs& args_) {
    constexpr long kEpollPwait2 = 441;
    return epoll_wait_with_mask(thread, args_, kEpollPwait2);
}

} // namespace ulna::user
