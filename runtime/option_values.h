// Values of options as users write them.
#pragma once

#include <optional>
#include <string_view>

#include "ir/support/types.h"

namespace ulna::runtime {

// Decimal, or hexadecimal with 0x.
[[nodiscard]] std::optional<u64> parse_number(std::string_view text);
// "64", "64K", "2G": bytes, in units of `unit` without a suffix.
[[nodiscard]] std::optional<u64> parse_bytes(std::string_view text, u64 unit = 1);
[[nodiscard]] std::optional<bool> parse_switch(std::string_view text); // on, off, yes, no...

} // namespace ulna::runtime
