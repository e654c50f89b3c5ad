#include "ir/softfloat.h"

#include "ir/softfloat_unpacked.h"

namespace ulna::ir {

int compare_values(const Unpacked& a, const Unpacked& b) {
    if (a.is_zero() && b.is_zero()) {
        return 0;
    }
    const bool a_negative = a.sign && !a.is_zero(), b_negative = b.sign && !b.is_zero();
    if (a_negative != b_negative) {
        return a_negative ? -1 : 1;
    }
    const auto magnitude = [](const Unpacked& u) { return u.is_inf() ? 2 : u.is_zero() ? 0 : 1; };
    int order = magnitude(a) - magnitude(b);
    if (order == 0) {
        order = a.exp != b.exp ? a.exp - b.exp : (a.sig > b.sig) - (a.sig < b.sig);
    }
    order = (order > 0) - (order < 0);
    return a_negative || b_negative ? -order : order;
}

namespace {
template <class F> BitsOf<F> max_min(BitsOf<F> op1, BitsOf<F> op2, bool want_max, FpContext& fp) {
    const Unpacked u1 = FPUnpack<F>(op1, fp), u2 = FPUnpack<F>(op2, fp);
    BitsOf<F> result;
    if (FPProcessNaNs<F>(u1, u2, op1, op2, fp, result)) {
        return result;
    }
    FPProcessDenorms(fp, u1, u2);
    const int order = compare_values(u1, u2);
    const Unpacked& u = (want_max ? order > 0 : order < 0) ? u1 : u2;
    if (u.is_inf()) {
        return FPInfinity<F>(u.sign);
    }
    if (u.is_zero()) { // of two zeros the positive (max) or negative (min) one
        return FPZero<F>(want_max ? u1.sign && u2.sign : u1.sign || u2.sign);
    }
    return FPRound<F>({u.sign, u.sig, u.exp}, fp.rounding, fp);
}

// FPMax and FPMin with FPCR.AH: of two zeros, or with a NaN, the second operand; denormals are not
// flushed on their way out.
template <class F>
BitsOf<F> alternate_max_min(BitsOf<F> op1, BitsOf<F> op2, bool want_max, FpContext& fp) {
    FpContext context = fp;
    context.fz = context.fz16 = false;
    const Unpacked u1 = FPUnpack<F>(op1, fp), u2 = FPUnpack<F>(op2, fp);
    if (u1.is_zero() && u2.is_zero()) {
        return FPZero<F>(u2.sign);
    }
    if (u1.is_nan() || u2.is_nan()) {
        fp.flags |= fpsr::kIOC;
        return u2.is_zero() ? FPZero<F>(u2.sign) : op2;
    }
    // What is flushed as an operand is a zero already.
    const BitsOf<F> in1 = u1.is_zero() ? FPZero<F>(u1.sign) : op1;
    const BitsOf<F> in2 = u2.is_zero() ? FPZero<F>(u2.sign) : op2;
    const BitsOf<F> result = max_min<F>(in1, in2, want_max, context);
    fp.flags |= context.flags;
    return result;
}

template <class F> [[nodiscard]] bool is_qnan(BitsOf<F> op) {
    return magnitude_of<F>(op) >= (Layout<F>::kInf | Layout<F>::kQuiet);
}

// A single quiet NaN counts as the infinity that the other operand beats.
template <class F>
BitsOf<F> max_min_num(BitsOf<F> op1, BitsOf<F> op2, bool want_max, FpContext& fp) {
    const bool qnan1 = is_qnan<F>(op1), qnan2 = is_qnan<F>(op2);
    if (fp.ah && is_nan<F>(op1) && is_nan<F>(op2)) {
        // the first one, as of any two
    } else if (qnan1 && !qnan2) {
        op1 = FPInfinity<F>(want_max);
    } else if (qnan2 && !qnan1) {
        op2 = FPInfinity<F>(want_max);
    }
    return max_min<F>(op1, op2, want_max, fp);
}

struct Order {
    bool unordered;
    bool signaling; // an operand is a signaling NaN
    int value;
};
template <class F> Order order_of(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp) {
    const Unpacked u1 = FPUnpack<F>(op1, fp), u2 = FPUnpack<F>(op2, fp);
    if (u1.is_nan() || u2.is_nan()) {
        return {true, u1.is_snan() || u2.is_snan(), 0};
    }
    FPProcessDenorms(fp, u1, u2);
    return {false, false, compare_values(u1, u2)};
}
} // namespace

template <class F> BitsOf<F> FPMax(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp) {
    return fp.ah ? alternate_max_min<F>(op1, op2, true, fp) : max_min<F>(op1, op2, true, fp);
}
template <class F> BitsOf<F> FPMin(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp) {
    return fp.ah ? alternate_max_min<F>(op1, op2, false, fp) : max_min<F>(op1, op2, false, fp);
}
template <class F> BitsOf<F> FPMaxNum(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp) {
    return max_min_num<F>(op1, op2, true, fp);
}
template <class F> BitsOf<F> FPMinNum(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp) {
    return max_min_num<F>(op1, op2, false, fp);
}

template <class F>
unsigned FPCompare(BitsOf<F> op1, BitsOf<F> op2, bool signal_nans, FpContext& fp) {
    const Order order = order_of<F>(op1, op2, fp);
    if (order.unordered) {
        if (order.signaling || signal_nans) {
            fp.flags |= fpsr::kIOC;
        }
        return 0b0011;
    }
    return order.value == 0 ? 0b0110 : order.value < 0 ? 0b1000 : 0b0010;
}

template <class F> bool FPCompareEQ(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp) {
    return (FPCompare<F>(op1, op2, false, fp) & 0b0100) != 0;
}
template <class F> bool FPCompareGE(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp) {
    const unsigned nzcv = FPCompare<F>(op1, op2, true, fp);
    return nzcv == 0b0110 || nzcv == 0b0010;
}
template <class F> bool FPCompareGT(BitsOf<F> op1, BitsOf<F> op2, FpContext& fp) {
    return FPCompare<F>(op1, op2, true, fp) == 0b0010;
}

#define INSTANTIATE(F)                                                                             \
    template BitsOf<F> FPMax<F>(BitsOf<F>, BitsOf<F>, FpContext&);                                 \
    template BitsOf<F> FPMin<F>(BitsOf<F>, BitsOf<F>, FpContext&);                                 \
    template BitsOf<F> FPMaxNum<F>(BitsOf<F>, BitsOf<F>, FpContext&);                              \
    template BitsOf<F> FPMinNum<F>(BitsOf<F>, BitsOf<F>, FpContext&);                              \
    template unsigned FPCompare<F>(BitsOf<F>, BitsOf<F>, bool, FpContext&);                        \
    template bool FPCompareEQ<F>(BitsOf<F>, BitsOf<F>, FpContext&);                                \
    template bool FPCompareGE<F>(BitsOf<F>, BitsOf<F>, FpContext&);                                \
    template bool FPCompareGT<F>(BitsOf<F>, BitsOf<F>, FpContext&);
INSTANTIATE(Half)
INSTANTIATE(Single)
INSTANTIATE(Double)
#undef INSTANTIATE

} // namespace ulna::ir
