// A choice that compiles to arithmetic. Translation runs each of its loops over instructions of
// which no two in a row are alike, so what depends on them is mispredicted, at some twenty cycles a
// time; and compilers make jumps of `?:` where they see fit.
#pragma once

#include "ir/support/types.h"

namespace ulna {

template <class T> [[nodiscard]] constexpr T pick(bool condition, T yes, T no) {
    const u64 mask = u64{0} - u64{condition};
    return static_cast<T>(static_cast<u64>(no) ^
                          ((static_cast<u64>(yes) ^ static_cast<u64>(no)) & mask));
}

} // namespace ulna
