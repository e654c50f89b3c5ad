// What the host's /proc says of other processes, for ptrace(2).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "ir/support/types.h"

namespace ulna::user {

// 0: a thread that runs a guest, and that we may look into. -ESRCH, or -EPERM for all others.
[[nodiscard]] i64 find_ulna_thread(pid_t thread);
// A small file of /proc/ID; empty: it cannot be read.
[[nodiscard]] std::string proc_text(pid_t id, std::string_view file);
// False: nobody of Ulna's traces a thread of its process.
[[nodiscard]] bool may_be_traced(pid_t thread);
[[nodiscard]] std::optional<pid_t> process_of(pid_t thread);
[[nodiscard]] bool is_zombie(pid_t process);
[[nodiscard]] bool is_host_stopped(pid_t thread);
// Of a zombie: what wait4 would tell; 0 when that is not known.
[[nodiscard]] u32 exit_status_of(pid_t process);

} // namespace ulna::user
