// io_uring: requests lie in memory that the guest shares with the host kernel, and some hold what
// differs between the two: open flags, epoll_event, names. They are converted for the time of the
// call that submits them, and put back when the kernel has read them.
#pragma once

#include "ir/support/types.h"

namespace ulna::user {

// After a successful shared mmap of `fd`: where the guest sees the memory of its rings.
void note_ring_mapping(int fd, u64 offset, GuestAddr at);

// Around a guest fork that copies memory.
void lock_rings();
void unlock_rings();

} // namespace ulna::user
