// Branch target identification: BTypeCompatible of DDI 0487.
#include "frontend/frontend.h"
#include "ir/support/bits.h"

namespace ulna::frontend {

namespace {
// Sets of BTYPE values: bit n is BTYPE n. 1: BR through X16, X17 or from a page that is not
// guarded; 2: BLR; 3: any other BR.
constexpr unsigned kJump = 1 << 1 | 1 << 3, kCall = 1 << 1 | 1 << 2;

unsigned accepted(u32 word) {
    if ((word & 0xffff'ff3f) == 0xd503'241f) { // BTI {c|j|jc}
        return (bit(word, 6) ? kCall : 0) | (bit(word, 7) ? kJump : 0);
    }
    // PACIASP PACIBSP, with SCTLR_EL1.BT0 = 1. Without FEAT_PAuth, which all parts with FEAT_BTI
    // have, too: programs have them in place of BTI.
    if ((word & 0xffff'ffbf) == 0xd503'233f) {
        return kCall;
    }
    const bool brk_or_hlt =
        (word & 0xffe0'001f) == 0xd420'0000 || (word & 0xffe0'001f) == 0xd440'0000;
    return brk_or_hlt ? kJump | kCall : 0;
}
} // namespace

bool accepts_btype(u32 word, unsigned btype) { return btype == 0 || bit(accepted(word), btype); }

} // namespace ulna::frontend
