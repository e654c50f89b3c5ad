// QARMA64, the block cipher that pointer authentication computes its codes with (DDI 0487,
// ComputePAC; R. Avanzi, "The QARMA Block Cipher Family").
#pragma once

#include "ir/support/types.h"

namespace ulna::ir {

// In the slot of SCTLR_EL1, where the register has a RES0 bit: what would use a key is trapped, as
// HCR_EL2.API or SCR_EL3.API says. Looked at in blocks of machines that are pac_restricted.
inline constexpr unsigned kPacTrappedBit = 17;

enum class PacAlgorithm : u8 { Qarma5, Qarma3 };

struct QarmaVariant {
    unsigned rounds; // forward, and as many backward
    bool sigma1;     // substitution: sigma1 (its own inverse), else sigma2
};
inline constexpr QarmaVariant kQarma5{5, false}, kQarma3{3, true};

// `whitening` is the key's upper half (key0 of the pseudocode, w0 of the paper), `core` the lower.
[[nodiscard]] u64 qarma64(QarmaVariant variant, u64 data, u64 tweak, u64 whitening, u64 core);

} // namespace ulna::ir
