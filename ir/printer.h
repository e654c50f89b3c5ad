// The text form of IR (README.md has the grammar). parse(print(b)) gives b again.
#pragma once

#include <string>

#include "ir/block.h"

namespace ulna::ir {
[[nodiscard]] std::string print(const Block& block);
} // namespace ulna::ir
