// Files of /proc whose host contents would tell Ulna's story instead of the guest's.
#pragma once

#include <optional>
#include <string>

#include "ir/support/types.h"

namespace ulna::user {

// Text of the guest's view, or nothing when the host's file is right. `path` is absolute.
[[nodiscard]] std::optional<std::string> proc_view(const std::string& path);
// A descriptor that reads the text; -errno.
[[nodiscard]] i64 open_text(const std::string& text, u64 host_flags);

} // namespace ulna::user
