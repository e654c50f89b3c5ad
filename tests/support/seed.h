// Random tests do the same each time, unless ULNA_TEST_SEED asks for something else.
#pragma once

#include <cstdlib>

#include "ir/support/types.h"

namespace ulna::test {

[[nodiscard]] inline u64 seed(u64 usual) {
    constexpr u64 kApart = 1'000'003; // seeds of one run do not meet those of the next
    const char* const wanted = std::getenv("ULNA_TEST_SEED");
    return wanted == nullptr ? usual : usual + kApart * std::strtoull(wanted, nullptr, 0);
}

} // namespace ulna::test
