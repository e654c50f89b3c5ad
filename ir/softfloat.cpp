#include "ir/softfloat.h"

#include "ir/softfloat_unpacked.h"

namespace ulna::ir {

namespace {
[[nodiscard]] int top_bit(u128 sig) {
    const u64 hi = static_cast<u64>(sig >> 64);
    return hi != 0 ? 127 - std::countl_zero(hi) : 63 - std::countl_zero(static_cast<u64>(sig));
}

// What is left below the last kept bit, against one half of it.
enum class Rest : u8 { None, BelowHalf, Half, AboveHalf };

[[nodiscard]] bool rounds_up(Rounding rounding, bool sign, bool odd, Rest rest) {
    switch (rounding) {
    case Rounding::TieEven:
        return rest == Rest::AboveHalf || (rest == Rest::Half && odd);
    case Rounding::TieAway:
        return rest >= Rest::Half;
    case Rounding::PlusInf:
        return rest != Rest::None && !sign;
    case Rounding::MinusInf:
        return rest != Rest::None && sign;
    default:
        return false;
    }
}

[[nodiscard]] bool overflows_to_infinity(Rounding rounding, bool sign) {
    switch (rounding) {
    case Rounding::PlusInf:
        return !sign;
    case Rounding::MinusInf:
        return sign;
    case Rounding::Zero:
    case Rounding::Odd:
        return false;
    default:
        return true;
    }
}

// sig >> shift and what was shifted out.
[[nodiscard]] u64 split(u128 sig, int shift, Rest& rest) {
    rest = Rest::None;
    if (shift <= 0) {
        return static_cast<u64>(sig << -shift);
    }
    const u128 half = u128{1} << (shift - 1);
    const u128 lost = sig & (half | (half - 1));
    if (lost != 0) {
        rest = lost < half ? Rest::BelowHalf : lost == half ? Rest::Half : Rest::AboveHalf;
    }
    return static_cast<u64>(sig >> shift);
}

// FPCR.AHP formats have no infinity: the whole top binade is numbers, and overflow is invalid.
template <class F> [[nodiscard]] bool alternative(const FpContext& fp) {
    return kIsHalf<F> && fp.converting && fp.ahp;
}

// The exact sum; sig is zero only when it is exactly zero.
[[nodiscard]] Exact add_exact(Exact a, Exact b) {
    const auto normalise = [](Exact& value) {
        const int shift = 124 - top_bit(value.sig);
        value.sig = shift >= 0 ? value.sig << shift
                               : shift_right_jam(value.sig, static_cast<unsigned>(-shift));
        value.exp -= shift;
    };
    normalise(a);
    normalise(b);
    if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
        std::swap(a, b);
    }
    b.sig = shift_right_jam(b.sig, static_cast<unsigned>(a.exp - b.exp));
    a.sig = a.sign == b.sign ? a.sig + b.sig : a.sig - b.sig;
    return a;
}

[[nodiscard]] Exact exact(const Unpacked& u) { return {u.sign, u.sig, u.exp}; }
[[nodiscard]] Exact product(const Unpacked& a, const Unpacked& b) {
    return {a.sign != b.sign, u128{a.sig} * b.sig, a.exp + b.exp};
}

// FPRound, or the zero that an exact cancellation gives.
template <class F> [[nodiscard]] BitsOf<F> round_sum(const Exact& sum, FpContext& fp) {
    return sum.sig == 0 ? FPZero<F>(fp.rounding == Rounding::MinusInf)
                        : FPRound<F>(sum, fp.rounding, fp);
}

// a + b of finite values of which at least one is not zero.
[[nodiscard]] Exact sum_of(const Exact& a, const Exact& b) {
    if (a.sig == 0 || b.sig == 0) {
        return a.sig == 0 ? b : a;
    }
    return add_exact(a, b);
}
} // namespace

u128 shift_right_jam(u128 sig, unsigned n) {
    if (n == 0) {
        return sig;
    }
    if (n > 127) {
        return sig != 0;
    }
    return sig >> n | static_cast<u128>((sig & ((u128{1} << n) - 1)) != 0);
}

template <class F> Unpacked FPUnpack(BitsOf<F> op, FpContext& fp) {
    using L = Layout<F>;
    Unpacked u;
    u.sign = L::sign(op);
    const int biased = L::biased(op);
    const u64 frac = op & L::kFracMask;
    if (biased == L::kMaxBiased && !alternative<F>(fp)) {
        u.type = frac == 0                 ? FpType::Infinity
                 : (frac & L::kQuiet) != 0 ? FpType::QNaN
                                           : FpType::SNaN;
        return u;
    }
    u64 sig = frac;
    if (biased != 0) {
        sig |= u64{1} << F::kFracBits;
    } else if (frac == 0) {
        return u;
    } else if (fp.flushes_inputs<F>()) {
        if (!kIsHalf<F> && fp.fz &&
            !fp.ah) { // neither half precision nor FIZ raises Input Denormal
            fp.flags |= fpsr::kIDC;
        }
        return u;
    }
    u.denormal = biased == 0 && !kIsHalf<F>;
    const int shift = std::countl_zero(sig);
    u.type = FpType::Nonzero;
    u.sig = sig << shift;
    u.exp = (biased != 0 ? biased - L::kBias : L::kMinExp) - static_cast<int>(F::kFracBits) - shift;
    return u;
}

namespace {
// Is the value, rounded as if exponents had no bounds, below the least normal number? `exponent` is
// the one before rounding.
template <class F>
[[nodiscard]] bool
tiny_after_rounding(bool sign, u128 sig, int exp, int exponent, Rounding rounding) {
    if (exponent != Layout<F>::kMinExp - 1) {
        return exponent < Layout<F>::kMinExp;
    }
    Rest rest;
    const u64 mantissa = split(sig, exponent - static_cast<int>(F::kFracBits) - exp, rest);
    return mantissa + rounds_up(rounding, sign, (mantissa & 1) != 0, rest) != u64{2}
                                                                                  << F::kFracBits;
}
} // namespace

template <class F> BitsOf<F> FPRound(const Exact& value, Rounding rounding, FpContext& fp) {
    using L = Layout<F>;
    const bool sign = value.sign;
    u128 sig = value.sig;
    int exp = value.exp;
    if (top_bit(sig) > 120) { // room for the shifts below
        sig = shift_right_jam(sig, 8);
        exp += 8;
    }
    const int exponent = top_bit(sig) + exp; // of the value scaled to [1, 2)
    const bool denormal = exponent < L::kMinExp;
    const bool tiny = fp.ah ? tiny_after_rounding<F>(sign, sig, exp, exponent, rounding) : denormal;
    if (tiny && fp.flushes_results<F>()) {
        fp.flags |= fp.ah ? fpsr::kUFC | fpsr::kIXC : fpsr::kUFC;
        return FPZero<F>(sign);
    }
    int biased = denormal ? 0 : exponent - L::kMinExp + 1;
    int shift = std::max(exponent, L::kMinExp) - static_cast<int>(F::kFracBits) - exp;
    if (shift > 126) { // less than half of the least denormal
        sig = 1;
        shift = 126;
    }
    Rest rest;
    u64 mantissa = split(sig, shift, rest);
    bool inexact = rest != Rest::None;
    if (tiny && inexact) {
        fp.flags |= fpsr::kUFC;
    }
    if (rounds_up(rounding, sign, (mantissa & 1) != 0, rest)) {
        ++mantissa;
        if (mantissa == u64{1} << F::kFracBits) {
            biased = 1; // a denormal became the least normal number
        }
        if (mantissa == u64{2} << F::kFracBits) {
            ++biased;
            mantissa >>= 1;
        }
    }
    if (rounding == Rounding::Odd && inexact) {
        mantissa |= 1;
    }
    if (alternative<F>(fp)) {
        if (biased > L::kMaxBiased) {
            fp.flags |= fpsr::kIOC;
            return static_cast<BitsOf<F>>((sign ? L::kSign : 0) | (L::kSign - 1));
        }
    } else if (biased >= L::kMaxBiased) {
        fp.flags |= fpsr::kOFC | fpsr::kIXC;
        const bool infinity = fp.overflow_to_infinity || overflows_to_infinity(rounding, sign);
        return infinity ? FPInfinity<F>(sign) : FPMaxNormal<F>(sign);
    }
    if (inexact) {
        fp.flags |= fpsr::kIXC;
    }
    return L::pack(sign, biased, mantissa & L::kFracMask);
}

template <class F> BitsOf<F> FPAdd(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp) {
    const Unpacked u1 = FPUnpack<F>(op1, fp), u2 = FPUnpack<F>(op2, fp);
    BitsOf<F> result;
    if (FPProcessNaNs<F>(u1, u2, op1, op2, fp, result)) {
        return result;
    }
    if (u1.is_inf() && u2.is_inf() && u1.sign != u2.sign) {
        return invalid_operation<F>(fp);
    }
    FPProcessDenorms(fp, u1, u2);
    if (u1.is_inf() || u2.is_inf()) {
        return FPInfinity<F>(u1.is_inf() ? u1.sign : u2.sign);
    }
    if (u1.is_zero() && u2.is_zero() && u1.sign == u2.sign) {
        return FPZero<F>(u1.sign);
    }
    if (u1.is_zero() && u2.is_zero()) {
        return FPZero<F>(fp.rounding == Rounding::MinusInf);
    }
    return round_sum<F>(sum_of(exact(u1), exact(u2)), fp);
}

template <class F> BitsOf<F> FPSub(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp) {
    // NaNs keep the sign they came with, so the operand is negated only when it is a number.
    return FPAdd<F>(op1, is_nan<F>(op2) ? op2 : negated<F>(op2), fp);
}

namespace {
// FPMul and FPMulX differ in what 0 * infinity gives.
template <class F> BitsOf<F> multiply(BitsOf<F> op1, BitsOf<F> op2, bool extended, FpContext& fp) {
    const Unpacked u1 = FPUnpack<F>(op1, fp), u2 = FPUnpack<F>(op2, fp);
    BitsOf<F> result;
    if (FPProcessNaNs<F>(u1, u2, op1, op2, fp, result)) {
        return result;
    }
    const bool sign = u1.sign != u2.sign;
    if ((u1.is_inf() && u2.is_zero()) || (u1.is_zero() && u2.is_inf())) {
        return extended ? Layout<F>::pack(sign, Layout<F>::kBias + 1, 0) // FPTwo
                        : invalid_operation<F>(fp);
    }
    FPProcessDenorms(fp, u1, u2);
    if (u1.is_inf() || u2.is_inf()) {
        return FPInfinity<F>(sign);
    }
    if (u1.is_zero() || u2.is_zero()) {
        return FPZero<F>(sign);
    }
    return FPRound<F>(product(u1, u2), fp.rounding, fp);
}
} // namespace

template <class F> BitsOf<F> FPMul(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp) {
    return multiply<F>(op1, op2, false, fp);
}

template <class F> BitsOf<F> FPMulX(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp) {
    return multiply<F>(op1, op2, true, fp);
}

template <class F> BitsOf<F> FPDiv(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp) {
    const Unpacked u1 = FPUnpack<F>(op1, fp), u2 = FPUnpack<F>(op2, fp);
    BitsOf<F> result;
    if (FPProcessNaNs<F>(u1, u2, op1, op2, fp, result)) {
        return result;
    }
    const bool sign = u1.sign != u2.sign;
    if ((u1.is_inf() && u2.is_inf()) || (u1.is_zero() && u2.is_zero())) {
        return invalid_operation<F>(fp);
    }
    if (!u2.is_zero()) {
        FPProcessDenorms(fp, u1, u2);
    }
    if (u1.is_inf() || u2.is_zero()) {
        if (!u1.is_inf()) {
            fp.flags |= fpsr::kDZC;
        }
        return FPInfinity<F>(sign);
    }
    if (u1.is_zero() || u2.is_inf()) {
        return FPZero<F>(sign);
    }
    const u128 dividend = u128{u1.sig} << 63; // the quotient has 63 or 64 bits
    const u128 quotient = dividend / u2.sig;
    const bool remainder = dividend % u2.sig != 0;
    return FPRound<F>({sign, quotient << 1 | u128{remainder}, u1.exp - u2.exp - 64}, fp.rounding,
                      fp);
}

namespace {
// Floor of the square root, one bit at a time.
[[nodiscard]] u64 square_root(u128 radicand, bool& remainder) {
    u64 root = 0;
    for (u64 step = u64{1} << 63; step != 0; step >>= 1) {
        const u64 candidate = root | step;
        if (u128{candidate} * candidate <= radicand) {
            root = candidate;
        }
    }
    remainder = u128{root} * root != radicand;
    return root;
}
} // namespace

template <class F> BitsOf<F> FPSqrt(BitsOf<F> op, FpContext& fp) {
    const Unpacked u = FPUnpack<F>(op, fp);
    if (u.is_nan()) {
        return FPProcessNaN<F>(u.type, op, fp);
    }
    if (u.is_zero()) {
        return FPZero<F>(u.sign);
    }
    if (u.sign) {
        return invalid_operation<F>(fp);
    }
    if (u.is_inf()) {
        return FPInfinity<F>(false);
    }
    FPProcessDenorms(fp, u);
    const int shift = (u.exp & 1) != 0 ? 63 : 64; // makes the exponent even
    bool remainder;
    const u64 root = square_root(u128{u.sig} << shift, remainder);
    return FPRound<F>({false, u128{root} << 1 | u128{remainder}, (u.exp - shift) / 2 - 1},
                      fp.rounding, fp);
}

namespace {
// addend + u1 * u2 for operands that are not NaNs.
template <class F>
BitsOf<F>
add_product(const Unpacked& addend, const Unpacked& u1, const Unpacked& u2, FpContext& fp) {
    const bool sign = u1.sign != u2.sign;
    const bool inf = u1.is_inf() || u2.is_inf();
    const bool zero = u1.is_zero() || u2.is_zero();
    if ((inf && zero) || (addend.is_inf() && inf && addend.sign != sign)) {
        return invalid_operation<F>(fp);
    }
    FPProcessDenorms(fp, addend, u1, u2);
    if (addend.is_inf() || inf) {
        return FPInfinity<F>(inf ? sign : addend.sign);
    }
    if (addend.is_zero() && zero) {
        return FPZero<F>(addend.sign == sign ? sign : fp.rounding == Rounding::MinusInf);
    }
    const Exact p = zero ? Exact{sign, 0, 0} : product(u1, u2);
    return round_sum<F>(sum_of(exact(addend), p), fp);
}
} // namespace

namespace {
// FPProcessNaNs3: the operands in the order of preference.
[[nodiscard]] bool choose_nan_of_three(
    const Unpacked& a, const Unpacked& u1, const Unpacked& u2, bool ah, ChosenNaN& chosen) {
    if (!ah) {
        return choose_nan({&a, &u1, &u2}, false, chosen);
    }
    const bool found = choose_nan({&u1, &u2, &a}, true, chosen);
    chosen.index = (chosen.index + 1) % 3;
    return found;
}

// A quiet NaN is added to 0 * infinity; with FPCR.AH that is like any other.
[[nodiscard]] bool
is_invalid_product(const Unpacked& a, const Unpacked& u1, const Unpacked& u2, const FpContext& fp) {
    return !fp.ah && a.type == FpType::QNaN &&
           ((u1.is_inf() && u2.is_zero()) || (u1.is_zero() && u2.is_inf()));
}
} // namespace

template <class F>
BitsOf<F> FPMulAdd(BitsOf<F> addend, BitsOf<F> op1, BitsOf<F> op2, FpContext& fp) {
    const Unpacked a = FPUnpack<F>(addend, fp), u1 = FPUnpack<F>(op1, fp),
                   u2 = FPUnpack<F>(op2, fp);
    ChosenNaN nan;
    if (!choose_nan_of_three(a, u1, u2, fp.ah, nan)) {
        return add_product<F>(a, u1, u2, fp);
    }
    if (is_invalid_product(a, u1, u2, fp)) {
        return invalid_operation<F>(fp);
    }
    return FPProcessNaN<F>(nan.type, nan.index == 0 ? addend : nan.index == 1 ? op1 : op2, fp);
}

u32 FPMulAddH(u32 addend, u16 op1, u16 op2, FpContext& fp) {
    const Unpacked a = FPUnpack<Single>(addend, fp), u1 = FPUnpack<Half>(op1, fp),
                   u2 = FPUnpack<Half>(op2, fp);
    ChosenNaN chosen;
    if (!choose_nan_of_three(a, u1, u2, fp.ah, chosen)) {
        return add_product<Single>(a, u1, u2, fp);
    }
    if (is_invalid_product(a, u1, u2, fp)) {
        return invalid_operation<Single>(fp);
    }
    if (chosen.index == 0) {
        return FPProcessNaN<Single>(chosen.type, addend, fp);
    }
    // FPProcessNaNs3H: a half is converted after it was processed
    const u16 nan = FPProcessNaN<Half>(chosen.type, chosen.index == 1 ? op1 : op2, fp);
    constexpr unsigned kShift = Single::kFracBits - Half::kFracBits;
    return Layout<Single>::pack(Layout<Half>::sign(nan), Layout<Single>::kMaxBiased,
                                static_cast<u64>(nan & Layout<Half>::kFracMask) << kShift);
}

namespace {
// (addend - op1 * op2) * 2^scale; `zero_times_inf` is the value for 0 * infinity.
template <class F>
BitsOf<F> step(unsigned addend,
               int scale,
               BitsOf<F> zero_times_inf,
               BitsOf<F> op1,
               BitsOf<F> op2,
               FpContext& fp) {
    op1 = FPNeg<F>(op1, fp);
    const Unpacked u1 = FPUnpack<F>(op1, fp), u2 = FPUnpack<F>(op2, fp);
    BitsOf<F> result;
    if (FPProcessNaNs<F>(u1, u2, op1, op2, fp, result)) {
        return result;
    }
    const bool inf = u1.is_inf() || u2.is_inf();
    const bool zero = u1.is_zero() || u2.is_zero();
    if (inf) {
        return zero ? zero_times_inf : FPInfinity<F>(u1.sign != u2.sign);
    }
    const Exact p = zero ? Exact{false, 0, 0} : product(u1, u2);
    Exact sum = sum_of({false, addend, 0}, p);
    sum.exp += scale;
    return round_sum<F>(sum, fp);
}
} // namespace

template <class F> BitsOf<F> FPRecipStepFused(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp) {
    constexpr BitsOf<F> kTwo = Layout<F>::pack(false, Layout<F>::kBias + 1, 0);
    return fp.quietly_if_alternate(
        [&](FpContext& context) { return step<F>(2, 0, kTwo, op1, op2, context); });
}

template <class F> BitsOf<F> FPRSqrtStepFused(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp) {
    constexpr BitsOf<F> kOnePointFive = Layout<F>::pack(false, Layout<F>::kBias, Layout<F>::kQuiet);
    return fp.quietly_if_alternate(
        [&](FpContext& context) { return step<F>(3, -1, kOnePointFive, op1, op2, context); });
}

u32 BFDotAdd(u32 addend, u32 op1, u32 op2, bool ah) {
    FpContext fp;
    fp.rounding = Rounding::Odd;
    fp.fz = fp.dn = fp.overflow_to_infinity = true;
    const u32 low = FPMul<Single>(op1 << 16, op2 << 16, fp);
    const u32 high = FPMul<Single>(op1 & 0xffff'0000, op2 & 0xffff'0000, fp);
    const u32 sum = FPAdd<Single>(addend, FPAdd<Single>(low, high, fp), fp);
    return ah && is_nan<Single>(sum) ? negated<Single>(sum) : sum;
}

#define INSTANTIATE(F)                                                                             \
    template Unpacked FPUnpack<F>(BitsOf<F>, FpContext&);                                          \
    template BitsOf<F> FPRound<F>(const Exact&, Rounding, FpContext&);                             \
    template BitsOf<F> FPAdd<F>(BitsOf<F>, BitsOf<F>, FpContext&);                                 \
    template BitsOf<F> FPSub<F>(BitsOf<F>, BitsOf<F>, FpContext&);                                 \
    template BitsOf<F> FPMul<F>(BitsOf<F>, BitsOf<F>, FpContext&);                                 \
    template BitsOf<F> FPMulX<F>(BitsOf<F>, BitsOf<F>, FpContext&);                                \
    template BitsOf<F> FPDiv<F>(BitsOf<F>, BitsOf<F>, FpContext&);                                 \
    template BitsOf<F> FPSqrt<F>(BitsOf<F>, FpContext&);                                           \
    template BitsOf<F> FPMulAdd<F>(BitsOf<F>, BitsOf<F>, BitsOf<F>, FpContext&);                   \
    template BitsOf<F> FPRecipStepFused<F>(BitsOf<F>, BitsOf<F>, FpContext&);                      \
    template BitsOf<F> FPRSqrtStepFused<F>(BitsOf<F>, BitsOf<F>, FpContext&);
INSTANTIATE(Half)
INSTANTIATE(Single)
INSTANTIATE(Double)
#undef INSTANTIATE
template BitsOf<BFloat16> FPRound<BFloat16>(const Exact&, Rounding, FpContext&);

} // namespace ulna::ir
