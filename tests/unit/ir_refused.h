// Lines of IR text that parse and are against the rules.
#pragma once

#include <string>

#include "ir/parser.h"
#include "ir/verifier.h"

namespace ulna::test {

// Whether the verifier refuses the line, which parses, in a block where %0 is an address.
[[nodiscard]] inline bool is_refused(const std::string& line) {
    ir::Block block;
    const bool parses =
        ir::parse("block 0x1000\n  %0 = get.i64 x1\n  " + line + "\n  exit direct 0x1004\n", block)
            .empty();
    return parses && !ir::verify(block).empty();
}

} // namespace ulna::test
