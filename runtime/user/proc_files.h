// Files of /proc whose host contents would tell Ulna's story instead of the guest's.
#pragma once

#include <string>

namespace ulna::user {

using ViewText = std::string (*)(); // what a file shows now

// The guest's view, or null when the host's file is right. `path` is absolute.
[[nodiscard]] ViewText proc_view(const std::string& path);
// What /proc/self/maps shows.
[[nodiscard]] std::string guest_mappings();

} // namespace ulna::user
