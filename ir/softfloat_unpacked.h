// The unpacked form that softfloat*.cpp compute on: private to them.
#pragma once

#include "ir/softfloat.h"
#include "ir/support/bits.h"

namespace ulna::ir {

enum class FpType : u8 { Zero, Nonzero, Infinity, QNaN, SNaN };

// A nonzero finite value is sig * 2^exp with bit 63 of sig set, denormals included.
struct Unpacked {
    FpType type = FpType::Zero;
    bool sign = false;
    bool denormal = false; // single or double precision
    int exp = 0;
    u64 sig = 0;

    [[nodiscard]] bool is_zero() const { return type == FpType::Zero; }
    [[nodiscard]] bool is_inf() const { return type == FpType::Infinity; }
    [[nodiscard]] bool is_nan() const { return type >= FpType::QNaN; }
    [[nodiscard]] bool is_snan() const { return type == FpType::SNaN; }
};

// A value on its way to rounding: (-1)^sign * sig * 2^exp. Bit 0 of sig may stand for any non-zero
// remainder below it ("jammed") provided that at least two more bits lie under the result's last
// bit.
struct Exact {
    bool sign;
    u128 sig;
    int exp;
};

template <class F> struct Layout {
    using Bits = BitsOf<F>;
    static constexpr int kMaxBiased = (1 << F::kExpBits) - 1;
    static constexpr int kBias = kMaxBiased >> 1;
    static constexpr int kMinExp = 1 - kBias; // of a normal number
    static constexpr Bits kSign = static_cast<Bits>(Bits{1} << (F::kBits - 1));
    static constexpr Bits kFracMask = static_cast<Bits>((Bits{1} << F::kFracBits) - 1);
    static constexpr Bits kQuiet = static_cast<Bits>(Bits{1} << (F::kFracBits - 1));
    static constexpr Bits kInf = static_cast<Bits>(static_cast<Bits>(kMaxBiased) << F::kFracBits);

    [[nodiscard]] static constexpr Bits pack(bool sign, int biased, u64 frac) {
        return static_cast<Bits>((sign ? kSign : Bits{0}) |
                                 static_cast<Bits>(static_cast<Bits>(biased) << F::kFracBits) |
                                 static_cast<Bits>(frac));
    }
    [[nodiscard]] static constexpr bool sign(Bits op) { return (op & kSign) != 0; }
    [[nodiscard]] static constexpr int biased(Bits op) {
        return static_cast<int>(op >> F::kFracBits) & kMaxBiased;
    }
};

template <class F> [[nodiscard]] constexpr BitsOf<F> FPZero(bool sign) {
    return Layout<F>::pack(sign, 0, 0);
}
template <class F> [[nodiscard]] constexpr BitsOf<F> FPInfinity(bool sign) {
    return Layout<F>::pack(sign, Layout<F>::kMaxBiased, 0);
}
template <class F> [[nodiscard]] constexpr BitsOf<F> FPMaxNormal(bool sign) {
    return Layout<F>::pack(sign, Layout<F>::kMaxBiased - 1, Layout<F>::kFracMask);
}
template <class F> [[nodiscard]] constexpr BitsOf<F> FPDefaultNaN(const FpContext& fp) {
    return Layout<F>::pack(fp.ah, Layout<F>::kMaxBiased, Layout<F>::kQuiet);
}

template <class F> [[nodiscard]] Unpacked FPUnpack(BitsOf<F> op, FpContext& fp);
// Rounds sig != 0. Conversions between formats pass their own context (FPRoundCV).
template <class F>
[[nodiscard]] BitsOf<F> FPRound(const Exact& value, Rounding rounding, FpContext& fp);

[[nodiscard]] u128 shift_right_jam(u128 sig, unsigned n);
// -1, 0, 1 for the order of two values that are not NaNs.
[[nodiscard]] int compare_values(const Unpacked& a, const Unpacked& b);

// FPProcessDenorms: with FPCR.AH, denormals that are used raise Input Denormal.
template <class... Operands>
inline void FPProcessDenorms(FpContext& fp, const Operands&... operands) {
    if (fp.ah && (operands.denormal || ...)) {
        fp.flags |= fpsr::kIDC;
    }
}

template <class F>
[[nodiscard]] inline BitsOf<F> FPProcessNaN(FpType type, BitsOf<F> op, FpContext& fp) {
    if (type == FpType::SNaN) {
        fp.flags |= fpsr::kIOC;
    }
    return fp.dn ? FPDefaultNaN<F>(fp) : static_cast<BitsOf<F>>(op | Layout<F>::kQuiet);
}

// Which of the operands decides the result: with FPCR.AH the first NaN, else the first signaling
// one, or if there is none the first quiet one. Returns false when no operand is a NaN. `type` is
// the one to process it as.
struct ChosenNaN {
    unsigned index;
    FpType type;
};
[[nodiscard]] inline bool
choose_nan(std::initializer_list<const Unpacked*> operands, bool first_of_all, ChosenNaN& chosen) {
    bool found = false, signaling = false;
    unsigned index = 0;
    for (const Unpacked* const operand : operands) {
        const bool better = operand->is_snan() && !signaling && !first_of_all;
        if (operand->is_nan() && (!found || better)) {
            chosen.index = index;
            found = true;
        }
        signaling |= operand->is_snan();
        ++index;
    }
    chosen.type = signaling ? FpType::SNaN : FpType::QNaN;
    return found;
}

// True, with the result, when an operand is a NaN.
template <class F>
[[nodiscard]] inline bool FPProcessNaNs(const Unpacked& u1,
                                        const Unpacked& u2,
                                        BitsOf<F> op1,
                                        BitsOf<F> op2,
                                        FpContext& fp,
                                        BitsOf<F>& result) {
    ChosenNaN nan;
    if (!choose_nan({&u1, &u2}, fp.ah, nan)) {
        return false;
    }
    result = FPProcessNaN<F>(nan.type, nan.index == 0 ? op1 : op2, fp);
    return true;
}

template <class F> [[nodiscard]] inline BitsOf<F> invalid_operation(FpContext& fp) {
    fp.flags |= fpsr::kIOC;
    return FPDefaultNaN<F>(fp);
}

} // namespace ulna::ir
