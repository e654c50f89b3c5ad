// Immediate fields with their width in the type, and the expansions that the Arm manual names.
#pragma once

#include <optional>

#include "ir/support/bits.h"
#include "ir/support/check.h"

namespace ulna::frontend {

// An N-bit field of an instruction word.
template <unsigned N> struct Imm {
    static_assert(N >= 1 && N <= 32);
    static constexpr unsigned width = N;
    u32 v = 0;

    [[nodiscard]] constexpr u64 zext() const { return v; }
    [[nodiscard]] constexpr i64 sext() const { return sign_extend(v, N); }
    [[nodiscard]] constexpr bool bit(unsigned index) const { return (v >> index) & 1; }
    // <Hi:Lo>, as in the manual.
    template <unsigned Hi, unsigned Lo> [[nodiscard]] constexpr Imm<Hi - Lo + 1> slice() const {
        static_assert(Lo <= Hi && Hi < N);
        return {static_cast<u32>(ulna::bits(v, Hi, Lo))};
    }
    friend constexpr bool operator==(Imm, Imm) = default;
    friend constexpr bool operator==(Imm imm, u32 value) { return imm.v == value; }
};

namespace detail {
template <class T> struct WidthOf { static constexpr unsigned value = T::width; };
template <> struct WidthOf<bool> { static constexpr unsigned value = 1; };
constexpr u32 raw_bits(bool b) { return b; }
template <unsigned N> constexpr u32 raw_bits(Imm<N> imm) { return imm.v; }
} // namespace detail

// a:b:c, as in the manual; bools are single bits.
template <class... T> [[nodiscard]] constexpr auto concat(T... parts) {
    u64 result = 0;
    ((result = result << detail::WidthOf<T>::value | detail::raw_bits(parts)), ...);
    return Imm<(detail::WidthOf<T>::value + ...)>{static_cast<u32>(result)};
}

// Index of the highest set bit, -1 for zero (DDI 0487 shared/functions/common/HighestSetBit).
[[nodiscard]] constexpr int highest_set_bit(u32 value) { return 31 - std::countl_zero(value); }

// `element` of `bits` bits, repeated over 64 bits.
[[nodiscard]] constexpr u64 replicate(u64 element, unsigned bits) {
    for (; bits < 64; bits *= 2) {
        element |= element << bits;
    }
    return element;
}

// DecodeBitMasks: the logical-immediate and bitfield masks. Empty when reserved.
struct BitMasks {
    u64 wmask, tmask;
};
[[nodiscard]] std::optional<BitMasks>
decode_bit_masks(bool immN, Imm<6> imms, Imm<6> immr, bool immediate, unsigned datasize);

// VFPExpandImm for N = 16, 32 or 64: the bits of the constant.
[[nodiscard]] constexpr u64 vfp_expand_imm(unsigned N, Imm<8> imm8) {
    const unsigned E = N == 16 ? 5 : N == 32 ? 8 : 11;
    const unsigned F = N - E - 1;
    const u64 sign = imm8.bit(7);
    const u64 exp = (u64{!imm8.bit(6)} << (E - 1)) | ((imm8.bit(6) ? ones(E - 3) : 0) << 2) |
                    ulna::bits(imm8.v, 5, 4);
    const u64 frac = u64{imm8.v & 0xf} << (F - 4);
    return sign << (N - 1) | exp << F | frac;
}

// AdvSIMDExpandImm: the 64-bit pattern of the modified immediate.
[[nodiscard]] u64 adv_simd_expand_imm(bool op, Imm<4> cmode, Imm<8> imm8);

} // namespace ulna::frontend
