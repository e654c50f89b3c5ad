// Registers with a role (generator.h), and words that programs are put together with.
#pragma once

#include "tests/fuzz/generator.h"

namespace ulna::fuzz {

enum : unsigned {
    kFpsrValue = 19,
    kCounter0 = 21,
    kSavedLink = 22,
    kTarget = 23,
    kCounter1 = 24,
    kEdge = 25,
    kIndex = 26,
    kBase0 = 27,
    kBase1 = 28,
    kLink = 30,
    kSp = 31,
};
inline constexpr u32 kRoles = 1u << kFpsrValue | 1u << kFpcrValue | 1u << kCounter0 |
                              1u << kSavedLink | 1u << kTarget | 1u << kCounter1 | 1u << kEdge |
                              1u << kIndex | 1u << kBase0 | 1u << kBase1 | 1u << kLink | 1u << kSp;

// Words that programs are put together with (DDI 0487 C6.2).
inline constexpr u32 kClrex = 0xd503305f;
constexpr u32 branch_word() { return 0x14000000; }
constexpr u32 sub_one(unsigned r, bool flags) {
    return (flags ? 0xf1000000 : 0xd1000000) | 1u << 10 | r << 5 | r;
}
constexpr u32 b_pl() { return 0x54000005; }
constexpr u32 tbz_sign(unsigned r, bool set) { return (set ? 0xb7f80000 : 0xb6f80000) | r; }
constexpr u32 cbz(unsigned r) { return 0xb4000000 | r; }
constexpr u32 adr(unsigned r) { return 0x10000000 | r; }
constexpr u32 adrp(unsigned r) { return 0x90000000 | r; }
constexpr u32 add_immediate(unsigned d, unsigned n) { return 0x91000000 | n << 5 | d; }
constexpr u32 add_immediate(unsigned d, unsigned n, u32 imm12) {
    return add_immediate(d, n) | imm12 << 10;
}
constexpr u32 movz(unsigned d, u32 imm16) { return 0xd2800000 | imm16 << 5 | d; }
constexpr u32 move(unsigned d, unsigned m) { return 0xaa0003e0 | m << 16 | d; }
constexpr u32 ret(unsigned n) { return 0xd65f0000 | n << 5; }

// FEAT_PAuth: signs Xd with the instruction key A or B, or data key A or B (2, 3), and modifier
// zero or Xn|SP.
constexpr u32 sign_zero(unsigned key, unsigned d) { return 0xdac123e0 | key << 10 | d; }
constexpr u32 sign(unsigned key, unsigned d, unsigned n) {
    return 0xdac10000 | key << 10 | n << 5 | d;
}

constexpr u32 ror(unsigned d, u32 n) { return 0x93c00000 | d << 16 | n << 10 | d << 5 | d; }
constexpr u32 bfi_bit(unsigned d, u32 to) { // bit 0 to bit `to`
    return 0xb3400000 | (64 - to) << 16 | d << 5 | d;
}

inline constexpr Field kImm26{"imm26", 0, 26, false}, kImm19{"imm19", 5, 19, false},
    kImm14{"imm14", 5, 14, false};
// Not a distance but the label's offset in its page: the ADD after an ADRP.
inline constexpr Field kPageOffset{"lo12", 10, 12, false};

} // namespace ulna::fuzz
