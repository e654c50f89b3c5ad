// QARMA64, the block cipher that pointer authentication computes its codes with (DDI 0487,
// ComputePAC; R. Avanzi, "The QARMA Block Cipher Family").
#pragma once

#include "ir/support/types.h"

namespace ulna::ir {

// In the slot of SCTLR_EL1, where the register has a RES0 bit: what would use a key is trapped, as
// HCR_EL2.API or SCR_EL3.API says. Looked at in blocks of machines that are pac_restricted.
inline constexpr unsigned kPacTrappedBit = 17;

// Bits of a pointer that hold its code: those that an address has no use for, below bit 55, which
// says what they are without a code; of a pointer to the upper half the tag's as well. As with
// TCR_ELx.TBI0 and not TBI1, and with one length of addresses (BlockMode::address_bits) for both
// halves.
[[nodiscard]] constexpr u64 pac_field(unsigned address_bits) {
    return (u64{1} << 55) - (u64{1} << address_bits);
}
[[nodiscard]] constexpr u64 upper_pac_field(unsigned address_bits) {
    return u64{0xff} << 56 | pac_field(address_bits);
}

enum class PacAlgorithm : u8 { Qarma5, Qarma3 };

struct QarmaVariant {
    unsigned rounds; // forward, and as many backward
    bool sigma1;     // substitution: sigma1 (its own inverse), else sigma2
};
inline constexpr QarmaVariant kQarma5{5, false}, kQarma3{3, true};

// `whitening` is the key's upper half (key0 of the pseudocode, w0 of the paper), `core` the lower.
[[nodiscard]] u64 qarma64(QarmaVariant variant, u64 data, u64 tweak, u64 whitening, u64 core);

} // namespace ulna::ir
