// How memory is shown: "/4xw" is four words in hexadecimal, "/i" an instruction.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ir/support/types.h"

namespace ulna::system {

struct MemoryFormat {
    u64 count = 1;
    char format = 'x';       // x d u o c i
    unsigned unit_bytes = 4; // b h w g: 1 2 4 8
    [[nodiscard]] u64 bytes() const { return count * unit_bytes; }
};
// Without a value: nothing of the kind.
[[nodiscard]] std::optional<MemoryFormat> parse_memory_format(std::string_view text);
// Lines for what is at `at`; as many units as there are bytes for.
[[nodiscard]] std::string
print_memory(const MemoryFormat& format, u64 at, std::span<const u8> bytes);

} // namespace ulna::system
