// Text form -> block, for tests and tools.
#pragma once

#include <string>
#include <string_view>

#include "ir/block.h"

namespace ulna::ir {
// Returns an empty string, or one line that says what is wrong and where ("line 3: unknown
// operation").
[[nodiscard]] std::string parse(std::string_view text, Block& out);
} // namespace ulna::ir
