// System calls on names and descriptors that differ between arm64 and this host, or whose names may
// lie in the sysroot or in /proc.
#include <algorithm>
#include <cerrno>
#include <vector>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "runtime/user/address_space.h"
#include "runtime/user/code_placement.h"
#include "runtime/user/epoll_event.h"
#include "runtime/user/foreign_views.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/host_numbers.h"
#include "runtime/user/open_flags.h"
#include "runtime/user/open_views.h"
#include "runtime/user/own_thread.h"
#include "runtime/user/path_argument.h"
#include "runtime/user/seccomp_listener.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

namespace {

// struct stat of arm64 (asm-generic/stat.h).
struct ArmStat {
    u64 st_dev, st_ino;
    u32 st_mode, st_nlink, st_uid, st_gid;
    u64 st_rdev, pad1;
    i64 st_size;
    i32 st_blksize, pad2;
    i64 st_blocks;
    i64 st_atime_, st_atime_nsec, st_mtime_, st_mtime_nsec, st_ctime_, st_ctime_nsec;
    u32 unused[2];
};
static_assert(sizeof(ArmStat) == 128 && offsetof(ArmStat, st_size) == 48 &&
              offsetof(ArmStat, st_blocks) == 64);

i64 put_stat(GuestAddr to, struct stat& host, const GuestName& named) {
    hide_own_thread(host, named);
    ArmStat arm{};
    arm.st_dev = host.st_dev;
    arm.st_ino = host.st_ino;
    arm.st_mode = host.st_mode;
    arm.st_nlink = static_cast<u32>(host.st_nlink);
    arm.st_uid = host.st_uid;
    arm.st_gid = host.st_gid;
    arm.st_rdev = host.st_rdev;
    arm.st_size = host.st_size;
    arm.st_blksize = static_cast<i32>(host.st_blksize);
    arm.st_blocks = host.st_blocks;
    arm.st_atime_ = host.st_atim.tv_sec;
    arm.st_atime_nsec = host.st_atim.tv_nsec;
    arm.st_mtime_ = host.st_mtim.tv_sec;
    arm.st_mtime_nsec = host.st_mtim.tv_nsec;
    arm.st_ctime_ = host.st_ctim.tv_sec;
    arm.st_ctime_nsec = host.st_ctim.tv_nsec;
    return put_guest(to, arm) ? 0 : -EFAULT;
}

std::optional<i64> try_proc_view(const std::string& path, u64 host_flags) {
    if ((host_flags & (O_ACCMODE | O_PATH)) != O_RDONLY) {
        return std::nullopt;
    }
    if (const ViewText view = proc_view(path)) {
        return open_view(view, host_flags);
    }
    const std::optional<std::string> text = foreign_view(path);
    return text ? std::optional(open_text(*text, host_flags)) : std::nullopt;
}

} // namespace

i64 sys_openat(GuestThread&, const SyscallArgs& args_) {
    const u64 flags = host_open_flags(args_[2]);
    const PathArgument path(args_[1], follow_unless((flags & O_NOFOLLOW) != 0));
    if (const std::optional<i64> view = try_proc_view(path.guest(), flags)) {
        return *view;
    }
    const i64 result = blocking_syscall(SYS_openat, args_[0], path.argument(), flags, args_[3]);
    note_opened_file(result);
    return result;
}

i64 sys_openat2(GuestThread&, const SyscallArgs& args_) {
    const u64 bytes = args_[3];
    open_how how{};
    if (bytes < sizeof(how)) {
        return -EINVAL;
    }
    if (bytes > kPageBytes) {
        return -E2BIG;
    }
    char later[kPageBytes]; // extensions that neither we nor the guest use are all zero
    const u64 later_bytes = bytes - sizeof(how);
    if (!copy_from_guest(later, args_[2] + sizeof(how), later_bytes)) {
        return -EFAULT;
    }
    if (std::any_of(later, later + later_bytes, [](char byte) { return byte != 0; })) {
        return -E2BIG;
    }
    if (!get_guest(args_[2], how)) {
        return -EFAULT;
    }
    how.flags = host_open_flags(how.flags);
    const bool beneath = (how.resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH)) != 0;
    const PathArgument path(args_[1], follow_unless((how.flags & O_NOFOLLOW) != 0));
    if (!beneath) {
        if (const std::optional<i64> view = try_proc_view(path.guest(), how.flags)) {
            return *view;
        }
    }
    return blocking_syscall(SYS_openat2, args_[0], beneath ? args_[1] : path.argument(),
                            reinterpret_cast<u64>(&how), sizeof(how));
}

i64 sys_open_by_handle_at(GuestThread&, const SyscallArgs& args_) {
    return host_syscall(SYS_open_by_handle_at, args_[0], args_[1], host_open_flags(args_[2]));
}

i64 sys_mq_open(GuestThread&, const SyscallArgs& args_) {
    return host_syscall(SYS_mq_open, args_[0], host_open_flags(args_[1]), args_[2], args_[3]);
}

i64 sys_fanotify_init(GuestThread&, const SyscallArgs& args_) {
    return host_syscall(SYS_fanotify_init, args_[0], host_open_flags(args_[1]));
}

i64 sys_pipe2(GuestThread&, const SyscallArgs& args_) {
    return host_syscall(SYS_pipe2, args_[0], host_open_flags(args_[1])); // O_DIRECT: packet mode
}

// Commands and lock structures are equal; only the flag words differ.
i64 sys_fcntl(GuestThread&, const SyscallArgs& args_) {
    const auto [fd, command, argument, unused3, unused4, unused5] = args_;
    switch (static_cast<int>(command)) {
    case F_GETFL: {
        const i64 flags = host_syscall(SYS_fcntl, fd, command);
        return flags < 0 ? flags : static_cast<i64>(arm_open_flags(static_cast<u64>(flags)));
    }
    case F_SETFL:
        return host_syscall(SYS_fcntl, fd, command, host_open_flags(argument));
    case F_SETLKW:
    case F_OFD_SETLKW:
        return blocking_syscall(SYS_fcntl, fd, command, argument);
    default:
        return host_syscall(SYS_fcntl, fd, command, argument);
    }
}

i64 sys_ioctl(GuestThread&, const SyscallArgs& args_) {
    const auto [fd, request, argument, unused3, unused4, unused5] = args_;
    return is_listener_request(request) ? listener_ioctl(fd, request, argument)
                                        : blocking_syscall(SYS_ioctl, fd, request, argument);
}

i64 sys_lseek(GuestThread&, const SyscallArgs& args_) {
    const auto [fd, offset, whence, unused3, unused4, unused5] = args_;
    if (offset == 0 && whence == SEEK_SET) {
        refresh_view(static_cast<int>(fd));
    }
    return host_syscall(SYS_lseek, fd, offset, whence);
}

i64 sys_pread64(GuestThread&, const SyscallArgs& args_) {
    const auto [fd, to, bytes, offset, unused4, unused5] = args_;
    if (offset == 0) {
        refresh_view(static_cast<int>(fd));
    }
    return host_syscall(SYS_pread64, fd, to, bytes, offset);
}

i64 sys_fstat(GuestThread&, const SyscallArgs& args_) {
    struct stat host;
    const i64 result = host_syscall(SYS_fstat, args_[0], reinterpret_cast<u64>(&host));
    return result < 0 ? result : put_stat(args_[1], host, {});
}

i64 sys_newfstatat(GuestThread&, const SyscallArgs& args_) {
    const PathArgument path(args_[1], follow_unless((args_[3] & AT_SYMLINK_NOFOLLOW) != 0));
    struct stat host;
    const i64 result = host_syscall(SYS_newfstatat, args_[0], path.argument(),
                                    reinterpret_cast<u64>(&host), args_[3]);
    return result < 0 ? result : put_stat(args_[2], host, {args_[0], args_[1]});
}

i64 sys_statx(GuestThread&, const SyscallArgs& args_) {
    const PathArgument path(args_[1], follow_unless((args_[2] & AT_SYMLINK_NOFOLLOW) != 0));
    const i64 result =
        host_syscall(SYS_statx, args_[0], path.argument(), args_[2], args_[3], args_[4]);
    struct statx host;
    if (result == 0 && may_have_own_thread() && get_guest(args_[4], host)) {
        const u32 links = host.stx_nlink;
        hide_own_thread(host, {args_[0], args_[1]});
        return host.stx_nlink == links || put_guest(args_[4], host) ? 0 : -EFAULT;
    }
    return result;
}

i64 sys_getdents64(GuestThread&, const SyscallArgs& args_) {
    const auto [fd, to, bytes, unused3, unused4, unused5] = args_;
    for (;;) {
        const i64 got = host_syscall(SYS_getdents64, fd, to, bytes);
        if (got <= 0 || !may_have_own_thread()) {
            return got;
        }
        std::vector<u8> entries(static_cast<u64>(got));
        if (!copy_from_guest(entries.data(), to, entries.size())) {
            return -EFAULT;
        }
        const u64 left = hide_own_thread(static_cast<int>(fd), entries.data(), entries.size());
        if (left != 0) { // nothing would mean the end
            const bool is_same = left == entries.size();
            return is_same || copy_to_guest(to, entries.data(), left) ? static_cast<i64>(left)
                                                                      : -EFAULT;
        }
    }
}

i64 sys_faccessat(GuestThread&, const SyscallArgs& args_) {
    const PathArgument path(args_[1], FollowLinks::Yes);
    return host_syscall(SYS_faccessat, args_[0], path.argument(), args_[2]);
}

i64 sys_faccessat2(GuestThread&, const SyscallArgs& args_) {
    const PathArgument path(args_[1], follow_unless((args_[3] & AT_SYMLINK_NOFOLLOW) != 0));
    return host_syscall(SYS_faccessat2, args_[0], path.argument(), args_[2], args_[3]);
}

i64 sys_utimensat(GuestThread&, const SyscallArgs& args_) {
    const PathArgument path(args_[1], follow_unless((args_[3] & AT_SYMLINK_NOFOLLOW) != 0));
    return host_syscall(SYS_utimensat, args_[0], path.argument(), args_[2], args_[3]);
}

i64 sys_open_tree(GuestThread&, const SyscallArgs& args_) {
    const std::string exe = named_program(args_[1]);
    const u64 name = exe.empty() ? args_[1] : reinterpret_cast<u64>(exe.c_str());
    return host_syscall(SYS_open_tree, args_[0], name, args_[2]);
}

i64 sys_readlinkat(GuestThread&, const SyscallArgs& args_) {
    const auto [directory, name, buffer, bytes, unused4, unused5] = args_;
    const std::optional<std::string> text = guest_string(name);
    const std::string exe = text ? guest_exe(*text) : std::string();
    if (!exe.empty()) {
        if (static_cast<i32>(bytes) <= 0) {
            return -EINVAL;
        }
        const u64 length = std::min<u64>(bytes, exe.size());
        return copy_to_guest(buffer, exe.data(), length) ? static_cast<i64>(length) : -EFAULT;
    }
    const PathArgument path(name, FollowLinks::No);
    return host_syscall(SYS_readlinkat, directory, path.argument(), buffer, bytes);
}

i64 sys_inotify_add_watch(GuestThread&, const SyscallArgs& args_) {
    const PathArgument path(args_[1], FollowLinks::Yes);
    return host_syscall(SYS_inotify_add_watch, args_[0], path.argument(), args_[2]);
}

// Calls whose first argument is a name and that are otherwise equal.
i64 sys_path_pass(GuestThread& thread, const SyscallArgs& args_) {
    struct Call {
        u16 arm, host;
        FollowLinks follow;
    };
    static constexpr Call kCalls[] = {
        {5, SYS_setxattr, FollowLinks::Yes},     {6, SYS_lsetxattr, FollowLinks::No},
        {8, SYS_getxattr, FollowLinks::Yes},     {9, SYS_lgetxattr, FollowLinks::No},
        {11, SYS_listxattr, FollowLinks::Yes},   {12, SYS_llistxattr, FollowLinks::No},
        {14, SYS_removexattr, FollowLinks::Yes}, {15, SYS_lremovexattr, FollowLinks::No},
        {43, SYS_statfs, FollowLinks::Yes},      {45, SYS_truncate, FollowLinks::Yes},
    };
    const auto number = static_cast<u32>(thread.cpu->x[8]);
    for (const Call& call : kCalls) {
        if (call.arm == number) {
            const PathArgument path(args_[0], call.follow);
            return host_syscall(call.host, path.argument(), args_[1], args_[2], args_[3], args_[4],
                                args_[5]);
        }
    }
    return -ENOSYS;
}

i64 sys_epoll_ctl(GuestThread&, const SyscallArgs& args_) {
    const auto [epoll, operation, fd, event, unused4, unused5] = args_;
    if (operation == EPOLL_CTL_DEL) {
        return host_syscall(SYS_epoll_ctl, epoll, operation, fd, 0);
    }
    GuestEpollEvent arm;
    if (!get_guest(event, arm)) {
        return -EFAULT;
    }
    const HostEpollEvent host = {arm.events, arm.data};
    return host_syscall(SYS_epoll_ctl, epoll, operation, fd, reinterpret_cast<u64>(&host));
}

} // namespace ulna::user
