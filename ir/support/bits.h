// Bit-field helpers named as the Arm manual names them.
#pragma once

#include "ir/support/types.h"

namespace ulna {

// <hi:lo> of value.
[[nodiscard]] constexpr u64 bits(u64 value, unsigned hi, unsigned lo) {
    const unsigned width = hi - lo + 1;
    return (value >> lo) & (width >= 64 ? ~u64{0} : (u64{1} << width) - 1);
}
[[nodiscard]] constexpr bool bit(u64 value, unsigned index) { return (value >> index) & 1; }

// `count` low ones; count may be 0..64.
[[nodiscard]] constexpr u64 ones(unsigned count) {
    return count >= 64 ? ~u64{0} : (u64{1} << count) - 1;
}
[[nodiscard]] constexpr i64 sign_extend(u64 value, unsigned from_bits) {
    const unsigned shift = 64 - from_bits;
    return static_cast<i64>(value << shift) >> shift;
}
template <class T> [[nodiscard]] constexpr bool is_aligned(T value, u64 alignment) {
    return (static_cast<u64>(value) & (alignment - 1)) == 0;
}
[[nodiscard]] constexpr u64 align_down(u64 value, u64 alignment) {
    return value & ~(alignment - 1);
}
[[nodiscard]] constexpr u64 align_up(u64 value, u64 alignment) {
    return (value + alignment - 1) & ~(alignment - 1);
}

} // namespace ulna
