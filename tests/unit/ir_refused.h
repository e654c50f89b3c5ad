// Lines of IR text that parse and are against the rules.
#pragma once

#include <string>

#include "ir/parser.h"
#include "ir/verifier.h"
//
#include "tests/support/catch.h" // last: its CHECK is not that of the headers above

namespace ulna::test {

// Whether the verifier refuses the line in a block where %0 is an address.
[[nodiscard]] inline bool is_refused(const std::string& line) {
    ir::Block block;
    REQUIRE(ir::parse("block 0x1000\n  %0 = get.i64 x1\n  " + line + "\n  exit direct 0x1004\n",
                      block) == "");
    return !ir::verify(block).empty();
}

} // namespace ulna::test
