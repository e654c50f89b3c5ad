// Descriptors that read the guest's view of a file of /proc: memory files with its text.
#pragma once

#include "ir/support/types.h"
#include "runtime/user/proc_files.h"

namespace ulna::user {

// A descriptor that reads the text; -errno.
[[nodiscard]] i64 open_view(ViewText view, u64 host_flags);
[[nodiscard]] i64 open_text(const std::string& text, u64 host_flags); // always the same one
// Before the guest reads a file from its start: if it is a view, its text is made anew, as by the
// kernel. Does nothing to other files. Views of another process (inherited by fork, execve) stay.
void refresh_view(int fd);

// Around a guest fork that copies memory; before locks of what views show.
void lock_views();
void unlock_views(bool in_child);

} // namespace ulna::user
