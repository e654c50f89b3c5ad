// Spellings shared by the printer and the parser. Each array is indexed by its enumeration.
#pragma once

#include <array>
#include <string_view>

#include "ir/types.h"

namespace ulna::ir::text {

inline constexpr std::array<std::string_view, 4> kOrders = {"", "acquire", "release", "acqrel"};
inline constexpr std::array<std::string_view, 9> kAtomicOps = {
    "add", "clr", "eor", "set", "smax", "smin", "umax", "umin", "swp"};
inline constexpr std::array<std::string_view, 3> kFences = {"load", "store", "full"};
inline constexpr std::array<std::string_view, 4> kAccesses = {"", "reads", "writes",
                                                              "reads_and_writes"};
inline constexpr std::array<std::string_view, 2> kTagSpans = {"granule", "block"};
inline constexpr std::string_view kLaneLetters = "bhsdq";

// Row index of a spelling, or the array's size.
template <std::size_t N>
[[nodiscard]] constexpr std::size_t find(const std::array<std::string_view, N>& names,
                                         std::string_view name) {
    std::size_t i = 0;
    while (i < N && names[i] != name) {
        ++i;
    }
    return i;
}

} // namespace ulna::ir::text
