// eval() of integer arithmetic, conditions and flags, and of moves between register files and
// lanes.
//
// Functions see arguments as 128-bit containers with the value in the low bits. Each computes in 64
// bits and trims the result to its type, so that one function serves every width.
#include <array>

#include "ir/eval.h"
#include "ir/memory_tags.h"
#include "ir/support/bits.h"

namespace ulna::ir {

namespace {

Type type_of(const OpParams& p) { return static_cast<Type>(p.type); }
unsigned width_of(const OpParams& p) { return bit_width(type_of(p)); }
unsigned arg_width(const OpParams& p) { return bit_width(static_cast<Type>(p.arg_type)); }

V128 scalar(u64 value, unsigned width) { return {value & ones(width), 0}; }
V128 result(const OpParams& p, u64 value) { return scalar(value, width_of(p)); }
V128 boolean(bool value) { return {value, 0}; }

// --- arithmetic and logic, two arguments of the result's type

template <u64 (*Fn)(u64 a, u64 b)> V128 binary(const OpParams& p, const V128* a, u32&) {
    return result(p, Fn(a[0].lo, a[1].lo));
}
template <u64 (*Fn)(u64 a, u64 b, unsigned width)>
V128 binary_sized(const OpParams& p, const V128* a, u32&) {
    return result(p, Fn(a[0].lo, a[1].lo, width_of(p)));
}
template <u64 (*Fn)(u64 a, unsigned width)>
V128 unary_sized(const OpParams& p, const V128* a, u32&) {
    return result(p, Fn(a[0].lo, width_of(p)));
}

u64 do_add(u64 a, u64 b) { return a + b; }
u64 do_sub(u64 a, u64 b) { return a - b; }
u64 do_mul(u64 a, u64 b) { return a * b; }
u64 do_umulh(u64 a, u64 b) { return static_cast<u64>(static_cast<u128>(a) * b >> 64); }
u64 do_smulh(u64 a, u64 b) {
    return static_cast<u64>(static_cast<i128>(static_cast<i64>(a)) * static_cast<i64>(b) >> 64);
}
u64 do_udiv(u64 a, u64 b) { return b == 0 ? 0 : a / b; }
u64 do_and(u64 a, u64 b) { return a & b; }
u64 do_or(u64 a, u64 b) { return a | b; }
u64 do_xor(u64 a, u64 b) { return a ^ b; }
u64 do_andnot(u64 a, u64 b) { return a & ~b; }

u64 do_sdiv(u64 a, u64 b, unsigned width) {
    const i64 n = sign_extend(a, width), d = sign_extend(b, width);
    if (d == 0) {
        return 0;
    }
    return d == -1 ? u64{0} - static_cast<u64>(n) : static_cast<u64>(n / d); // MIN / -1 wraps
}
u64 do_shl(u64 a, u64 b, unsigned width) { return a << (b & (width - 1)); }
u64 do_shr(u64 a, u64 b, unsigned width) { return a >> (b & (width - 1)); }
u64 do_sar(u64 a, u64 b, unsigned width) {
    return static_cast<u64>(sign_extend(a, width) >> (b & (width - 1)));
}
u64 do_ror(u64 a, u64 b, unsigned width) {
    const unsigned n = b & (width - 1);
    return n == 0 ? a : a >> n | a << (width - n);
}

u64 do_neg(u64 a, unsigned) { return u64{0} - a; }
u64 do_abs(u64 a, unsigned width) { return (a >> (width - 1) & 1) != 0 ? u64{0} - a : a; }
u64 do_not(u64 a, unsigned) { return ~a; }
u64 do_clz(u64 a, unsigned width) { return static_cast<u64>(std::countl_zero(a)) - (64 - width); }
u64 do_ctz(u64 a, unsigned width) {
    return std::min<u64>(static_cast<u64>(std::countr_zero(a)), width);
}
u64 do_popcnt(u64 a, unsigned) { return static_cast<u64>(std::popcount(a)); }
u64 do_cls(u64 a, unsigned width) {
    // Where a bit differs from its left neighbour, a ^ (a >> 1) has a one.
    const u64 extended = static_cast<u64>(sign_extend(a, width));
    const u64 changes = (extended ^ extended >> 1) & ones(width - 1);
    return do_clz(changes, width) - 1;
}
u64 do_rev(u64 a, unsigned width) { return __builtin_bswap64(a) >> (64 - width); }
u64 do_rev16(u64 a, unsigned) {
    constexpr u64 kLowBytes = 0x00ff'00ff'00ff'00ff;
    return (a & kLowBytes) << 8 | (a >> 8 & kLowBytes);
}
u64 do_rev32(u64 a, unsigned) {
    const u64 swapped = __builtin_bswap64(a);
    return swapped >> 32 | swapped << 32;
}
u64 do_rbit(u64 a, unsigned width) {
    u64 bytes = __builtin_bswap64(a);
    bytes = (bytes & 0x0f0f'0f0f'0f0f'0f0f) << 4 | (bytes >> 4 & 0x0f0f'0f0f'0f0f'0f0f);
    bytes = (bytes & 0x3333'3333'3333'3333) << 2 | (bytes >> 2 & 0x3333'3333'3333'3333);
    bytes = (bytes & 0x5555'5555'5555'5555) << 1 | (bytes >> 1 & 0x5555'5555'5555'5555);
    return bytes >> (64 - width);
}

V128 eval_const(const OpParams& p, const V128*, u32&) { return result(p, p.imm); }

V128 eval_addshl(const OpParams& p, const V128* a, u32&) {
    return result(p, a[0].lo + (a[1].lo << (p.imm & 63)));
}
V128 eval_extr(const OpParams& p, const V128* a, u32&) {
    const unsigned width = width_of(p), n = p.imm & (width - 1);
    return n == 0 ? a[1] : result(p, a[1].lo >> n | a[0].lo << (width - n));
}
V128 eval_zext(const OpParams& p, const V128* a, u32&) { return result(p, a[0].lo); }
V128 eval_sext(const OpParams& p, const V128* a, u32&) {
    return result(p, static_cast<u64>(sign_extend(a[0].lo, arg_width(p))));
}
V128 eval_adc(const OpParams& p, const V128* a, u32&) {
    return result(p, a[0].lo + a[1].lo + a[2].lo);
}
V128 eval_select(const OpParams&, const V128* a, u32&) { return a[0].lo != 0 ? a[1] : a[2]; }

// --- CRC: the generator polynomials of DDI 0487, bit-reversed because bit 0 is the first bit

using CrcTable = std::array<u32, 256>;
constexpr CrcTable make_crc_table(u32 reversed_polynomial) {
    CrcTable table{};
    for (u32 byte = 0; byte < 256; ++byte) {
        u32 crc = byte;
        for (int i = 0; i < 8; ++i) {
            crc = (crc & 1) != 0 ? crc >> 1 ^ reversed_polynomial : crc >> 1;
        }
        table[byte] = crc;
    }
    return table;
}
constexpr CrcTable kCrc32Table = make_crc_table(0xedb8'8320);
constexpr CrcTable kCrc32CTable = make_crc_table(0x82f6'3b78);

template <const CrcTable& Table> V128 eval_crc(const OpParams& p, const V128* a, u32&) {
    u32 crc = static_cast<u32>(a[0].lo);
    u64 data = a[1].lo;
    for (unsigned i = 0; i < arg_width(p); i += 8, data >>= 8) {
        crc = Table[(crc ^ data) & 0xff] ^ crc >> 8;
    }
    return {crc, 0};
}

// --- conditions and flags

constexpr unsigned kN = 8, kZ = 4, kC = 2, kV = 1;

// AddWithCarry of DDI 0487, its flags only.
unsigned add_with_carry_flags(u64 a, u64 b, bool carry, unsigned width) {
    const u128 unsigned_sum = static_cast<u128>(a) + b + carry;
    const i128 signed_sum =
        static_cast<i128>(sign_extend(a, width)) + sign_extend(b, width) + carry;
    const u64 value = static_cast<u64>(unsigned_sum) & ones(width);
    return (bit(value, width - 1) ? kN : 0) | (value == 0 ? kZ : 0) |
           (unsigned_sum != value ? kC : 0) | (signed_sum != sign_extend(value, width) ? kV : 0);
}
unsigned sub_flags(const V128* a, unsigned width) {
    return add_with_carry_flags(a[0].lo, ~a[1].lo & ones(width), true, width);
}

V128 eval_addflags(const OpParams& p, const V128* a, u32&) {
    return {add_with_carry_flags(a[0].lo, a[1].lo, false, arg_width(p)), 0};
}
V128 eval_subflags(const OpParams& p, const V128* a, u32&) {
    return {sub_flags(a, arg_width(p)), 0};
}
V128 eval_adcflags(const OpParams& p, const V128* a, u32&) {
    return {add_with_carry_flags(a[0].lo, a[1].lo, a[2].lo != 0, arg_width(p)), 0};
}
V128 eval_logicflags(const OpParams& p, const V128* a, u32&) {
    return {(bit(a[0].lo, arg_width(p) - 1) ? kN : 0) | (a[0].lo == 0 ? kZ : 0), 0};
}
V128 eval_icmp(const OpParams& p, const V128* a, u32&) {
    return boolean(cond_holds(static_cast<Cond>(p.aux), sub_flags(a, arg_width(p))));
}
V128 eval_testbit(const OpParams& p, const V128* a, u32&) {
    return boolean(bit(a[0].lo, p.imm & testbit::kNumber) != ((p.imm & testbit::kClear) != 0));
}
V128 eval_nzcvpack(const OpParams&, const V128* a, u32&) { return {bits(a[0].lo, 31, 28), 0}; }
V128 eval_nzcvunpack(const OpParams&, const V128* a, u32&) { return {a[0].lo << 28, 0}; }
V128 eval_testcond(const OpParams& p, const V128* a, u32&) {
    return boolean(cond_holds(static_cast<Cond>(p.aux), static_cast<unsigned>(a[0].lo)));
}

// --- moves between register files and lanes

V128 eval_low_bits(const OpParams& p, const V128* a, u32&) { return result(p, a[0].lo); }
V128 eval_ftov(const OpParams&, const V128* a, u32&) { return a[0]; }
V128 eval_vfrompair(const OpParams&, const V128* a, u32&) { return {a[0].lo, a[1].lo}; }
V128 eval_vlow(const OpParams&, const V128* a, u32&) { return {a[0].lo, 0}; }
V128 eval_vhigh(const OpParams&, const V128* a, u32&) { return {a[0].hi, 0}; }
V128 eval_vconcat(const OpParams&, const V128* a, u32&) { return {a[0].lo, a[1].lo}; }

// Lanes past the shape's count are zero.
V128 trim_to_shape(V128 value, Shape shape) {
    if (shape.bytes() >= 16) {
        return value;
    }
    return {value.lo & ones(shape.bytes() * 8), 0};
}

u64 get_lane(const V128& v, Shape shape, unsigned lane) {
    const unsigned first_bit = lane * shape.lane_bits();
    const u64 half = first_bit < 64 ? v.lo : v.hi;
    return half >> (first_bit & 63) & ones(shape.lane_bits());
}
void put_lane(V128& v, Shape shape, unsigned lane, u64 value) {
    const unsigned first_bit = lane * shape.lane_bits();
    u64& half = first_bit < 64 ? v.lo : v.hi;
    const u64 mask = ones(shape.lane_bits()) << (first_bit & 63);
    half = (half & ~mask) | (value << (first_bit & 63) & mask);
}

V128 eval_constvec(const OpParams& p, const V128*, u32&) {
    return trim_to_shape({p.imm, p.imm}, Shape::unpack(p.aux));
}
V128 eval_vdup(const OpParams& p, const V128* a, u32&) {
    const Shape shape = Shape::unpack(p.aux);
    V128 value;
    for (unsigned i = 0; i < shape.lanes(); ++i) {
        put_lane(value, shape, i, a[0].lo);
    }
    return value;
}
V128 eval_vgetlane(const OpParams& p, const V128* a, u32&) {
    const Shape shape = Shape::unpack(p.aux);
    const u64 value = get_lane(a[0], shape, p.imm & 0xff);
    const bool is_signed = bit(p.imm, 8);
    return result(p, is_signed ? static_cast<u64>(sign_extend(value, shape.lane_bits())) : value);
}
V128 eval_vsetlane(const OpParams& p, const V128* a, u32&) {
    V128 value = a[0];
    put_lane(value, Shape::unpack(p.aux), p.imm & 0xff, a[1].lo);
    return value;
}

V128 eval_choosetag(const OpParams&, const V128* a, u32&) {
    return {choose_non_excluded_tag(a[0].lo, a[1].lo, a[2].lo), 0};
}

struct Row {
    Opcode op;
    EvalFn fn;
};
// clang-format off
constexpr Row kRows[] = {
    {Opcode::Const,      eval_const},
    {Opcode::ConstVec,   eval_constvec},
    {Opcode::CodeAddress, eval_const},
    {Opcode::Add,        binary<do_add>},
    {Opcode::Sub,        binary<do_sub>},
    {Opcode::Mul,        binary<do_mul>},
    {Opcode::UMulH,      binary<do_umulh>},
    {Opcode::SMulH,      binary<do_smulh>},
    {Opcode::UDiv,       binary<do_udiv>},
    {Opcode::SDiv,       binary_sized<do_sdiv>},
    {Opcode::Neg,        unary_sized<do_neg>},
    {Opcode::Abs,        unary_sized<do_abs>},
    {Opcode::And,        binary<do_and>},
    {Opcode::Or,         binary<do_or>},
    {Opcode::Xor,        binary<do_xor>},
    {Opcode::Not,        unary_sized<do_not>},
    {Opcode::AndNot,     binary<do_andnot>},
    {Opcode::AddShl,     eval_addshl},
    {Opcode::Shl,        binary_sized<do_shl>},
    {Opcode::Shr,        binary_sized<do_shr>},
    {Opcode::Sar,        binary_sized<do_sar>},
    {Opcode::Ror,        binary_sized<do_ror>},
    {Opcode::Extr,       eval_extr},
    {Opcode::Clz,        unary_sized<do_clz>},
    {Opcode::Ctz,        unary_sized<do_ctz>},
    {Opcode::Popcnt,     unary_sized<do_popcnt>},
    {Opcode::Cls,        unary_sized<do_cls>},
    {Opcode::Rbit,       unary_sized<do_rbit>},
    {Opcode::Rev,        unary_sized<do_rev>},
    {Opcode::Rev16,      unary_sized<do_rev16>},
    {Opcode::Rev32,      unary_sized<do_rev32>},
    {Opcode::ZExt,       eval_zext},
    {Opcode::SExt,       eval_sext},
    {Opcode::Trunc,      eval_low_bits},
    {Opcode::Adc,        eval_adc},
    {Opcode::Select,     eval_select},
    {Opcode::Crc32,      eval_crc<kCrc32Table>},
    {Opcode::Crc32C,     eval_crc<kCrc32CTable>},
    {Opcode::ICmp,       eval_icmp},
    {Opcode::TestBit,    eval_testbit},
    {Opcode::AddFlags,   eval_addflags},
    {Opcode::SubFlags,   eval_subflags},
    {Opcode::AdcFlags,   eval_adcflags},
    {Opcode::LogicFlags, eval_logicflags},
    {Opcode::NzcvPack,   eval_nzcvpack},
    {Opcode::NzcvUnpack, eval_nzcvunpack},
    {Opcode::NzcvSelect, eval_select},
    {Opcode::TestCond,   eval_testcond},
    {Opcode::FToV,       eval_ftov},
    {Opcode::VToF,       eval_low_bits},
    {Opcode::FToI,       eval_low_bits},
    {Opcode::IToF,       eval_low_bits},
    {Opcode::VFromPair,  eval_vfrompair},
    {Opcode::VDup,       eval_vdup},
    {Opcode::VGetLane,   eval_vgetlane},
    {Opcode::VSetLane,   eval_vsetlane},
    {Opcode::VLow,       eval_vlow},
    {Opcode::VHigh,      eval_vhigh},
    {Opcode::VConcat,    eval_vconcat},
    {Opcode::ChooseTag,  eval_choosetag},
};
// clang-format on

} // namespace

void add_int_evals(EvalTable& table) {
    for (const Row& row : kRows) {
        table[row.op] = row.fn;
    }
}

} // namespace ulna::ir
