// Lifts a function of lane values to an EvalFn for every Shape.
//
// Lane functions compute in a wider signed integer than the lane, where nothing overflows, and
// their result is truncated into the result lane. They get a LaneContext first, which knows the
// result's width, the operation's imm, and how to saturate.
#pragma once

#include <algorithm>
#include <utility>

#include "ir/eval.h"
#include "ir/support/check.h"

namespace ulna::ir {

enum class Sign : bool { U, S };

template <unsigned kBytes>
using UnsignedOf = std::conditional_t<
    kBytes == 1,
    u8,
    std::conditional_t<kBytes == 2, u16, std::conditional_t<kBytes == 4, u32, u64>>>;

// Holds every sum, shifted value and doubled product of lanes of U.
template <class U> using Wide = std::conditional_t<sizeof(U) <= 2, i64, i128>;

template <Sign kSign, class U> [[nodiscard]] Wide<U> read_lane(const V128& v, unsigned index) {
    if constexpr (kSign == Sign::S) {
        return v.lane<std::make_signed_t<U>>(index);
    } else {
        return v.lane<U>(index);
    }
}

template <unsigned kResultBits> struct LaneContext {
    static constexpr unsigned bits = kResultBits;
    static constexpr i128 signed_max = (i128{1} << (bits - 1)) - 1;
    static constexpr i128 signed_min = -(i128{1} << (bits - 1));
    static constexpr i128 unsigned_max = (i128{1} << bits) - 1;

    u64 imm;
    u32& fpsr_bits;

    [[nodiscard]] i128 clamp(i128 v, i128 low, i128 high) const {
        const i128 result = v < low ? low : v > high ? high : v;
        fpsr_bits |= result != v ? fpsr::kQC : 0;
        return result;
    }
    // SignedSat and UnsignedSat of the manual, setting QC.
    [[nodiscard]] i128 signed_sat(i128 v) const { return clamp(v, signed_min, signed_max); }
    [[nodiscard]] i128 unsigned_sat(i128 v) const { return clamp(v, 0, unsigned_max); }
};

// The number of lanes of U, which never exceeds the register: the compiler cannot know it of a
// Shape.
template <class U> [[nodiscard]] unsigned lane_count(Shape shape) {
    return std::min<unsigned>(shape.lanes(), sizeof(V128) / sizeof(U));
}

// Calls f.operator()<U>() with the unsigned type of the lane size.
template <class F> V128 with_lane_type(unsigned lane_log2, F&& f) {
    switch (lane_log2) {
    case 0:
        return f.template operator()<u8>();
    case 1:
        return f.template operator()<u16>();
    case 2:
        return f.template operator()<u32>();
    case 3:
        return f.template operator()<u64>();
    default:
        UNREACHABLE("lane size");
    }
}

// The types of argument lanes, as a ratio to the result's lanes.
enum class Ratio { Same, Double, Half };

template <Ratio kRatio, class U>
using ArgLane = UnsignedOf<kRatio == Ratio::Same     ? sizeof(U)
                           : kRatio == Ratio::Double ? (sizeof(U) < 8 ? sizeof(U) * 2 : 8)
                                                     : (sizeof(U) > 1 ? sizeof(U) / 2 : 1)>;

// result[i] = F(context, a[i], ...) with each argument's lanes read by its sign.
template <class F, Ratio kRatio, Sign... kSigns>
V128 eval_lanes(const OpParams& params, const V128* args, u32& fpsr_bits) {
    const Shape shape = Shape::unpack(params.aux);
    return with_lane_type(shape.lane_log2, [&]<class U>() {
        using Arg = ArgLane<kRatio, U>;
        const LaneContext<sizeof(U) * 8> context{params.imm, fpsr_bits};
        V128 result;
        for (unsigned i = 0; i < lane_count<U>(shape); ++i) {
            unsigned n = 0;
            const Wide<Arg> values[] = {read_lane<kSigns, Arg>(args[n++], i)...};
            result.set_lane<U>(i, static_cast<U>([&]<std::size_t... I>(std::index_sequence<I...>) {
                                   return F{}(context, values[I]...);
                               }(std::make_index_sequence<sizeof...(kSigns)>{})));
        }
        return result;
    });
}

// Wrappers that take the lane function as a captureless lambda: lanes<Sign::S, Sign::S>([](...)
// {...}).
template <Sign... kSigns, class F> constexpr EvalFn lanes(F) {
    return &eval_lanes<F, Ratio::Same, kSigns...>;
}
template <Sign... kSigns, class F> constexpr EvalFn narrowing(F) {
    return &eval_lanes<F, Ratio::Double, kSigns...>;
}
template <Sign... kSigns, class F> constexpr EvalFn widening(F) {
    return &eval_lanes<F, Ratio::Half, kSigns...>;
}

// result[i] = F(x[2i], x[2i + 1]) over the lanes of b:a.
template <class F, Sign kSign> V128 eval_pairwise(const OpParams& params, const V128* args, u32&) {
    const Shape shape = Shape::unpack(params.aux);
    return with_lane_type(shape.lane_log2, [&]<class U>() {
        const unsigned lanes = lane_count<U>(shape);
        V128 result;
        for (unsigned i = 0; i < lanes; ++i) {
            const unsigned lane = 2 * i % lanes;
            const V128& source = 2 * i < lanes ? args[0] : args[1];
            const auto value =
                F{}(read_lane<kSign, U>(source, lane), read_lane<kSign, U>(source, lane + 1));
            result.set_lane<U>(i, static_cast<U>(value));
        }
        return result;
    });
}
template <Sign kSign, class F> constexpr EvalFn pairwise(F) { return &eval_pairwise<F, kSign>; }

// Folds the lanes of Shape into lane 0 of the same size, or twice the size when kLong.
template <class F, Sign kSign, bool kLong>
V128 eval_across(const OpParams& params, const V128* args, u32&) {
    const Shape shape = Shape::unpack(params.aux);
    return with_lane_type(shape.lane_log2, [&]<class U>() {
        auto value = read_lane<kSign, U>(args[0], 0);
        for (unsigned i = 1; i < lane_count<U>(shape); ++i) {
            value = F{}(value, read_lane<kSign, U>(args[0], i));
        }
        V128 result;
        using Out = std::conditional_t<kLong, ArgLane<Ratio::Double, U>, U>;
        result.set_lane<Out>(0, static_cast<Out>(value));
        return result;
    });
}
template <Sign kSign, bool kLong = false, class F> constexpr EvalFn across(F) {
    return &eval_across<F, kSign, kLong>;
}

// Dot products of words, or with imm 1 of doublewords crosswise; F(sum, b, c) adds one word's.
template <class F> V128 eval_dot(const OpParams& params, const V128* args, u32&) {
    const bool matrix = params.imm == 1;
    V128 result;
    for (unsigned i = 0; i < lane_count<u32>(Shape::unpack(params.aux)); ++i) {
        u32 sum = args[0].lane<u32>(i);
        if (matrix) {
            const unsigned row = i / 2 * 2, column = i % 2 * 2;
            sum = F{}(sum, args[1].lane<u32>(row), args[2].lane<u32>(column));
            sum = F{}(sum, args[1].lane<u32>(row + 1), args[2].lane<u32>(column + 1));
        } else {
            sum = F{}(sum, args[1].lane<u32>(i), args[2].lane<u32>(i));
        }
        result.set_lane<u32>(i, sum);
    }
    return result;
}
template <class F> constexpr EvalFn dot_products(F) { return &eval_dot<F>; }

void add_vec_shift_evals(EvalTable& table);
void add_vec_permute_evals(EvalTable& table);

} // namespace ulna::ir
