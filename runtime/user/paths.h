// Names of files as the guest means them: the sysroot (-L) and /proc/PID/exe.
#pragma once

#include <string>
#include <string_view>

#include "ir/support/types.h"

namespace ulna::user {

enum class FollowLinks : u8 {
    No,
    Yes
}; // does the call follow a symbolic link in the last component?

// The host path for an absolute guest path: inside the sysroot when the file exists there, resolved
// with the sysroot as the root of absolute links, or when only its directory does, and not on the
// host. Everything else is returned as it is. Never fails.
[[nodiscard]] std::string host_path(const std::string& guest_path, FollowLinks follow);

// What /proc/PID/exe leads to for the guest: the program that this process, or another one under
// Ulna, runs. Empty for every other name.
[[nodiscard]] std::string guest_exe(std::string_view path);
// The same, as the host can open it: a memfd, or what has been unmounted, has no path.
[[nodiscard]] std::string guest_exe_to_open(std::string_view path);

// True when host_path is the identity for every name but /proc/PID/exe: callers may skip copying
// names.
[[nodiscard]] bool sysroot_is_empty();

} // namespace ulna::user
