// The directory of the persistent cache: whose it is, and how much may be in it.
#pragma once

#include <optional>
#include <string>

#include "ir/support/types.h"

namespace ulna::runtime {

// `asked`, or when that is empty $XDG_CACHE_HOME/ulna/code or $HOME/.cache/ulna/code; empty when
// neither is an absolute path, or there is no $HOME.
[[nodiscard]] std::string cache_directory(const std::string& asked);

// Makes the directory (mode 0700) when it is missing. A number that is the same as long as the
// directory exists, or nothing and the reason: not a directory, not ours, or open to others.
[[nodiscard]] std::optional<u64> prepare_cache_directory(const std::string& directory,
                                                         std::string& why_not);

// Removes the files that were not used for longest when there is more than the cap.
void trim_cache_directory(const std::string& directory);

// `ulna --cache stats|clear|verify`: the exit status, and what to print.
[[nodiscard]] int
run_cache_command(const std::string& directory, const std::string& command, std::string& text);

} // namespace ulna::runtime
