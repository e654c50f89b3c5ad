// The engine's own thread is none of the guest's: what the host's /proc tells of this process, told
// without it. Some programs go on only when they are alone (Chromium's zygote).
#pragma once

#include <sys/stat.h>

#include "ir/support/types.h"

namespace ulna::user {

// Cheap; a child that borrows the memory of the thread's process has it, too.
[[nodiscard]] bool may_have_own_thread();
// 0 or 1: how many threads of /proc/self/status are not the guest's.
[[nodiscard]] unsigned count_own_threads();
// What the guest called a file: a name in its memory, and the directory that it is relative to.
// Both are 0 for a descriptor.
struct GuestName {
    u64 directory = 0;
    GuestAddr name = 0;
};
// The links of /proc/self/task, one for each thread; other files are left as they are.
void hide_own_thread(struct stat& file, const GuestName& named);
void hide_own_thread(struct statx& file, const GuestName& named);
// What getdents64 read from the descriptor, in host memory: the bytes that are left.
[[nodiscard]] u64 hide_own_thread(int directory, u8* entries, u64 bytes);

} // namespace ulna::user
