#include "ir/pauth.h"

#include <array>
#include <bit>

namespace ulna::ir {

namespace {

// The state is 16 cells of four bits, cell 0 on top.
using Cells = std::array<u8, 16>;

constexpr Cells kShuffle = {0, 11, 6, 13, 10, 1, 12, 7, 5, 14, 3, 8, 15, 4, 9, 2};      // tau
constexpr Cells kTweakShuffle = {6, 5, 14, 15, 0, 1, 2, 3, 7, 12, 13, 4, 8, 9, 10, 11}; // h
constexpr u64 kTweakCells = 0xff0f'f000'f00f'0f00; // those that step their LFSR: 0 1 3 4 8 11 13
constexpr Cells kSigma1 = {10, 13, 14, 6, 15, 7, 3, 5, 9, 8, 0, 12, 11, 1, 2, 4};
constexpr Cells kSigma2 = {11, 6, 8, 15, 12, 0, 9, 14, 3, 7, 4, 5, 13, 2, 1, 10};

constexpr Cells inverse(const Cells& table) {
    Cells result{};
    for (unsigned i = 0; i < 16; ++i) {
        result[table[i]] = static_cast<u8>(i);
    }
    return result;
}
constexpr Cells kShuffleBack = inverse(kShuffle), kTweakShuffleBack = inverse(kTweakShuffle),
                kSigma2Back = inverse(kSigma2);
static_assert(inverse(kSigma1) == kSigma1);

constexpr u64 kRoundConstants[] = {0x0000'0000'0000'0000, 0x1319'8a2e'0370'7344,
                                   0xa409'3822'299f'31d0, 0x082e'fa98'ec4e'6c89,
                                   0x4528'21e6'38d0'1377};
constexpr u64 kAlpha = 0xc0ac'29b7'c97c'50dd;

// Cell i of the result is cell order[i] of the argument.
u64 permute(u64 cells, const Cells& order) {
    u64 result = 0;
    for (const u8 from : order) {
        result = result << 4 | (cells >> (60 - 4 * from) & 0xf);
    }
    return result;
}
u64 substitute(u64 cells, const Cells& table) {
    u64 result = 0;
    for (unsigned at = 0; at < 64; at += 4) {
        result |= u64{table[cells >> at & 0xf]} << at;
    }
    return result;
}

constexpr u64 kLowBits = 0x1111'1111'1111'1111;
u64 rotate_cells(u64 cells, unsigned n) {
    const u64 wrapped = kLowBits * ((1u << n) - 1); // bits that came round to the bottom
    return (cells << n & ~wrapped) | (cells >> (4 - n) & wrapped);
}
// The matrix circ(0, rho, rho^2, rho) over the rows of the state, which are 16 bits each.
u64 mix(u64 cells) {
    return rotate_cells(std::rotl(cells, 16), 1) ^ rotate_cells(std::rotl(cells, 32), 2) ^
           rotate_cells(std::rotl(cells, 48), 1);
}

u64 next_tweak(u64 tweak) {
    const u64 moved = permute(tweak, kTweakShuffle);
    // (b3, b2, b1, b0) -> (b0 ^ b1, b3, b2, b1)
    const u64 stepped = (moved >> 1 & 7 * kLowBits) | ((moved ^ moved >> 1) & kLowBits) << 3;
    return (stepped & kTweakCells) | (moved & ~kTweakCells);
}
u64 previous_tweak(u64 tweak) {
    // (b3, b2, b1, b0) -> (b2, b1, b0, b0 ^ b3)
    const u64 stepped = (tweak & 7 * kLowBits) << 1 | ((tweak ^ tweak >> 3) & kLowBits);
    return permute((stepped & kTweakCells) | (tweak & ~kTweakCells), kTweakShuffleBack);
}

} // namespace

u64 qarma64(QarmaVariant variant, u64 data, u64 tweak, u64 whitening, u64 core) {
    const Cells& sub = variant.sigma1 ? kSigma1 : kSigma2;
    const Cells& sub_back = variant.sigma1 ? kSigma1 : kSigma2Back;
    const u64 whitening_back = std::rotr(whitening, 1) ^ whitening >> 63;

    u64 state = data ^ whitening;
    for (unsigned i = 0; i < variant.rounds; ++i) {
        state ^= core ^ tweak ^ kRoundConstants[i];
        if (i > 0) {
            state = mix(permute(state, kShuffle));
        }
        state = substitute(state, sub);
        tweak = next_tweak(tweak);
    }

    state = substitute(mix(permute(state ^ whitening_back ^ tweak, kShuffle)), sub);
    state = mix(permute(state, kShuffle)) ^ core; // the reflector
    state = mix(substitute(permute(state, kShuffleBack), sub_back));
    state = permute(state, kShuffleBack) ^ whitening ^ tweak;

    for (unsigned i = variant.rounds; i-- > 0;) {
        state = substitute(state, sub_back);
        if (i > 0) {
            state = permute(mix(state), kShuffleBack);
        }
        tweak = previous_tweak(tweak);
        state ^= core ^ tweak ^ kRoundConstants[i] ^ kAlpha;
    }
    return state ^ whitening_back;
}

} // namespace ulna::ir
