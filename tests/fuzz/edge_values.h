// What registers and memory of random programs hold: integers and lanes at the edges of what
// instructions treat alike, among ordinary ones.
#pragma once

#include <vector>

#include "ir/support/types.h"
#include "tests/fuzz/random.h"

namespace ulna::fuzz {

template <class T, std::size_t N> T pick(Random& random, const T (&values)[N]) {
    return values[random.below(N)];
}

[[nodiscard]] u64 edge_integer(Random& random);
// Eight bytes of lanes, mostly interesting as half, single or double precision.
[[nodiscard]] u64 edge_lanes(Random& random);

// The window's content, equal in all windows, the same in every campaign.
[[nodiscard]] const std::vector<std::uint8_t>& rich_memory();

} // namespace ulna::fuzz
