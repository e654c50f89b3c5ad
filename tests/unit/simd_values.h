// Register contents worth trying on vector integer instructions.
#pragma once

#include <random>

#include "ir/guest_state.h"

namespace ulna::test {

using Random = std::mt19937_64;

// Half a register: an edge value in every lane of some size, small bytes (table indices, shift
// amounts), a few bits, or anything.
[[nodiscard]] inline u64 random_half(Random& random) {
    constexpr u64 kEdges[] = {
        0,      1,          0x7f,       0x80,       0xff,         0x7fff,  0x8000,
        0xffff, 0x7fffffff, 0x80000000, 0xffffffff, u64{1} << 63, ~u64{0}, ~u64{0} >> 1};
    const u64 edge = kEdges[random() % std::size(kEdges)];
    switch (random() % 8) {
    case 0:
        return edge;
    case 1:
        return (edge & 0xff) * 0x0101010101010101u;
    case 2:
        return (edge & 0xffff) * 0x0001000100010001u;
    case 3:
        return (edge & 0xffffffff) * 0x0000000100000001u;
    case 4:
        return random() & 0x3f3f3f3f3f3f3f3fu;
    case 5:
        return random() & random() & random();
    default:
        return random();
    }
}
[[nodiscard]] inline V128 random_vector(Random& random) {
    const u64 low = random_half(random);
    return {low, random_half(random)};
}

} // namespace ulna::test
