// Reciprocal and reciprocal square root estimates: 8 bits of fraction, or 12 with FEAT_RPRES,
// architected to the bit.
#include "ir/softfloat.h"

#include "ir/softfloat_unpacked.h"

namespace ulna::ir {

namespace {
// RecipEstimate: 256 <= a < 512 stands for 0.5 <= a < 1.0; the result, for 1.0 .. 2.0, likewise.
[[nodiscard]] u32 recip_estimate(u32 a) {
    const u32 midpoint = a * 2 + 1;
    return ((1u << 19) / midpoint + 1) / 2;
}

// RecipSqrtEstimate: 128 <= a < 512 stands for 0.25 <= a < 1.0.
[[nodiscard]] u32 recip_sqrt_estimate(u32 a) {
    a = a < 256 ? a * 2 + 1 : (a & ~1u) * 2 + 2;
    u32 b = 512;
    while (u64{a} * (b + 1) * (b + 1) < u64{1} << 28) {
        ++b;
    }
    return (b + 1) / 2;
}

// The same with three more bits in, and four more out: 2048 <= a < 4096, and 1024 <= a < 4096.
[[nodiscard]] u32 recip_estimate_increased(u32 a) {
    const u32 midpoint = a * 2 + 1;
    return ((1u << 26) / midpoint + 1) / 2; // never a tie
}

// The square root is rounded to 53 bits, of which 47 are fraction, before its reciprocal is taken.
[[nodiscard]] u32 recip_sqrt_estimate_increased(u32 a) {
    // twice the operand, with a one forced below the bits that count
    const u128 twice = a < 2048 ? a * 2 + 1 : ((a & ~1u) + 1) * 2;
    const u128 radicand = twice << (2 * 48 - 1); // (root * 2^48)^2
    u64 root = 0;
    for (u64 step = u64{1} << 53; step != 0; step >>= 1) {
        const u64 candidate = root | step;
        root = u128{candidate} * candidate <= radicand ? candidate : root;
    }
    root = (root + 1) / 2; // rounded to nearest
    const u128 dividend = u128{1} << 65;
    const u64 quotient = static_cast<u64>(dividend / root);
    const u128 twice_rest = dividend % root * 2;
    const bool up = twice_rest > root || (twice_rest == root && (quotient & 1) != 0);
    return static_cast<u32>(quotient + up);
}

// Exponent and fraction (52 bits) of an unpacked operand, as the estimates scale it.
struct Scaled {
    int exp;
    u64 fraction;
};
template <class F> [[nodiscard]] Scaled scaled(BitsOf<F> op) {
    return {Layout<F>::biased(op), static_cast<u64>(op & Layout<F>::kFracMask)
                                       << (52 - F::kFracBits)};
}

template <class F> [[nodiscard]] BitsOf<F> from_scaled(bool sign, int exp, u64 fraction) {
    return Layout<F>::pack(sign, exp, (fraction & ones(52)) >> (52 - F::kFracBits));
}

template <class F> [[nodiscard]] BitsOf<F> recip_overflow(bool sign, FpContext& fp) {
    fp.flags |= fpsr::kOFC | fpsr::kIXC;
    const bool infinite = fp.rounding == Rounding::TieEven ||
                          (fp.rounding == Rounding::PlusInf && !sign) ||
                          (fp.rounding == Rounding::MinusInf && sign);
    return infinite ? FPInfinity<F>(sign) : FPMaxNormal<F>(sign);
}
} // namespace

namespace {
template <class F> BitsOf<F> recip(BitsOf<F> op, bool increased, FpContext& fp) {
    using L = Layout<F>;
    const Unpacked u = FPUnpack<F>(op, fp);
    if (u.is_nan()) {
        return FPProcessNaN<F>(u.type, op, fp);
    }
    if (u.is_inf()) {
        return FPZero<F>(u.sign);
    }
    if (u.is_zero()) {
        fp.flags |= fpsr::kDZC;
        return FPInfinity<F>(u.sign);
    }
    const int exponent = u.exp + 63; // |op| in [2^exponent, 2^(exponent+1))
    if (exponent < -(L::kBias + 1)) {
        return recip_overflow<F>(u.sign, fp);
    }
    if (exponent >= L::kBias - 1 && fp.flushes_results<F>()) { // the result would be denormal
        fp.flags |= fpsr::kUFC;
        return FPZero<F>(u.sign);
    }
    Scaled s = scaled<F>(op);
    if (s.exp == 0) { // one or two leading zeros: smaller operands have overflowed
        const bool one = bit(s.fraction, 51);
        s.exp = one ? 0 : -1;
        s.fraction <<= one ? 1 : 2;
    }
    u64 fraction;
    if (increased) {
        const u32 a = static_cast<u32>(0x800 | bits(s.fraction, 51, 41));
        fraction = bits(recip_estimate_increased(a), 11, 0) << 40;
    } else {
        const u32 a = static_cast<u32>(0x100 | bits(s.fraction, 51, 44));
        fraction = bits(recip_estimate(a), 7, 0) << 44;
    }
    int result_exp = 2 * L::kBias - 1 - s.exp;
    if (result_exp == 0) {
        fraction = u64{1} << 51 | fraction >> 1;
    } else if (result_exp == -1) {
        fraction = u64{1} << 50 | fraction >> 2;
        result_exp = 0;
    }
    return from_scaled<F>(u.sign, result_exp, fraction);
}

template <class F> BitsOf<F> recip_sqrt(BitsOf<F> op, bool increased, FpContext& fp) {
    const Unpacked u = FPUnpack<F>(op, fp);
    if (u.is_nan()) {
        return FPProcessNaN<F>(u.type, op, fp);
    }
    if (u.is_zero()) {
        fp.flags |= fpsr::kDZC;
        return FPInfinity<F>(u.sign);
    }
    if (u.sign) {
        return invalid_operation<F>(fp);
    }
    if (u.is_inf()) {
        return FPZero<F>(false);
    }
    Scaled s = scaled<F>(op);
    if (s.exp == 0) {
        for (; !bit(s.fraction, 51); --s.exp) {
            s.fraction <<= 1;
        }
        s.fraction <<= 1;
    }
    const bool even = (s.exp & 1) == 0;
    const int result_exp = (3 * Layout<F>::kBias - 1 - s.exp) / 2;
    if (increased) {
        const u32 a = static_cast<u32>(even ? 0x800 | bits(s.fraction, 51, 41)
                                            : 0x400 | bits(s.fraction, 51, 42));
        return from_scaled<F>(false, result_exp,
                              bits(recip_sqrt_estimate_increased(a), 11, 0) << 40);
    }
    const u32 a =
        static_cast<u32>(even ? 0x100 | bits(s.fraction, 51, 44) : 0x80 | bits(s.fraction, 51, 45));
    return from_scaled<F>(false, result_exp, bits(recip_sqrt_estimate(a), 7, 0) << 44);
}
} // namespace

template <class F> BitsOf<F> FPRecipEstimate(BitsOf<F> op, bool increased, FpContext& fp) {
    return fp.quietly_if_alternate(
        [&](FpContext& context) { return recip<F>(op, increased, context); });
}

template <class F> BitsOf<F> FPRSqrtEstimate(BitsOf<F> op, bool increased, FpContext& fp) {
    return fp.quietly_if_alternate(
        [&](FpContext& context) { return recip_sqrt<F>(op, increased, context); });
}

template <class F> BitsOf<F> FPRecpX(BitsOf<F> op, FpContext& fp) {
    using L = Layout<F>;
    return fp.quietly_if_alternate([&](FpContext& context) {
        const Unpacked u = FPUnpack<F>(op, context);
        if (u.is_nan()) {
            return FPProcessNaN<F>(u.type, op, context);
        }
        const int biased = L::biased(op);
        return L::pack(L::sign(op), biased == 0 ? L::kMaxBiased - 1 : ~biased & L::kMaxBiased, 0);
    });
}

u32 UnsignedRecipEstimate(u32 op) {
    if (!bit(op, 31)) {
        return 0xffff'ffff;
    }
    return recip_estimate(op >> 23) << 23;
}

u32 UnsignedRSqrtEstimate(u32 op) {
    if (bits(op, 31, 30) == 0) {
        return 0xffff'ffff;
    }
    return recip_sqrt_estimate(op >> 23) << 23;
}

#define INSTANTIATE(F)                                                                             \
    template BitsOf<F> FPRecipEstimate<F>(BitsOf<F>, bool, FpContext&);                            \
    template BitsOf<F> FPRSqrtEstimate<F>(BitsOf<F>, bool, FpContext&);                            \
    template BitsOf<F> FPRecpX<F>(BitsOf<F>, FpContext&);
INSTANTIATE(Half)
INSTANTIATE(Single)
INSTANTIATE(Double)
#undef INSTANTIATE

} // namespace ulna::ir
