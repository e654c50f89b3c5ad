// Names of files as the guest means them: the sysroot (-L) and /proc/self/exe.
#pragma once

#include <string>

#include "ir/support/types.h"

namespace ulna::user {

enum class FollowLinks : u8 {
    No,
    Yes
}; // does the call follow a symbolic link in the last component?

// The host path for an absolute guest path: inside the sysroot when the file exists there, resolved
// with the sysroot as the root of absolute links. Everything else is returned as it is. Never
// fails.
[[nodiscard]] std::string host_path(const std::string& guest_path, FollowLinks follow);

// True when host_path is the identity for every name but /proc/self/exe: callers may skip copying
// names.
[[nodiscard]] bool sysroot_is_empty();

} // namespace ulna::user
