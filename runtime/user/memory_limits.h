// RLIMIT_AS and RLIMIT_DATA. The host kernel would count what Ulna needs for itself, so it is not
// told: here they are the guest's, of its mappings and of its heap. They pass to forked children,
// not over execve.
#pragma once

#include <sys/resource.h>

#include "ir/support/types.h"

namespace ulna::user {

[[nodiscard]] bool is_memory_limit(u64 resource);
// Of those two only. -errno or 0, as prlimit64 (kernel/sys.c, do_prlimit).
[[nodiscard]] i64 get_memory_limit(u64 resource, rlimit& limit);
[[nodiscard]] i64 set_memory_limit(u64 resource, const rlimit& limit);

// Bytes; RLIM_INFINITY: none.
[[nodiscard]] u64 address_space_limit(); // of all mappings
[[nodiscard]] u64 heap_limit();          // from the heap's start to its end

} // namespace ulna::user
