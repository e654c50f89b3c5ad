#include "tests/fuzz/edge_values.h"

#include <cstring>

#include "tests/insn/machine.h"

namespace ulna::fuzz {

u64 edge_integer(Random& random) {
    static constexpr u64 kEdges[] = {0,
                                     1,
                                     2,
                                     0x7f,
                                     0x80,
                                     0xff,
                                     0x7fff,
                                     0x8000,
                                     0xffff,
                                     0x7fffffff,
                                     0x80000000,
                                     0xffffffff,
                                     0x100000000,
                                     0x7fffffffffffffff,
                                     0x8000000000000000,
                                     0xffffffffffffffff,
                                     0xfffffffffffffffe,
                                     0x5555555555555555,
                                     0xaaaaaaaaaaaaaaaa};
    switch (random.below(4)) {
    case 0:
        return pick(random, kEdges);
    case 1:
        return random.next() >> random.below(64);
    default:
        return random.next();
    }
}

u64 edge_lanes(Random& random) {
    static constexpr std::uint16_t kHalves[] = {
        0,      0x8000, 1,      0x8001, 0x0200, 0x03ff, 0x0400, 0x8400, 0x0401, 0x0800, 0x13ff,
        0x1400, 0x2c00, 0x3800, 0x3bff, 0x3c00, 0xbc00, 0x3c01, 0x3e00, 0x4000, 0x5bff, 0x5c00,
        0x6400, 0x7800, 0x77ff, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7c01, 0xfd55, 0x7e00, 0xfe01};
    static constexpr u32 kSingles[] = {0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000,
                                       0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001, 0xffa00000,
                                       1,          0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff,
                                       0x4f000000, 0xcf000000, 0x4f800000, 0x3f000000, 0x3fc00000,
                                       0x5f000000, 0x33800000};
    static constexpr u64 kDoubles[] = {0,
                                       1ull << 63,
                                       0x3ff0000000000000,
                                       0xbff0000000000000,
                                       0x7ff0000000000000,
                                       0xfff0000000000000,
                                       0x7ff8000000000000,
                                       0xfff8000000000001,
                                       0x7ff0000000000001,
                                       0xfff4000000000000,
                                       1,
                                       0x8000000000000001,
                                       0x000fffffffffffff,
                                       0x0010000000000000,
                                       0x7fefffffffffffff,
                                       0x41e0000000000000,
                                       0xc1e0000000000000,
                                       0x43e0000000000000,
                                       0xc3e0000000000000,
                                       0x43f0000000000000,
                                       0x3fe0000000000000,
                                       0x3ff8000000000000,
                                       0x36a0000000000000};
    const auto four = [&](auto half) {
        return u64{half()} | u64{half()} << 16 | u64{half()} << 32 | u64{half()} << 48;
    };
    switch (random.below(10)) {
    case 0:
        return pick(random, kSingles) | u64{pick(random, kSingles)} << 32;
    case 1:
        return pick(random, kDoubles);
    case 2: { // ordinary magnitudes, where operations are exact or round
        const u64 exponent = 1023 - 30 + random.below(60);
        return (random.next() & 0x800fffffffffffff) | exponent << 52;
    }
    case 3: {
        const auto single = [&] {
            return (static_cast<u32>(random.next() >> 20) & 0x807fffff) |
                   (127 - 20 + random.below(40)) << 23;
        };
        return single() | u64{single()} << 32;
    }
    case 4:
        return four([&] { return pick(random, kHalves); });
    case 5:
        return four([&] {
            return static_cast<std::uint16_t>((random.next() >> 20 & 0x83ff) |
                                              (15 - 8 + random.below(16)) << 10);
        });
    case 6: // bfloat16, of magnitudes whose sums round
        return four([&] {
            return static_cast<std::uint16_t>((random.next() >> 20 & 0x807f) |
                                              (127 - 14 + random.below(28)) << 7);
        });
    default:
        return edge_integer(random);
    }
}

const std::vector<std::uint8_t>& rich_memory() {
    static const auto content = [] {
        Random random{20};
        std::vector<std::uint8_t> bytes(kWindowBytes);
        for (unsigned i = 0; i < kWindowBytes; i += 8) {
            const u64 value = random.one_in(3) ? edge_integer(random) : edge_lanes(random);
            std::memcpy(bytes.data() + i, &value, 8);
        }
        return bytes;
    }();
    return content;
}

} // namespace ulna::fuzz
