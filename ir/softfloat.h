// Floating-point arithmetic in integer code, exact in value, exceptions and NaNs: the meaning of
// every FP operation of the IR. Functions carry the names of the manual's pseudocode (DDI 0487
// shared/functions/float) and follow it; one template serves half, single and double precision.
//
// What a change must keep: tininess is detected before rounding (after it with FPCR.AH), exceptions
// accumulate in FpContext::flags and nothing else is touched, and no function uses the host's
// floating point.
#pragma once

#include "ir/block_key.h"
#include "ir/eval.h"

namespace ulna::ir {

struct Half {
    using Bits = u16;
    static constexpr unsigned kBits = 16, kExpBits = 5, kFracBits = 10;
};
struct Single {
    using Bits = u32;
    static constexpr unsigned kBits = 32, kExpBits = 8, kFracBits = 23;
};
struct Double {
    using Bits = u64;
    static constexpr unsigned kBits = 64, kExpBits = 11, kFracBits = 52;
};
struct BFloat16 { // conversions to it only
    using Bits = u16;
    static constexpr unsigned kBits = 16, kExpBits = 8, kFracBits = 7;
};
template <class F> inline constexpr bool kIsHalf = std::is_same_v<F, Half>;
template <class F> using BitsOf = typename F::Bits;

// FPCR as an operation sees it, and the FPSR bits (ir::fpsr) it raises.
struct FpContext {
    Rounding rounding = Rounding::TieEven;
    bool fz = false;         // flush single and double precision; with ah, results only
    bool fz16 = false;       // flush half precision (never conversions to or from half)
    bool fiz = false;        // flush single and double precision inputs, silently
    bool ah = false;         // alternate handling (FEAT_AFP)
    bool dn = false;         // every NaN result is the default NaN
    bool ahp = false;        // alternative half precision (conversions only)
    bool converting = false; // inside FPConvert, whose half precision ignores fz16 and obeys ahp
    bool overflow_to_infinity = false; // in every rounding: BFRound
    u32 flags = 0;

    FpContext() = default;
    explicit FpContext(BlockMode mode)
        : rounding{mode.rounding()},
          fz{mode.fz()},
          fz16{mode.fz16()},
          fiz{mode.fiz()},
          ah{mode.ah()},
          dn{mode.dn()},
          ahp{mode.ahp()} {}

    [[nodiscard]] Rounding resolve(Rounding r) const {
        return r == Rounding::Current ? rounding : r;
    }
    template <class F> [[nodiscard]] bool flushes_inputs() const {
        return kIsHalf<F> ? fz16 && !converting : fiz || (fz && !ah);
    }
    template <class F> [[nodiscard]] bool flushes_results() const {
        return kIsHalf<F> ? fz16 && !converting : fz;
    }
    // For estimates, their steps and bfloat16, which with FPCR.AH round to nearest, flush denormals
    // and raise nothing: runs fn(context) so.
    template <class Fn> auto quietly_if_alternate(Fn fn) {
        if (!ah) {
            return fn(*this);
        }
        FpContext quiet = *this;
        quiet.rounding = Rounding::TieEven;
        quiet.fz = quiet.fiz = true;
        return fn(quiet);
    }
};

// --- sign bit operations: no exceptions. NaNs are included, but not with FPCR.AH.
template <class F> [[nodiscard]] constexpr BitsOf<F> magnitude_of(BitsOf<F> op) {
    return static_cast<BitsOf<F>>(op & static_cast<BitsOf<F>>(~(BitsOf<F>{1} << (F::kBits - 1))));
}
template <class F> [[nodiscard]] constexpr BitsOf<F> negated(BitsOf<F> op) {
    return static_cast<BitsOf<F>>(op ^ BitsOf<F>{1} << (F::kBits - 1));
}
template <class F> [[nodiscard]] constexpr bool is_nan(BitsOf<F> op) {
    constexpr u64 kInfinity = ((u64{1} << F::kExpBits) - 1) << F::kFracBits;
    return magnitude_of<F>(op) > kInfinity;
}
template <class F> [[nodiscard]] constexpr BitsOf<F> FPNeg(BitsOf<F> op, const FpContext& fp) {
    return fp.ah && is_nan<F>(op) ? op : negated<F>(op);
}
template <class F> [[nodiscard]] constexpr BitsOf<F> FPAbs(BitsOf<F> op, const FpContext& fp) {
    return fp.ah && is_nan<F>(op) ? op : magnitude_of<F>(op);
}

// --- arithmetic (softfloat.cpp)
template <class F> [[nodiscard]] BitsOf<F> FPAdd(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp);
template <class F> [[nodiscard]] BitsOf<F> FPSub(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp);
template <class F> [[nodiscard]] BitsOf<F> FPMul(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp);
template <class F> [[nodiscard]] BitsOf<F> FPMulX(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp);
template <class F> [[nodiscard]] BitsOf<F> FPDiv(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp);
template <class F> [[nodiscard]] BitsOf<F> FPSqrt(BitsOf<F> op, FpContext& fp);
// addend + op1 * op2, rounded once. With FPCR.AH, op1 must be register <n>'s operand.
template <class F>
[[nodiscard]] BitsOf<F> FPMulAdd(BitsOf<F> addend, BitsOf<F> op1, BitsOf<F> op2, FpContext& fp);
// The same with half-precision factors.
[[nodiscard]] u32 FPMulAddH(u32 addend, u16 op1, u16 op2, FpContext& fp);
// 2 - op1 * op2 and (3 - op1 * op2) / 2, rounded once.
template <class F>
[[nodiscard]] BitsOf<F> FPRecipStepFused(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp);
template <class F>
[[nodiscard]] BitsOf<F> FPRSqrtStepFused(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp);

// BFDotAdd of FEAT_BF16 without FEAT_EBF16: addend + (op1's two numbers times op2's), each rounded
// to odd. It has an arithmetic of its own, of FPCR only AH matters, which is the sign of the
// default NaN, and raises nothing.
[[nodiscard]] u32 BFDotAdd(u32 addend, u32 op1, u32 op2, bool ah);

// --- comparison (softfloat_compare.cpp)
template <class F> [[nodiscard]] BitsOf<F> FPMax(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp);
template <class F> [[nodiscard]] BitsOf<F> FPMin(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp);
template <class F> [[nodiscard]] BitsOf<F> FPMaxNum(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp);
template <class F> [[nodiscard]] BitsOf<F> FPMinNum(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp);
// NZCV in four bits (N=8); `signal_nans`: FCMPE.
template <class F>
[[nodiscard]] unsigned FPCompare(BitsOf<F> op1, BitsOf<F> op2, bool signal_nans, FpContext& fp);
template <class F> [[nodiscard]] bool FPCompareEQ(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp);
template <class F> [[nodiscard]] bool FPCompareGE(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp);
template <class F> [[nodiscard]] bool FPCompareGT(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp);

// --- conversion (softfloat_convert.cpp)
// To an integral value; `exact` raises Inexact.
template <class F>
[[nodiscard]] BitsOf<F> FPRoundInt(BitsOf<F> op, Rounding rounding, bool exact, FpContext& fp);
// To an integral value of `int_bits` bits; other values give the least one. Raises Inexact.
template <class F>
[[nodiscard]] BitsOf<F>
FPRoundIntN(BitsOf<F> op, Rounding rounding, unsigned int_bits, FpContext& fp);
// FJCVTZS: the low word of the truncated value, and in Z whether that is the operand.
[[nodiscard]] u32 FPToFixedJS(u64 op, bool& Z, FpContext& fp);
template <class To, class From>
[[nodiscard]] BitsOf<To> FPConvert(BitsOf<From> op, Rounding rounding, FpContext& fp);
[[nodiscard]] u16 FPConvertBF(u32 op, FpContext& fp);
// To an integer of `width` bits with `fraction_bits` of them fraction, saturating; zero-extended.
template <class F>
[[nodiscard]] u64 FPToFixed(BitsOf<F> op, const FixedInfo& info, unsigned width, FpContext& fp);
// From an integer of `width` bits (upper bits of `op` ignored).
template <class F>
[[nodiscard]] BitsOf<F> FixedToFP(u64 op, const FixedInfo& info, unsigned width, FpContext& fp);

// --- estimates (softfloat_estimate.cpp), the architected tables. `increased`: with the precision
// of FEAT_RPRES.
template <class F>
[[nodiscard]] BitsOf<F> FPRecipEstimate(BitsOf<F> op, bool increased, FpContext& fp);
template <class F>
[[nodiscard]] BitsOf<F> FPRSqrtEstimate(BitsOf<F> op, bool increased, FpContext& fp);
template <class F> [[nodiscard]] BitsOf<F> FPRecpX(BitsOf<F> op, FpContext& fp);
[[nodiscard]] u32 UnsignedRecipEstimate(u32 op);
[[nodiscard]] u32 UnsignedRSqrtEstimate(u32 op);

} // namespace ulna::ir
