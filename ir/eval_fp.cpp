// eval() of the FP operations: lanes of softfloat.h under the mode of the block.
#include "ir/eval_vec_lanes.h"
#include "ir/softfloat.h"

namespace ulna::ir {

namespace {

struct Call {
    const OpParams& params;
    const V128* args;
    u32& fpsr;

    [[nodiscard]] Type type() const { return static_cast<Type>(params.type); }
    [[nodiscard]] FpContext context() const { return FpContext{BlockMode{params.mode}}; }
    // How the operation divides its registers; an FP scalar is one lane.
    [[nodiscard]] Shape shape() const { return shape_of(type(), params.aux); }

    [[nodiscard]] static Shape shape_of(Type type, u16 aux) {
        switch (type) {
        case Type::F16:
            return shape::H1;
        case Type::F32:
            return shape::S1;
        case Type::F64:
            return shape::D1;
        default:
            return Shape::unpack(aux);
        }
    }
};

// Calls `body` with the format of a lane.
template <class Body> V128 with_format(unsigned lane_log2, Body body) {
    switch (lane_log2) {
    case 1:
        return body(Half{});
    case 2:
        return body(Single{});
    case 3:
        return body(Double{});
    default:
        UNREACHABLE("FP lanes have 2, 4 or 8 bytes");
    }
}

// result[i] = fn(Format, lane i of each argument..., context) for every lane of the shape.
template <unsigned kArgs, class Fn> V128 map_lanes(const Call& call, Fn fn) {
    const Shape shape = call.shape();
    FpContext fp = call.context();
    const V128 result = with_format(shape.lane_log2, [&](auto format) {
        using Bits = BitsOf<decltype(format)>;
        V128 out;
        for (unsigned i = 0; i < shape.lanes(); ++i) {
            if constexpr (kArgs == 1) {
                out.set_lane<Bits>(i, fn(format, call.args[0].lane<Bits>(i), fp));
            } else if constexpr (kArgs == 2) {
                out.set_lane<Bits>(
                    i, fn(format, call.args[0].lane<Bits>(i), call.args[1].lane<Bits>(i), fp));
            } else {
                out.set_lane<Bits>(i,
                                   fn(format, call.args[0].lane<Bits>(i),
                                      call.args[1].lane<Bits>(i), call.args[2].lane<Bits>(i), fp));
            }
        }
        return out;
    });
    call.fpsr |= fp.flags;
    return result;
}

// Lanes of (b:a) in pairs, the low result lanes from a.
template <class Fn> V128 map_pairs(const Call& call, Fn fn) {
    const Shape shape = call.shape();
    FpContext fp = call.context();
    const V128 result = with_format(shape.lane_log2, [&](auto format) {
        using Bits = BitsOf<decltype(format)>;
        V128 out;
        const unsigned lanes = shape.lanes();
        for (unsigned i = 0; i < lanes; ++i) {
            const V128& source = call.args[2 * i / lanes];
            const unsigned first = 2 * i % lanes;
            out.set_lane<Bits>(
                i, fn(format, source.lane<Bits>(first), source.lane<Bits>(first + 1), fp));
        }
        return out;
    });
    call.fpsr |= fp.flags;
    return result;
}

// Reduce(): halves are reduced first, then combined low half first.
template <class F, class Fn>
BitsOf<F> reduce(const V128& v, unsigned first, unsigned count, Fn fn, FpContext& fp) {
    if (count == 1) {
        return v.lane<BitsOf<F>>(first);
    }
    const unsigned half = count / 2;
    const BitsOf<F> hi = reduce<F>(v, first + half, half, fn, fp);
    const BitsOf<F> lo = reduce<F>(v, first, half, fn, fp);
    return fn(F{}, lo, hi, fp);
}
template <class Fn> V128 reduce_lanes(const Call& call, Fn fn) {
    const Shape shape = call.shape();
    FpContext fp = call.context();
    const V128 result = with_format(shape.lane_log2, [&](auto format) {
        using F = decltype(format);
        V128 out;
        out.set_lane<BitsOf<F>>(0, reduce<F>(call.args[0], 0, shape.lanes(), fn, fp));
        return out;
    });
    call.fpsr |= fp.flags;
    return result;
}

// The functions of softfloat.h as objects that can be passed around.
#define FP_OP1(name)                                                                               \
    struct name##Op {                                                                              \
        template <class F, class T> T operator()(F, T a, FpContext& fp) const {                    \
            return name<F>(a, fp);                                                                 \
        }                                                                                          \
    };
#define FP_OP2(name)                                                                               \
    struct name##Op {                                                                              \
        template <class F, class T> T operator()(F, T a, T b, FpContext& fp) const {               \
            return name<F>(a, b, fp);                                                              \
        }                                                                                          \
    };
FP_OP1(FPSqrt)
FP_OP1(FPRecpX)
FP_OP2(FPAdd)
FP_OP2(FPSub)
FP_OP2(FPMul)
FP_OP2(FPDiv)
FP_OP2(FPMulX)
FP_OP2(FPMax)
FP_OP2(FPMin)
FP_OP2(FPMaxNum)
FP_OP2(FPMinNum)
FP_OP2(FPRecipStepFused)
FP_OP2(FPRSqrtStepFused)
#undef FP_OP1
#undef FP_OP2
struct FPNegOp {
    template <class F, class T> T operator()(F, T a, FpContext& fp) const {
        return FPNeg<F>(a, fp);
    }
};
struct FPAbsOp {
    template <class F, class T> T operator()(F, T a, FpContext& fp) const {
        return FPAbs<F>(a, fp);
    }
};
struct FPAbdOp {
    template <class F, class T> T operator()(F, T a, T b, FpContext& fp) const {
        return FPAbs<F>(FPSub<F>(a, b, fp), fp);
    }
};

template <unsigned kArgs, class Op>
V128 lanes(const OpParams& params, const V128* args, u32& fpsr) {
    return map_lanes<kArgs>(Call{params, args, fpsr}, Op{});
}
template <class Op> V128 pairs(const OpParams& params, const V128* args, u32& fpsr) {
    return map_pairs(Call{params, args, fpsr}, Op{});
}
template <class Op> V128 across(const OpParams& params, const V128* args, u32& fpsr) {
    return reduce_lanes(Call{params, args, fpsr}, Op{});
}

V128 multiply_add(const OpParams& params, const V128* args, u32& fpsr) {
    const u64 negate = params.imm;
    return map_lanes<3>(
        Call{params, args, fpsr}, [=](auto format, auto addend, auto op1, auto op2, FpContext& fp) {
            using F = decltype(format);
            addend = (negate & fmuladd::kNegateAddend) != 0 ? FPNeg<F>(addend, fp) : addend;
            op1 = (negate & fmuladd::kNegateFactor) != 0 ? FPNeg<F>(op1, fp) : op1;
            return FPMulAdd<F>(addend, op1, op2, fp);
        });
}

V128 multiply_add_bfloat(const OpParams& params, const V128* args, u32& fpsr) {
    return map_lanes<3>(Call{params, args, fpsr},
                        [](auto format, auto addend, auto op1, auto op2, FpContext& fp) {
                            using F = decltype(format);
                            return fp.quietly_if_alternate([&](FpContext& context) {
                                return FPMulAdd<F>(addend, op1, op2, context);
                            });
                        });
}

V128 multiply_add_long(const OpParams& params, const V128* args, u32& fpsr) {
    const bool negate = params.imm == fmuladd::kNegateFactor;
    FpContext fp{BlockMode{params.mode}};
    V128 out;
    for (unsigned i = 0; i < Shape::unpack(params.aux).lanes(); ++i) {
        const u16 op1 = args[1].lane<u16>(i);
        out.set_lane<u32>(i, FPMulAddH(args[0].lane<u32>(i), negate ? FPNeg<Half>(op1, fp) : op1,
                                       args[2].lane<u16>(i), fp));
    }
    fpsr |= fp.flags;
    return out;
}

template <class Estimate> V128 estimate(const Call& call, Estimate fn) {
    const bool increased = call.params.imm == 1;
    return map_lanes<1>(
        call, [=](auto format, auto a, FpContext& fp) { return fn(format, a, increased, fp); });
}
V128 recip_estimate(const OpParams& params, const V128* args, u32& fpsr) {
    return estimate(Call{params, args, fpsr}, [](auto format, auto a, bool increased, auto& fp) {
        return FPRecipEstimate<decltype(format)>(a, increased, fp);
    });
}
V128 recip_sqrt_estimate(const OpParams& params, const V128* args, u32& fpsr) {
    return estimate(Call{params, args, fpsr}, [](auto format, auto a, bool increased, auto& fp) {
        return FPRSqrtEstimate<decltype(format)>(a, increased, fp);
    });
}

V128 round_int(const OpParams& params, const V128* args, u32& fpsr) {
    const Rounding rounding = static_cast<Rounding>(params.imm & 0xff);
    const bool exact = bit(params.imm, 8);
    return map_lanes<1>(Call{params, args, fpsr}, [=](auto format, auto a, FpContext& fp) {
        return FPRoundInt<decltype(format)>(a, rounding, exact, fp);
    });
}

V128 round_int_n(const OpParams& params, const V128* args, u32& fpsr) {
    const Rounding rounding = static_cast<Rounding>(params.imm & 0xff);
    const unsigned int_bits = static_cast<unsigned>(params.imm >> 8);
    return map_lanes<1>(Call{params, args, fpsr}, [=](auto format, auto a, FpContext& fp) {
        return FPRoundIntN<decltype(format)>(a, rounding, int_bits, fp);
    });
}

// --- comparisons
enum class Compare : u8 { EQ, GE, GT };
template <Compare kCompare>
V128 compare_lanes(const OpParams& params, const V128* args, u32& fpsr) {
    const bool absolute = params.imm == 1;
    return map_lanes<2>(Call{params, args, fpsr}, [=](auto format, auto a, auto b, FpContext& fp) {
        using F = decltype(format);
        using T = decltype(a);
        if (absolute) {
            a = FPAbs<F>(a, fp);
            b = FPAbs<F>(b, fp);
        }
        const bool holds = kCompare == Compare::EQ   ? FPCompareEQ<F>(a, b, fp)
                           : kCompare == Compare::GE ? FPCompareGE<F>(a, b, fp)
                                                     : FPCompareGT<F>(a, b, fp);
        return holds ? static_cast<T>(~T{0}) : T{0};
    });
}

V128 compare(const OpParams& params, const V128* args, u32& fpsr) {
    FpContext fp{BlockMode{params.mode}};
    const Shape shape = Call::shape_of(static_cast<Type>(params.arg_type), 0);
    const V128 result = with_format(shape.lane_log2, [&](auto format) {
        using F = decltype(format);
        using T = BitsOf<F>;
        return V128{FPCompare<F>(args[0].lane<T>(0), args[1].lane<T>(0), params.imm == 1, fp), 0};
    });
    fpsr |= fp.flags;
    return result;
}

// --- conversions
template <class To> u64 convert_to(Type from, u64 op, Rounding rounding, FpContext& fp) {
    switch (from) {
    case Type::F16:
        if constexpr (To::kBits != 16) {
            return FPConvert<To, Half>(static_cast<u16>(op), rounding, fp);
        }
        break;
    case Type::F32:
        if constexpr (To::kBits != 32) {
            return FPConvert<To, Single>(static_cast<u32>(op), rounding, fp);
        }
        break;
    case Type::F64:
        if constexpr (To::kBits != 64) {
            return FPConvert<To, Double>(op, rounding, fp);
        }
        break;
    default:
        break;
    }
    UNREACHABLE("FCvt is between different FP types");
}

[[nodiscard]] u64 convert(Type to, Type from, u64 op, Rounding rounding, FpContext& fp) {
    switch (to) {
    case Type::F16:
        return convert_to<Half>(from, op, rounding, fp);
    case Type::F32:
        return convert_to<Single>(from, op, rounding, fp);
    default:
        return convert_to<Double>(from, op, rounding, fp);
    }
}

V128 fcvt(const OpParams& params, const V128* args, u32& fpsr) {
    FpContext fp{BlockMode{params.mode}};
    const u64 result = convert(static_cast<Type>(params.type), static_cast<Type>(params.aux),
                               args[0].lo, static_cast<Rounding>(params.imm), fp);
    fpsr |= fp.flags;
    return {result, 0};
}

[[nodiscard]] u64 lane_bits_at(const V128& v, unsigned bits, unsigned index) {
    switch (bits) {
    case 16:
        return v.lane<u16>(index);
    case 32:
        return v.lane<u32>(index);
    default:
        return v.lane<u64>(index);
    }
}
void set_lane_bits(V128& v, unsigned bits, unsigned index, u64 value) {
    switch (bits) {
    case 16:
        v.set_lane<u16>(index, static_cast<u16>(value));
        break;
    case 32:
        v.set_lane<u32>(index, static_cast<u32>(value));
        break;
    default:
        v.set_lane<u64>(index, value);
        break;
    }
}
[[nodiscard]] Type fp_type(unsigned bits) {
    return bits == 16 ? Type::F16 : bits == 32 ? Type::F32 : Type::F64;
}

// FCVTL, FCVTN: the Shape is the result's, argument lanes half or twice as wide.
V128 convert_lanes(const OpParams& params, const V128* args, u32& fpsr, bool widen) {
    const Shape shape = Shape::unpack(params.aux);
    const unsigned to = shape.lane_bits(), from = widen ? to / 2 : to * 2;
    const Rounding rounding = widen ? Rounding::Current : static_cast<Rounding>(params.imm);
    FpContext fp{BlockMode{params.mode}};
    V128 out;
    for (unsigned i = 0; i < shape.lanes(); ++i) {
        set_lane_bits(
            out, to, i,
            convert(fp_type(to), fp_type(from), lane_bits_at(args[0], from, i), rounding, fp));
    }
    fpsr |= fp.flags;
    return out;
}
V128 vfcvtl(const OpParams& params, const V128* args, u32& fpsr) {
    return convert_lanes(params, args, fpsr, true);
}
V128 vfcvtn(const OpParams& params, const V128* args, u32& fpsr) {
    return convert_lanes(params, args, fpsr, false);
}

V128 fcvt_to_int(const OpParams& params, const V128* args, u32& fpsr) {
    FpContext fp{BlockMode{params.mode}};
    const unsigned width = bit_width(static_cast<Type>(params.type));
    const Shape shape = Call::shape_of(static_cast<Type>(params.aux), 0);
    const V128 result = with_format(shape.lane_log2, [&](auto format) {
        using F = decltype(format);
        return V128{
            FPToFixed<F>(args[0].lane<BitsOf<F>>(0), FixedInfo::unpack(params.imm), width, fp), 0};
    });
    fpsr |= fp.flags;
    return result;
}

V128 fcvt_from_int(const OpParams& params, const V128* args, u32& fpsr) {
    FpContext fp{BlockMode{params.mode}};
    const unsigned width = bit_width(static_cast<Type>(params.arg_type));
    const Shape shape = Call::shape_of(static_cast<Type>(params.type), 0);
    const V128 result = with_format(shape.lane_log2, [&](auto format) {
        return V128{
            FixedToFP<decltype(format)>(args[0].lo, FixedInfo::unpack(params.imm), width, fp), 0};
    });
    fpsr |= fp.flags;
    return result;
}

V128 vfcvt_to_int(const OpParams& params, const V128* args, u32& fpsr) {
    const FixedInfo info = FixedInfo::unpack(params.imm);
    return map_lanes<1>(Call{params, args, fpsr}, [&](auto format, auto a, FpContext& fp) {
        return static_cast<decltype(a)>(FPToFixed<decltype(format)>(a, info, sizeof(a) * 8, fp));
    });
}

V128 vfcvt_from_int(const OpParams& params, const V128* args, u32& fpsr) {
    const FixedInfo info = FixedInfo::unpack(params.imm);
    return map_lanes<1>(Call{params, args, fpsr}, [&](auto format, auto a, FpContext& fp) {
        return FixedToFP<decltype(format)>(a, info, sizeof(a) * 8, fp);
    });
}

V128 fjcvtzs(const OpParams& params, const V128* args, u32& fpsr) {
    FpContext fp{BlockMode{params.mode}};
    bool Z;
    const u32 result = FPToFixedJS(args[0].lo, Z, fp);
    fpsr |= fp.flags;
    return {result | u64{Z} << 62, 0};
}

// --- bfloat16
V128 to_bfloat(const OpParams& params, const V128* args, u32& fpsr) {
    FpContext fp{BlockMode{params.mode}};
    V128 out;
    for (unsigned i = 0; i < Shape::unpack(params.aux).lanes(); ++i) {
        out.set_lane<u16>(i, FPConvertBF(args[0].lane<u32>(i), fp));
    }
    fpsr |= fp.flags;
    return out;
}

V128 bfloat_dot_products(const OpParams& params, const V128* args, u32& fpsr) {
    static constexpr EvalFn kBySign[] = {
        dot_products([](u32 sum, u32 b, u32 c) { return BFDotAdd(sum, b, c, false); }),
        dot_products([](u32 sum, u32 b, u32 c) { return BFDotAdd(sum, b, c, true); })};
    return kBySign[BlockMode{params.mode}.ah()](params, args, fpsr);
}

} // namespace

void add_fp_evals(EvalTable& table) {
    table[Opcode::FAdd] = lanes<2, FPAddOp>;
    table[Opcode::FSub] = lanes<2, FPSubOp>;
    table[Opcode::FMul] = lanes<2, FPMulOp>;
    table[Opcode::FDiv] = lanes<2, FPDivOp>;
    table[Opcode::FMulX] = lanes<2, FPMulXOp>;
    table[Opcode::FMax] = lanes<2, FPMaxOp>;
    table[Opcode::FMin] = lanes<2, FPMinOp>;
    table[Opcode::FMaxNm] = lanes<2, FPMaxNumOp>;
    table[Opcode::FMinNm] = lanes<2, FPMinNumOp>;
    table[Opcode::FAbd] = lanes<2, FPAbdOp>;
    table[Opcode::FSqrt] = lanes<1, FPSqrtOp>;
    table[Opcode::FNeg] = lanes<1, FPNegOp>;
    table[Opcode::FAbs] = lanes<1, FPAbsOp>;
    table[Opcode::FMulAdd] = multiply_add;
    table[Opcode::FMulAddBf] = multiply_add_bfloat;
    table[Opcode::FMulAddL] = multiply_add_long;
    table[Opcode::FRecpE] = recip_estimate;
    table[Opcode::FRSqrtE] = recip_sqrt_estimate;
    table[Opcode::FRecpS] = lanes<2, FPRecipStepFusedOp>;
    table[Opcode::FRSqrtS] = lanes<2, FPRSqrtStepFusedOp>;
    table[Opcode::FRecpX] = lanes<1, FPRecpXOp>;
    table[Opcode::FRInt] = round_int;
    table[Opcode::FRIntN] = round_int_n;
    table[Opcode::FCmp] = compare;
    table[Opcode::FCmEq] = compare_lanes<Compare::EQ>;
    table[Opcode::FCmGe] = compare_lanes<Compare::GE>;
    table[Opcode::FCmGt] = compare_lanes<Compare::GT>;
    table[Opcode::FAddP] = pairs<FPAddOp>;
    table[Opcode::FMaxP] = pairs<FPMaxOp>;
    table[Opcode::FMinP] = pairs<FPMinOp>;
    table[Opcode::FMaxNmP] = pairs<FPMaxNumOp>;
    table[Opcode::FMinNmP] = pairs<FPMinNumOp>;
    table[Opcode::FMaxV] = across<FPMaxOp>;
    table[Opcode::FMinV] = across<FPMinOp>;
    table[Opcode::FMaxNmV] = across<FPMaxNumOp>;
    table[Opcode::FMinNmV] = across<FPMinNumOp>;
    table[Opcode::FCvt] = fcvt;
    table[Opcode::FCvtToInt] = fcvt_to_int;
    table[Opcode::FCvtFromInt] = fcvt_from_int;
    table[Opcode::VFCvtToInt] = vfcvt_to_int;
    table[Opcode::VFCvtFromInt] = vfcvt_from_int;
    table[Opcode::VFCvtL] = vfcvtl;
    table[Opcode::VFCvtN] = vfcvtn;
    table[Opcode::FJCvtZs] = fjcvtzs;
    table[Opcode::VFCvtBf] = to_bfloat;
    table[Opcode::VBfDot] = bfloat_dot_products;
}

} // namespace ulna::ir
