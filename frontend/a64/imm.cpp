#include "frontend/a64/imm.h"

namespace ulna::frontend {

std::optional<BitMasks>
decode_bit_masks(bool immN, Imm<6> imms, Imm<6> immr, bool immediate, unsigned datasize) {
    const int len = highest_set_bit(u32{immN} << 6 | (~imms.v & 0x3f));
    if (len < 1) {
        return std::nullopt;
    }
    const unsigned esize = 1u << len;
    if (esize > datasize) {
        return std::nullopt;
    }
    const unsigned levels = esize - 1;
    // An element of all ones is reserved for logical immediates.
    if (immediate && (imms.v & levels) == levels) {
        return std::nullopt;
    }
    const unsigned S = imms.v & levels;
    const unsigned R = immr.v & levels;
    const unsigned d = (S - R) & levels;
    const u64 welem = ones(S + 1);
    const u64 telem = ones(d + 1);
    const u64 rotated = R == 0 ? welem : (welem >> R | welem << (esize - R)) & ones(esize);
    const u64 mask = ones(datasize);
    return BitMasks{replicate(rotated, esize) & mask, replicate(telem, esize) & mask};
}

u64 adv_simd_expand_imm(bool op, Imm<4> cmode, Imm<8> imm8) {
    const u64 v = imm8.v;
    switch (cmode.v >> 1) {
    case 0:
    case 1:
    case 2:
    case 3:
        return replicate(v << (8 * (cmode.v >> 1)), 32);
    case 4:
    case 5:
        return replicate(v << (8 * (cmode.v >> 1 & 1)), 16);
    case 6: // shifting ones in
        return replicate(cmode.bit(0) ? v << 16 | 0xffff : v << 8 | 0xff, 32);
    default:
        break;
    }
    if (!cmode.bit(0)) {
        if (!op) {
            return replicate(v, 8);
        }
        u64 result = 0; // each bit becomes a byte
        for (unsigned i = 0; i < 8; ++i) {
            result |= imm8.bit(i) ? u64{0xff} << (8 * i) : 0;
        }
        return result;
    }
    return op ? vfp_expand_imm(64, imm8) : replicate(vfp_expand_imm(32, imm8), 32);
}

} // namespace ulna::frontend
