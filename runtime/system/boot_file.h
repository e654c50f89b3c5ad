// Files of the host that become a machine's memory, and what is packed in them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/support/types.h"

namespace ulna::system {

// The whole of a regular file or a pipe. Nothing, with a reason that names the file, when it cannot
// be read or is larger than `most_bytes`.
[[nodiscard]] std::optional<std::vector<u8>>
read_file(const std::string& path, u64 most_bytes, std::string& why_not);

[[nodiscard]] bool is_gzip(std::span<const u8> bytes);
// Nothing, with a reason, for damaged data and for more than `most_bytes` of it.
[[nodiscard]] std::optional<std::vector<u8>>
unpack_gzip(std::span<const u8> packed, u64 most_bytes, std::string& why_not);
[[nodiscard]] std::optional<std::vector<u8>>
unpack_zstd(std::span<const u8> packed, u64 most_bytes, std::string& why_not);

} // namespace ulna::system
