// Types of IR values, and the small enumerations that parameterise operations.
#pragma once

#include "ir/support/types.h"

namespace ulna::ir {

enum class Type : u8 { Void, I1, I8, I16, I32, I64, F16, F32, F64, V128, Nzcv };

[[nodiscard]] constexpr unsigned bit_width(Type type) {
    constexpr u8 kWidths[] = {0, 1, 8, 16, 32, 64, 16, 32, 64, 128, 4};
    return kWidths[static_cast<unsigned>(type)];
}
[[nodiscard]] constexpr bool is_int(Type type) { return type >= Type::I1 && type <= Type::I64; }
[[nodiscard]] constexpr bool is_fp(Type type) { return type >= Type::F16 && type <= Type::F64; }
[[nodiscard]] constexpr bool in_vector_register(Type type) {
    return is_fp(type) || type == Type::V128;
}
[[nodiscard]] const char* type_name(Type type);

// Condition codes, numbered as A64 encodes them (DDI 0487 C1.2.4), so that cond ^ 1 negates
// (except AL/NV, which both mean always).
enum class Cond : u8 { EQ, NE, HS, LO, MI, PL, VS, VC, HI, LS, GE, LT, GT, LE, AL, NV };
[[nodiscard]] constexpr Cond negate(Cond cond) {
    return static_cast<Cond>(static_cast<u8>(cond) ^ 1);
}
[[nodiscard]] const char* cond_name(Cond cond);

// An nzcv value is four bits: N=8, Z=4, C=2, V=1.
[[nodiscard]] constexpr bool cond_holds(Cond cond, unsigned nzcv) {
    const bool n = nzcv & 8, z = nzcv & 4, c = nzcv & 2, v = nzcv & 1;
    bool result = true;
    switch (static_cast<u8>(cond) >> 1) {
    case 0:
        result = z;
        break;
    case 1:
        result = c;
        break;
    case 2:
        result = n;
        break;
    case 3:
        result = v;
        break;
    case 4:
        result = c && !z;
        break;
    case 5:
        result = n == v;
        break;
    case 6:
        result = n == v && !z;
        break;
    default:
        return true;
    }
    return (static_cast<u8>(cond) & 1) ? !result : result;
}
// Bit i says whether `cond` holds for nzcv == i: a bit test on this table evaluates any condition.
[[nodiscard]] constexpr u16 cond_truth_table(Cond cond) {
    u16 table = 0;
    for (unsigned nzcv = 0; nzcv < 16; ++nzcv) {
        table |= static_cast<u16>(cond_holds(cond, nzcv)) << nzcv;
    }
    return table;
}

// How a vector operation divides its register: lane size and lane count. Lanes past the count are
// zero in every result and take no part in FP exceptions. Scalar Advanced SIMD forms have one lane.
struct Shape {
    u8 lane_log2 = 0;  // log2 of bytes per lane: 0=B 1=H 2=S 3=D 4=Q
    u8 count_log2 = 0; // log2 of the number of lanes

    [[nodiscard]] constexpr unsigned lane_bytes() const { return 1u << lane_log2; }
    [[nodiscard]] constexpr unsigned lane_bits() const { return 8u << lane_log2; }
    [[nodiscard]] constexpr unsigned lanes() const { return 1u << count_log2; }
    [[nodiscard]] constexpr unsigned bytes() const { return 1u << (lane_log2 + count_log2); }
    [[nodiscard]] constexpr u16 pack() const {
        return static_cast<u16>(lane_log2 | count_log2 << 4);
    }
    [[nodiscard]] static constexpr Shape unpack(u16 aux) {
        return {static_cast<u8>(aux & 0xf), static_cast<u8>(aux >> 4 & 0xf)};
    }
    friend constexpr bool operator==(Shape, Shape) = default;
};
namespace shape {
inline constexpr Shape B1{0, 0}, B8{0, 3}, B16{0, 4}, H1{1, 0}, H4{1, 2}, H8{1, 3}, S1{2, 0},
    S2{2, 1}, S4{2, 2}, D1{3, 0}, D2{3, 1}, Q1{4, 0};
} // namespace shape

enum class MemOrder : u8 { Plain, Acquire, Release, AcquireRelease };

// What an access does, for CheckTag, Watch, HostAddress and Prefetch; exclusive loads and stores
// are Reads and Writes.
enum class Access : u8 { Unsaid, Reads, Writes, ReadsAndWrites };

// Parameters of a memory access (Inst::aux of loads, stores, exclusives and atomics).
// Address = base + (index << index_shift) + displacement.
struct MemInfo {
    u8 size_log2 = 0;   // log2 of access bytes, 0..4
    bool sign = false;  // loads narrower than the result type: sign- instead of zero-extend
    u8 index_shift = 0; // 0..4
    MemOrder order = MemOrder::Plain;
    bool aligned = false;   // the architecture faults when the address is not size-aligned
    bool within_16 = false; // with `aligned`, and for atomics and exclusives: only when the access
                            // also leaves its aligned 16 bytes (FEAT_LSE2)
    Access access = Access::Unsaid; // CheckTag, Watch, HostAddress and Prefetch only
    bool unprivileged = false;      // HostAddress: as EL0 (LDTR, STTR)
    bool pair = false;              // HostAddress: two accesses of half the size each
    bool tag_unchecked = false;     // HostAddress: whatever the allocation tag is

    [[nodiscard]] constexpr unsigned bytes() const { return 1u << size_log2; }
    // Of which the alignment counts: of a pair, each.
    [[nodiscard]] constexpr unsigned unit_bytes() const { return bytes() >> pair; }
    [[nodiscard]] constexpr u16 pack() const {
        return static_cast<u16>(size_log2 | sign << 3 | index_shift << 4 |
                                static_cast<unsigned>(order) << 7 | aligned << 9 | within_16 << 10 |
                                static_cast<unsigned>(access) << 11 | unprivileged << 13 |
                                pair << 14 | static_cast<unsigned>(tag_unchecked) << 15);
    }
    [[nodiscard]] static constexpr MemInfo unpack(u16 aux) {
        return {static_cast<u8>(aux & 7),
                (aux >> 3 & 1) != 0,
                static_cast<u8>(aux >> 4 & 7),
                static_cast<MemOrder>(aux >> 7 & 3),
                (aux >> 9 & 1) != 0,
                (aux >> 10 & 1) != 0,
                static_cast<Access>(aux >> 11 & 3),
                (aux >> 13 & 1) != 0,
                (aux >> 14 & 1) != 0,
                (aux >> 15 & 1) != 0};
    }
    // Whether an access that must be aligned is allowed at the address.
    [[nodiscard]] constexpr bool allows(u64 address) const {
        const u64 in_16 = address % 16;
        return in_16 % bytes() == 0 || (within_16 && in_16 + bytes() <= 16);
    }
};

enum class AtomicOp : u8 { Add, Clr, Eor, Set, SMax, SMin, UMax, UMin, Swp };

enum class FenceKind : u8 { Load, Store, Full };

// What a failed tag check does (SCTLR_EL1.TCF0): nothing, an exception, a note for later; or an
// exception when the access loads, else a note (FEAT_MTE3).
enum class TagCheck : u8 { None, Sync, Async, Asymmetric };
[[nodiscard]] constexpr bool raises(TagCheck check, Access access) {
    return check == TagCheck::Sync || (check == TagCheck::Asymmetric && access != Access::Writes);
}

// What StoreTag tags: the granule at the address, which must be aligned to it, or all granules of
// the naturally aligned block around the address that DC GVA works on.
enum class TagSpan : u8 { Granule, Block };

// Rounding of one operation. The first four are FPCR.RMode's numbering.
enum class Rounding : u8 { TieEven, PlusInf, MinusInf, Zero, TieAway, Odd, Current };

// Packed into Inst::imm of FCvtToInt and FCvtFromInt: fixed-point fraction bits (0..64), signedness
// and, for FCvtToInt, the rounding.
struct FixedInfo {
    u8 fraction_bits = 0;
    bool is_signed = true;
    Rounding rounding = Rounding::Current;

    [[nodiscard]] constexpr u64 pack() const {
        return fraction_bits | u64{is_signed} << 8 | static_cast<u64>(rounding) << 16;
    }
    [[nodiscard]] static constexpr FixedInfo unpack(u64 imm) {
        return {static_cast<u8>(imm), (imm >> 8 & 1) != 0, static_cast<Rounding>(imm >> 16 & 0xff)};
    }
};

// TestBit's imm: the bit's number, and with kClear the question whether it is zero.
namespace testbit {
inline constexpr u64 kNumber = 0x3f, kClear = 0x100;
} // namespace testbit

// Bits of FMulAdd's imm: operands whose sign bit, a NaN's too, is inverted first.
namespace fmuladd {
inline constexpr u64 kNegateFactor = 1, kNegateAddend = 2; // argument 1, argument 0
} // namespace fmuladd

} // namespace ulna::ir
