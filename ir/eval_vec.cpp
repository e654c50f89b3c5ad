// Meaning of vector integer operations: arithmetic, comparison, saturation, pairs and reductions.
// Shifts are in eval_vec_shift.cpp, permutations in eval_vec_permute.cpp.

#include <bit>

#include "ir/eval_vec_lanes.h"
#include "ir/support/bits.h"

namespace ulna::ir {

namespace {

using enum Sign;

// Carry-less product of two polynomials over {0, 1}.
[[nodiscard]] u128 polynomial_product(u64 a, u64 b) {
    u128 product = 0;
    for (unsigned i = 0; i < 64; ++i) {
        product ^= bit(b, i) ? u128{a} << i : 0;
    }
    return product;
}

// The estimates of DDI 0487 shared/functions/float: 9-bit fixed-point fractions from 9-bit indices.
[[nodiscard]] u32 recip_estimate(u32 index) {
    const u32 a = index * 2 + 1;
    return ((1u << 19) / a + 1) / 2;
}
[[nodiscard]] u32 recip_sqrt_estimate(u32 index) {
    const u32 a = index < 256 ? index * 2 + 1 : ((index >> 1 << 1) + 1) * 2;
    u32 b = 512;
    while (a * (b + 1) * (b + 1) < 1u << 28) {
        ++b;
    }
    return (b + 1) / 2;
}
[[nodiscard]] u32 unsigned_recip_estimate(u32 operand) {
    return bit(operand, 31) ? recip_estimate(operand >> 23) << 23 : ~u32{0};
}
[[nodiscard]] u32 unsigned_rsqrt_estimate(u32 operand) {
    return bits(operand, 31, 30) != 0 ? recip_sqrt_estimate(operand >> 23) << 23 : ~u32{0};
}

[[nodiscard]] u8 reverse_byte(u64 value) {
    u8 result = 0;
    for (unsigned i = 0; i < 8; ++i) {
        result |= static_cast<u8>(bit(value, i) << (7 - i));
    }
    return result;
}

[[nodiscard]] unsigned leading_zeros(u64 value, unsigned width) {
    return static_cast<unsigned>(std::countl_zero(value)) - (64 - width);
}

// PMULL on doublewords makes one 128-bit lane, which LaneContext does not have.
[[nodiscard]] V128 eval_pmull(const OpParams& params, const V128* args, u32& fpsr_bits) {
    const bool high = params.imm != 0;
    const V128 halves[] = {{high ? args[0].hi : args[0].lo, 0},
                           {high ? args[1].hi : args[1].lo, 0}};
    if (Shape::unpack(params.aux) == shape::Q1) {
        const u128 product = polynomial_product(halves[0].lo, halves[1].lo);
        return {static_cast<u64>(product), static_cast<u64>(product >> 64)};
    }
    static constexpr EvalFn kBytes = widening<U, U>([](auto&, auto a, auto b) {
        return polynomial_product(static_cast<u64>(a), static_cast<u64>(b));
    });
    return kBytes(params, halves, fpsr_bits);
}

// SADDLP and UADDLP: result[i] = a[2i] + a[2i + 1], lanes of the argument half as wide.
template <Sign kSign>
[[nodiscard]] V128 eval_add_long_pairs(const OpParams& params, const V128* args, u32&) {
    const Shape shape = Shape::unpack(params.aux);
    return with_lane_type(shape.lane_log2, [&]<class T>() {
        using Arg = ArgLane<Ratio::Half, T>;
        V128 result;
        for (unsigned i = 0; i < lane_count<T>(shape); ++i) {
            const auto sum =
                read_lane<kSign, Arg>(args[0], 2 * i) + read_lane<kSign, Arg>(args[0], 2 * i + 1);
            result.set_lane<T>(i, static_cast<T>(sum));
        }
        return result;
    });
}

// Lane functions that several operations share.
constexpr auto kAdd = [](auto a, auto b) { return a + b; };
constexpr auto kMax = [](auto a, auto b) { return a > b ? a : b; };
constexpr auto kMin = [](auto a, auto b) { return a < b ? a : b; };
constexpr auto kLaneMax = [](auto&, auto a, auto b) { return a > b ? a : b; };
constexpr auto kLaneMin = [](auto&, auto a, auto b) { return a < b ? a : b; };
constexpr auto kAbsDifference = [](auto&, auto a, auto b) { return a > b ? a - b : b - a; };
constexpr auto kHalvingAdd = [](auto& c, auto a, auto b) { return (a + b + (c.imm & 1)) >> 1; };
constexpr auto kHalvingSub = [](auto&, auto a, auto b) { return (a - b) >> 1; };

// Compares give all ones, which is -1 truncated to the lane.
constexpr auto kGreater = [](auto&, auto a, auto b) { return a > b ? -1 : 0; };
constexpr auto kGreaterEqual = [](auto&, auto a, auto b) { return a >= b ? -1 : 0; };

void add_logic(EvalTable& t) {
    t[Opcode::VAnd] = lanes<U, U>([](auto&, auto a, auto b) { return a & b; });
    t[Opcode::VOr] = lanes<U, U>([](auto&, auto a, auto b) { return a | b; });
    t[Opcode::VXor] = lanes<U, U>([](auto&, auto a, auto b) { return a ^ b; });
    t[Opcode::VBic] = lanes<U, U>([](auto&, auto a, auto b) { return a & ~b; });
    t[Opcode::VOrn] = lanes<U, U>([](auto&, auto a, auto b) { return a | ~b; });
    t[Opcode::VNot] = lanes<U>([](auto&, auto a) { return ~a; });
    t[Opcode::VBsl] =
        lanes<U, U, U>([](auto&, auto a, auto b, auto c) { return (a & b) | (~a & c); });
}

void add_arithmetic(EvalTable& t) {
    t[Opcode::VAdd] = lanes<U, U>([](auto&, auto a, auto b) { return a + b; });
    t[Opcode::VSub] = lanes<U, U>([](auto&, auto a, auto b) { return a - b; });
    // Signed, so that the product of doublewords fits the wide type.
    t[Opcode::VMul] = lanes<S, S>([](auto&, auto a, auto b) { return a * b; });
    t[Opcode::VNeg] = lanes<S>([](auto&, auto a) { return -a; });
    t[Opcode::VAbs] = lanes<S>([](auto&, auto a) { return a < 0 ? -a : a; });
    t[Opcode::VSMax] = lanes<S, S>(kLaneMax);
    t[Opcode::VSMin] = lanes<S, S>(kLaneMin);
    t[Opcode::VUMax] = lanes<U, U>(kLaneMax);
    t[Opcode::VUMin] = lanes<U, U>(kLaneMin);
    t[Opcode::VSAbd] = lanes<S, S>(kAbsDifference);
    t[Opcode::VUAbd] = lanes<U, U>(kAbsDifference);
    t[Opcode::VSHAdd] = lanes<S, S>(kHalvingAdd);
    t[Opcode::VUHAdd] = lanes<U, U>(kHalvingAdd);
    t[Opcode::VSHSub] = lanes<S, S>(kHalvingSub);
    t[Opcode::VUHSub] = lanes<U, U>(kHalvingSub);
}

void add_compare(EvalTable& t) {
    t[Opcode::VCmEq] = lanes<U, U>([](auto&, auto a, auto b) { return a == b ? -1 : 0; });
    t[Opcode::VCmTst] = lanes<U, U>([](auto&, auto a, auto b) { return (a & b) != 0 ? -1 : 0; });
    t[Opcode::VCmGt] = lanes<S, S>(kGreater);
    t[Opcode::VCmGe] = lanes<S, S>(kGreaterEqual);
    t[Opcode::VCmHi] = lanes<U, U>(kGreater);
    t[Opcode::VCmHs] = lanes<U, U>(kGreaterEqual);
}

void add_saturating(EvalTable& t) {
    constexpr auto signed_add = [](auto& c, auto a, auto b) { return c.signed_sat(a + b); };
    constexpr auto unsigned_add = [](auto& c, auto a, auto b) { return c.unsigned_sat(a + b); };
    t[Opcode::VSQAdd] = lanes<S, S>(signed_add);
    t[Opcode::VUQAdd] = lanes<U, U>(unsigned_add);
    t[Opcode::VSUQAdd] = lanes<S, U>(signed_add);
    t[Opcode::VUSQAdd] = lanes<U, S>(unsigned_add);
    t[Opcode::VSQSub] = lanes<S, S>([](auto& c, auto a, auto b) { return c.signed_sat(a - b); });
    t[Opcode::VUQSub] = lanes<U, U>([](auto& c, auto a, auto b) { return c.unsigned_sat(a - b); });
    t[Opcode::VSQAbs] = lanes<S>([](auto& c, auto a) { return c.signed_sat(a < 0 ? -a : a); });
    t[Opcode::VSQNeg] = lanes<S>([](auto& c, auto a) { return c.signed_sat(-a); });
    t[Opcode::VSQDMulH] = lanes<S, S>([](auto& c, auto a, auto b) {
        const i128 rounding = (c.imm & 1) ? i128{1} << (c.bits - 1) : 0;
        return c.signed_sat((2 * i128{a} * b + rounding) >> c.bits);
    });
    t[Opcode::VSQRDMlAH] = lanes<S, S, S>([](auto& c, auto addend, auto a, auto b) {
        const i128 product = (c.imm & 1) ? -2 * i128{a} * b : 2 * i128{a} * b;
        const i128 rounding = i128{1} << (c.bits - 1);
        return c.signed_sat((i128{addend} * (i128{1} << c.bits) + product + rounding) >> c.bits);
    });
}

void add_bit_counts(EvalTable& t) {
    t[Opcode::VCls] = lanes<S>([](auto& c, auto a) {
        return leading_zeros(static_cast<u64>(a ^ (a >> 1)) & ones(c.bits), c.bits) - 1;
    });
    t[Opcode::VClz] =
        lanes<U>([](auto& c, auto a) { return leading_zeros(static_cast<u64>(a), c.bits); });
    t[Opcode::VCnt] = lanes<U>([](auto&, auto a) { return std::popcount(static_cast<u64>(a)); });
    t[Opcode::VRbit] = lanes<U>([](auto&, auto a) { return reverse_byte(static_cast<u64>(a)); });
    t[Opcode::VURecpE] =
        lanes<U>([](auto&, auto a) { return unsigned_recip_estimate(static_cast<u32>(a)); });
    t[Opcode::VURSqrtE] =
        lanes<U>([](auto&, auto a) { return unsigned_rsqrt_estimate(static_cast<u32>(a)); });
}

void add_widening(EvalTable& t) {
    constexpr auto extend = [](auto&, auto a) { return a; };
    constexpr auto product = [](auto&, auto a, auto b) { return i128{a} * b; };
    t[Opcode::VSxtl] = widening<S>(extend);
    t[Opcode::VUxtl] = widening<U>(extend);
    t[Opcode::VSMull] = widening<S, S>(product);
    t[Opcode::VUMull] = widening<U, U>(product);
    t[Opcode::VSQDMull] =
        widening<S, S>([](auto& c, auto a, auto b) { return c.signed_sat(2 * i128{a} * b); });
    t[Opcode::VPMull] = &eval_pmull;
    t[Opcode::VPMul] = lanes<U, U>([](auto&, auto a, auto b) {
        return polynomial_product(static_cast<u64>(a), static_cast<u64>(b));
    });
}

// The products of four bytes each.
template <Sign kFirst, Sign kSecond> struct ByteProducts {
    u32 operator()(u32 sum, u32 b, u32 c) const {
        const V128 x{b, 0}, y{c, 0};
        for (unsigned k = 0; k < 4; ++k) {
            sum += static_cast<u32>(read_lane<kFirst, u8>(x, k) * read_lane<kSecond, u8>(y, k));
        }
        return sum;
    }
};

void add_dot_products(EvalTable& t) {
    t[Opcode::VSDot] = dot_products(ByteProducts<S, S>{});
    t[Opcode::VUDot] = dot_products(ByteProducts<U, U>{});
    t[Opcode::VUSDot] = dot_products(ByteProducts<U, S>{});
}

// High halves of a sum or difference, rounded when imm is 1. `bits` is the result's lane width.
constexpr auto kRoundHighHalf = [](auto& c, i128 value) {
    return (value + ((c.imm & 1) ? i128{1} << (c.bits - 1) : 0)) >> c.bits;
};

void add_narrowing(EvalTable& t) {
    t[Opcode::VXtn] = narrowing<U>([](auto&, auto a) { return a; });
    t[Opcode::VSQXtn] = narrowing<S>([](auto& c, auto a) { return c.signed_sat(a); });
    t[Opcode::VUQXtn] = narrowing<U>([](auto& c, auto a) { return c.unsigned_sat(a); });
    t[Opcode::VSQXtun] = narrowing<S>([](auto& c, auto a) { return c.unsigned_sat(a); });
    t[Opcode::VAddHn] =
        narrowing<U, U>([](auto& c, auto a, auto b) { return kRoundHighHalf(c, i128{a} + b); });
    t[Opcode::VSubHn] =
        narrowing<U, U>([](auto& c, auto a, auto b) { return kRoundHighHalf(c, i128{a} - b); });
}

void add_pairwise_and_across(EvalTable& t) {
    t[Opcode::VAddP] = pairwise<U>(kAdd);
    t[Opcode::VSMaxP] = pairwise<S>(kMax);
    t[Opcode::VSMinP] = pairwise<S>(kMin);
    t[Opcode::VUMaxP] = pairwise<U>(kMax);
    t[Opcode::VUMinP] = pairwise<U>(kMin);
    t[Opcode::VSAddlP] = &eval_add_long_pairs<S>;
    t[Opcode::VUAddlP] = &eval_add_long_pairs<U>;
    t[Opcode::VAddV] = across<U>(kAdd);
    t[Opcode::VSAddlV] = across<S, true>(kAdd);
    t[Opcode::VUAddlV] = across<U, true>(kAdd);
    t[Opcode::VSMaxV] = across<S>(kMax);
    t[Opcode::VSMinV] = across<S>(kMin);
    t[Opcode::VUMaxV] = across<U>(kMax);
    t[Opcode::VUMinV] = across<U>(kMin);
}

} // namespace

void add_vec_evals(EvalTable& table) {
    add_logic(table);
    add_arithmetic(table);
    add_compare(table);
    add_saturating(table);
    add_bit_counts(table);
    add_widening(table);
    add_dot_products(table);
    add_narrowing(table);
    add_pairwise_and_across(table);
    add_vec_shift_evals(table);
    add_vec_permute_evals(table);
}

} // namespace ulna::ir
