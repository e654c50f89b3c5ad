// System calls on the address space: address_space.h does the work.
#include <cerrno>

#include <sys/mman.h>
#include <sys/syscall.h>

#include "runtime/user/address_space.h"
#include "runtime/user/io_uring.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

namespace {
AddressSpace& space() { return *process().space; }
} // namespace

i64 sys_mmap(GuestThread&, const SyscallArgs& args_) {
    const auto [address, bytes, protection, flags, fd, offset] = args_;
    const i64 result = space().map(address, bytes, static_cast<int>(protection),
                                   static_cast<int>(flags), static_cast<int>(fd), offset);
    if (result >= 0 && (flags & MAP_SHARED) != 0 && (flags & MAP_ANONYMOUS) == 0) {
        note_ring_mapping(static_cast<int>(fd), offset, static_cast<GuestAddr>(result));
    }
    return result;
}

i64 sys_munmap(GuestThread&, const SyscallArgs& args_) { return space().unmap(args_[0], args_[1]); }

i64 sys_mprotect(GuestThread&, const SyscallArgs& args_) {
    return space().protect(args_[0], args_[1], static_cast<int>(args_[2]));
}

i64 sys_mremap(GuestThread&, const SyscallArgs& args_) {
    return space().remap(args_[0], args_[1], args_[2], static_cast<int>(args_[3]), args_[4]);
}

i64 sys_madvise(GuestThread&, const SyscallArgs& args_) {
    return space().advise(args_[0], args_[1], static_cast<int>(args_[2]));
}

// What is not the guest's may be Ulna's own: not mapped, as far as the guest can tell.
i64 sys_mincore(GuestThread&, const SyscallArgs& args_) {
    const auto [address, bytes, residents, unused3, unused4, unused5] = args_;
    const bool is_shown = address % kPageBytes != 0 || bytes == 0 || space().owns(address, bytes);
    return is_shown ? host_syscall(SYS_mincore, address, bytes, residents) : -ENOMEM;
}

i64 sys_brk(GuestThread&, const SyscallArgs& args_) {
    return static_cast<i64>(space().brk(args_[0]));
}

i64 sys_shmat(GuestThread&, const SyscallArgs& args_) {
    return space().attach_shared(static_cast<int>(args_[0]), args_[1], static_cast<int>(args_[2]));
}

i64 sys_shmdt(GuestThread&, const SyscallArgs& args_) { return space().detach_shared(args_[0]); }

// Replaces pages inside one mapping, whose protection stays.
i64 sys_remap_file_pages(GuestThread&, const SyscallArgs& args_) {
    const auto [address, bytes, protection, page_offset, flags, unused] = args_;
    if (!space().owns(page_down(address), bytes)) {
        return -EINVAL;
    }
    const i64 result =
        host_syscall(SYS_remap_file_pages, address, bytes, protection, page_offset, flags);
    if (result == 0 && process().engine != nullptr) {
        process().engine->invalidate(page_down(address), page_up(bytes));
    }
    return result;
}

} // namespace ulna::user
