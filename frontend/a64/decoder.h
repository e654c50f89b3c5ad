// Instruction word -> row of insn.def.
#pragma once

#include <span>

#include "frontend/a64/features.h"
#include "frontend/a64/pattern.h"

namespace ulna::frontend {

struct Encoding {
    u32 mask, bits;
    u32 nonzero; // mask of a field that must not be zero; 0: none
    u16 index;   // into encodings()
    Feature feature;
    Handler handler;

    [[nodiscard]] constexpr bool matches(u32 word) const {
        return (word & mask) == bits && (nonzero == 0 || (word & nonzero) != 0);
    }
};

// The row with the most fixed bits that matches and whose feature is present, or null: unallocated.
[[nodiscard]] const Encoding* decode(u32 word, FeatureSet features);

// All rows, most fixed bits first.
[[nodiscard]] std::span<const Encoding> decode_order();

} // namespace ulna::frontend
