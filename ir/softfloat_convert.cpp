#include "ir/softfloat.h"

#include "ir/softfloat_unpacked.h"

namespace ulna::ir {

namespace {
// A magnitude rounded to an integer. `huge`: at least 2^127, so beyond every integer type.
struct Integral {
    u128 magnitude = 0;
    bool inexact = false;
    bool huge = false;
};

// The only shift-out that matters is compared with one half, so far smaller values may be jammed.
Integral round_to_integral(const Unpacked& u, int scale, Rounding rounding) {
    const int exp = u.exp + scale;
    if (exp >= 0) {
        return exp > 63 ? Integral{0, false, true} : Integral{u128{u.sig} << exp, false, false};
    }
    const u128 sig =
        shift_right_jam(u128{u.sig} << 2, static_cast<unsigned>(-exp)); // two spare bits
    const unsigned rest = static_cast<unsigned>(sig & 3);
    Integral result{sig >> 2, rest != 0, false};
    bool up = false;
    switch (rounding) {
    case Rounding::TieEven:
        up = rest == 3 || (rest == 2 && (result.magnitude & 1) != 0);
        break;
    case Rounding::TieAway:
        up = rest >= 2;
        break;
    case Rounding::PlusInf:
        up = rest != 0 && !u.sign;
        break;
    case Rounding::MinusInf:
        up = rest != 0 && u.sign;
        break;
    default:
        break;
    }
    result.magnitude += up ? 1 : 0;
    return result;
}

template <class To, class From> [[nodiscard]] BitsOf<To> FPConvertNaN(BitsOf<From> op) {
    // the fraction's top bits, aligned at the top
    const u64 frac = static_cast<u64>(op & Layout<From>::kFracMask) << (64 - From::kFracBits);
    return static_cast<BitsOf<To>>(Layout<To>::pack(Layout<From>::sign(op), Layout<To>::kMaxBiased,
                                                    frac >> (64 - To::kFracBits)) |
                                   Layout<To>::kQuiet);
}
} // namespace

template <class F>
BitsOf<F> FPRoundInt(BitsOf<F> op, Rounding rounding, bool exact, FpContext& fp) {
    const Unpacked u = FPUnpack<F>(op, fp);
    if (u.is_nan()) {
        return FPProcessNaN<F>(u.type, op, fp);
    }
    if (u.is_inf()) {
        return FPInfinity<F>(u.sign);
    }
    if (u.is_zero()) {
        return FPZero<F>(u.sign);
    }
    if (u.exp >= 0) {
        return op;
    }
    const Integral value = round_to_integral(u, 0, fp.resolve(rounding));
    if (value.inexact && exact) {
        fp.flags |= fpsr::kIXC;
    }
    return value.magnitude == 0 ? FPZero<F>(u.sign)
                                : FPRound<F>({u.sign, value.magnitude, 0}, Rounding::Zero, fp);
}

template <class F>
BitsOf<F> FPRoundIntN(BitsOf<F> op, Rounding rounding, unsigned int_bits, FpContext& fp) {
    const Unpacked u = FPUnpack<F>(op, fp);
    if (u.is_zero()) {
        return FPZero<F>(u.sign);
    }
    Integral value{0, false, true}; // infinities and NaNs
    if (!u.is_inf() && !u.is_nan()) {
        value = round_to_integral(u, 0, fp.resolve(rounding));
    }
    const u64 limit = u.sign ? u64{1} << (int_bits - 1) : ones(int_bits - 1);
    if (value.huge || value.magnitude > limit) {
        fp.flags |= fpsr::kIOC;
        return Layout<F>::pack(true, Layout<F>::kBias + static_cast<int>(int_bits) - 1, 0);
    }
    if (value.inexact) {
        fp.flags |= fpsr::kIXC;
    }
    return value.magnitude == 0 ? FPZero<F>(u.sign)
                                : FPRound<F>({u.sign, value.magnitude, 0}, Rounding::Zero, fp);
}

u32 FPToFixedJS(u64 op, bool& Z, FpContext& fp) {
    const Unpacked u = FPUnpack<Double>(op, fp);
    Z = false;
    if (u.is_zero()) {
        Z = op == 0; // neither minus zero nor a flushed denormal
        return 0;
    }
    if (u.is_nan() || u.is_inf()) {
        fp.flags |= fpsr::kIOC;
        return 0;
    }
    const Integral value = round_to_integral(u, 0, Rounding::Zero);
    const u64 limit = u.sign ? u64{1} << 31 : ones(31);
    if (value.huge || value.magnitude > limit) {
        fp.flags |= fpsr::kIOC;
    } else if (value.inexact) {
        fp.flags |= fpsr::kIXC;
    } else {
        Z = true;
    }
    const u32 magnitude = static_cast<u32>(value.magnitude); // of huge ones the word is zero
    return u.sign ? 0 - magnitude : magnitude;
}

template <class To, class From>
BitsOf<To> FPConvert(BitsOf<From> op, Rounding rounding, FpContext& fp) {
    FpContext cv = fp; // FPUnpackCV, FPRoundCV
    cv.converting = true;
    const Unpacked u = FPUnpack<From>(op, cv);
    const bool alternative = kIsHalf<To> && fp.ahp;
    BitsOf<To> result;
    if (u.is_nan()) {
        result = alternative ? FPZero<To>(u.sign)
                 : fp.dn     ? FPDefaultNaN<To>(fp)
                             : FPConvertNaN<To, From>(op);
        if (u.is_snan() || alternative) {
            cv.flags |= fpsr::kIOC;
        }
    } else if (u.is_inf()) {
        result = FPInfinity<To>(u.sign);
        if (alternative) { // no infinities: the largest number
            result = static_cast<BitsOf<To>>(result | Layout<To>::kFracMask);
            cv.flags |= fpsr::kIOC;
        }
    } else if (u.is_zero()) {
        result = FPZero<To>(u.sign);
    } else {
        FPProcessDenorms(cv, u);
        result = FPRound<To>({u.sign, u.sig, u.exp}, fp.resolve(rounding), cv);
    }
    fp.flags = cv.flags;
    return result;
}

u16 FPConvertBF(u32 op, FpContext& fp) {
    return fp.quietly_if_alternate([&](FpContext& context) {
        return FPConvert<BFloat16, Single>(op, Rounding::Current, context);
    });
}

template <class F>
u64 FPToFixed(BitsOf<F> op, const FixedInfo& info, unsigned width, FpContext& fp) {
    const Unpacked u = FPUnpack<F>(op, fp);
    if (u.is_nan()) {
        fp.flags |= fpsr::kIOC;
        return 0;
    }
    if (u.is_zero()) {
        return 0;
    }
    Integral value{0, false, true};
    if (!u.is_inf()) {
        value = round_to_integral(u, info.fraction_bits, fp.resolve(info.rounding));
    }
    const u64 max = info.is_signed ? ones(width - 1) : ones(width);
    const u64 min_magnitude = info.is_signed ? max + 1 : 0;
    const u64 limit = u.sign ? min_magnitude : max;
    if (value.huge || value.magnitude > limit) {
        fp.flags |= fpsr::kIOC;
        return (u.sign ? u64{0} - limit : limit) & ones(width);
    }
    if (value.inexact) {
        fp.flags |= fpsr::kIXC;
    }
    const u64 magnitude = static_cast<u64>(value.magnitude);
    return (u.sign ? u64{0} - magnitude : magnitude) & ones(width);
}

template <class F>
BitsOf<F> FixedToFP(u64 op, const FixedInfo& info, unsigned width, FpContext& fp) {
    op &= ones(width);
    const bool sign = info.is_signed && bit(op, width - 1);
    const u64 magnitude = sign ? (u64{0} - op) & ones(width) : op;
    if (magnitude == 0) {
        return FPZero<F>(false);
    }
    return FPRound<F>({sign, magnitude, -static_cast<int>(info.fraction_bits)},
                      fp.resolve(info.rounding), fp);
}

#define INSTANTIATE(F)                                                                             \
    template BitsOf<F> FPRoundInt<F>(BitsOf<F>, Rounding, bool, FpContext&);                       \
    template BitsOf<F> FPRoundIntN<F>(BitsOf<F>, Rounding, unsigned, FpContext&);                  \
    template u64 FPToFixed<F>(BitsOf<F>, const FixedInfo&, unsigned, FpContext&);                  \
    template BitsOf<F> FixedToFP<F>(u64, const FixedInfo&, unsigned, FpContext&);
INSTANTIATE(Half)
INSTANTIATE(Single)
INSTANTIATE(Double)
#undef INSTANTIATE
template u16 FPConvert<Half, Single>(u32, Rounding, FpContext&);
template u16 FPConvert<Half, Double>(u64, Rounding, FpContext&);
template u32 FPConvert<Single, Half>(u16, Rounding, FpContext&);
template u32 FPConvert<Single, Double>(u64, Rounding, FpContext&);
template u64 FPConvert<Double, Half>(u16, Rounding, FpContext&);
template u64 FPConvert<Double, Single>(u32, Rounding, FpContext&);

} // namespace ulna::ir
