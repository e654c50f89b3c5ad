// FPCR.AH and FIZ (FEAT_AFP) in ir/softfloat.h. Alternate handling is what SSE does: which NaN, its
// sign, tininess after rounding, denormals that are noticed when they are used, minimum and
// maximum. So the host's instructions, with FZ as FTZ and FIZ as DAZ, must give the same in every
// bit. What is not of SSE follows the manual: DDI 0487 shared/functions/float.
#include <cmath>

#include "tests/unit/fp_host.h"

#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;
using namespace ulna::test;

namespace {

FpContext alternate(Rounding rounding = Rounding::TieEven, bool fz = false, bool fiz = false) {
    FpContext fp;
    fp.rounding = rounding;
    fp.ah = true;
    fp.fz = fz;
    fp.fiz = fiz;
    return fp;
}

u32 fpsr_with_denormal(u32 mxcsr) { return fpsr_of(mxcsr) | ((mxcsr & 2) != 0 ? fpsr::kIDC : 0); }

struct Differences {
    explicit Differences(const char* what) : what{what} {}
    ~Differences() {
        INFO(what << ": " << first);
        CHECK(count == 0);
    }
    // `host(mxcsr)` makes the wanted value, and leaves the flags in mxcsr.
    template <class Host>
    void check(u64 got, u32 flags, u32 mxcsr, std::initializer_list<u64> operands, Host host) {
        const u64 want = host(mxcsr);
        const u32 want_flags = fpsr_with_denormal(mxcsr);
        if ((got == want && flags == want_flags) || count++ != 0) {
            return;
        }
        char text[80];
        for (const u64 operand : operands) {
            std::snprintf(text, sizeof text, "%lx ", operand);
            first += text;
        }
        std::snprintf(text, sizeof text, "mxcsr %x: got %lx/%x, want %lx/%x", mxcsr & ~0x3fu, got,
                      flags, want, want_flags);
        first += text;
    }
    const char* what;
    std::string first;
    unsigned count = 0;
};

template <class F> class HostComparison {
    using T = BitsOf<F>;

  public:
    void run() {
        const auto edges = edge_values<F>();
        Random random{F::kBits};
        const auto any = [&] {
            return random.below(2) ? edges[random.below(static_cast<unsigned>(edges.size()))]
                                   : random_value<F>(random);
        };
        for (const T a : edges) {
            for (const T b : edges) {
                in_all_modes(a, b, any());
            }
        }
        for (unsigned i = 0; i < 20'000; ++i) {
            in_all_modes(any(), any(), any());
        }
    }

  private:
    void in_all_modes(T a, T b, T c) {
        for (unsigned mode = 0; mode < 16; ++mode) {
            rounding_ = static_cast<Rounding>(mode & 3);
            fz_ = (mode & 4) != 0;
            fiz_ = (mode & 8) != 0;
            const auto binary = [&](Differences& differences, auto soft, auto host) {
                FpContext fp = context();
                const T got = soft(a, b, fp);
                differences.check(got, fp.flags, control(), {a, b},
                                  [&](u32& mxcsr) { return host(F{}, a, b, T{0}, mxcsr); });
            };
            using Host = T (*)(F, T, T, T, u32&);
            binary(add_, FPAdd<F>, static_cast<Host>(host_add));
            binary(sub_, FPSub<F>, static_cast<Host>(host_sub));
            binary(mul_, FPMul<F>, static_cast<Host>(host_mul));
            binary(div_, FPDiv<F>, static_cast<Host>(host_div));
            binary(max_, FPMax<F>, static_cast<Host>(host_max));
            binary(min_, FPMin<F>, static_cast<Host>(host_min));
            FpContext fp = context();
            const T sum = FPMulAdd<F>(a, b, c, fp);
            fma_.check(sum, fp.flags, control(), {a, b, c},
                       [&](u32& mxcsr) { return host_fma(F{}, a, b, c, mxcsr); });
            fp = context();
            const unsigned nzcv = FPCompare<F>(a, b, false, fp);
            cmp_.check(nzcv, fp.flags, control(), {a, b},
                       [&](u32& mxcsr) { return nzcv_of(host_cmp(F{}, a, b, T{0}, mxcsr)); });
            unary(a);
        }
    }

    void unary(T a) {
        FpContext fp = context();
        T got = FPSqrt<F>(a, fp);
        sqrt_.check(got, fp.flags, control(), {a},
                    [&](u32& mxcsr) { return host_sqrt(F{}, a, T{0}, T{0}, mxcsr); });
        fp = context();
        got = FPRoundInt<F>(a, Rounding::Current, true, fp);
        rint_.check(got, fp.flags, control(), {a},
                    [&](u32& mxcsr) { return host_rint(F{}, a, T{0}, T{0}, mxcsr); });
        fp = context();
        if constexpr (std::is_same_v<F, Double>) {
            const u32 narrow = FPConvert<Single, Double>(a, Rounding::Current, fp);
            convert_.check(narrow, fp.flags, control(), {a},
                           [&](u32& mxcsr) { return host_narrow(a, mxcsr); });
        } else {
            const u64 wide = FPConvert<Double, Single>(a, Rounding::Current, fp);
            convert_.check(wide, fp.flags, control(), {a},
                           [&](u32& mxcsr) { return host_widen(a, mxcsr); });
        }
    }

    [[nodiscard]] static u64 nzcv_of(u64 eflags) {
        constexpr u64 kZf = 1 << 6, kPf = 1 << 2, kCf = 1 << 0;
        const u64 order = eflags & (kZf | kPf | kCf);
        return order == 0 ? 0b0010 : order == kZf ? 0b0110 : order == kCf ? 0b1000 : 0b0011;
    }
    [[nodiscard]] FpContext context() const { return alternate(rounding_, fz_, fiz_); }
    [[nodiscard]] u32 control() const {
        return mxcsr_of(rounding_, false) | (fz_ ? 0x8000 : 0) | (fiz_ ? 0x40 : 0);
    }

    Rounding rounding_ = Rounding::TieEven;
    bool fz_ = false, fiz_ = false;
    Differences add_{"add"}, sub_{"sub"}, mul_{"mul"}, div_{"div"}, max_{"max"}, min_{"min"},
        fma_{"fma"}, sqrt_{"sqrt"}, rint_{"rint"}, convert_{"convert"}, cmp_{"compare"};
};

constexpr u32 kOne = 0x3f80'0000, kInf = 0x7f80'0000, kDenormal = 1, kMinNormal = 0x0080'0000,
              kQuiet1 = 0x7fc0'0001, kQuiet2 = 0xffc0'0002, kSignaling = 0x7f80'0003;

} // namespace

TEST_CASE("with FPCR.AH single precision equals SSE", "[fp]") { HostComparison<Single>{}.run(); }
TEST_CASE("with FPCR.AH double precision equals SSE", "[fp]") { HostComparison<Double>{}.run(); }

TEST_CASE("with FPCR.AH, FNEG and FABS leave NaNs alone", "[fp]") {
    const FpContext plain, ah = alternate();
    CHECK(FPNeg<Single>(kQuiet1, plain) == 0xffc0'0001);
    CHECK(FPAbs<Single>(kQuiet2, plain) == 0x7fc0'0002);
    CHECK(FPNeg<Single>(kQuiet1, ah) == kQuiet1);
    CHECK(FPAbs<Single>(kQuiet2, ah) == kQuiet2);
    CHECK(FPNeg<Single>(kSignaling, ah) == kSignaling);
    CHECK(FPNeg<Single>(kInf, ah) == 0xff80'0000);
    CHECK(FPAbs<Half>(0xfc00, ah) == 0x7c00);
    CHECK(FPAbs<Half>(0xfc01, ah) == 0xfc01);
}

TEST_CASE("with FPCR.AH, FMAXNM takes the number, or the first NaN", "[fp]") {
    FpContext fp = alternate();
    CHECK(FPMaxNum<Single>(kQuiet1, kOne, fp) == kOne);
    CHECK(FPMaxNum<Single>(kOne, kQuiet1, fp) == kOne);
    CHECK(FPMaxNum<Single>(kQuiet2, kQuiet1, fp) == kQuiet2);
    CHECK(fp.flags == 0);
    CHECK(FPMaxNum<Single>(kQuiet2, kSignaling, fp) == kQuiet2); // without AH: the signaling one
    CHECK(fp.flags == fpsr::kIOC);
    fp = alternate();
    CHECK(FPMaxNum<Single>(0x8000'0000, 0, fp) == 0);
    CHECK(FPMax<Single>(0, 0x8000'0000, fp) == 0x8000'0000);
    CHECK(fp.flags == 0);
    // FMAXNM flushes what it returns, FMAX does not.
    fp = alternate(Rounding::TieEven, true);
    CHECK(FPMax<Single>(0, kDenormal, fp) == kDenormal);
    CHECK(fp.flags == fpsr::kIDC);
    fp.flags = 0;
    CHECK(FPMaxNum<Single>(0, kDenormal, fp) == 0);
    CHECK(fp.flags == (fpsr::kIDC | fpsr::kUFC | fpsr::kIXC));
}

TEST_CASE("FPCR.FIZ flushes operands silently", "[fp]") {
    FpContext fp;
    fp.fiz = true;
    CHECK(FPAdd<Single>(kDenormal, kDenormal, fp) == 0);
    CHECK(FPMul<Double>(0x8000'0000'0000'0001, 0x3ff0'0000'0000'0000, fp) == 0x8000'0000'0000'0000);
    CHECK(FPAdd<Half>(1, 1, fp) == 2); // not half precision
    CHECK(FPConvert<Double, Single>(kDenormal, Rounding::Current, fp) == 0);
    CHECK(FPConvert<Single, Half>(1, Rounding::Current, fp) == 0x3380'0000);
    CHECK(fp.flags == 0);
    CHECK(FPMul<Single>(kMinNormal, 0x3f00'0000, fp) == 0x0040'0000); // nor results
    fp.fz = true;                                                     // without AH, FZ says so
    CHECK(FPAdd<Single>(kDenormal, kDenormal, fp) == 0);
    CHECK(fp.flags == fpsr::kIDC);
}

TEST_CASE("with FPCR.AH, half precision is tiny after rounding and never Input Denormal", "[fp]") {
    FpContext fp = alternate();
    constexpr u16 kBelow = 0x3bff, kLeastNormal = 0x0400; // 1 - 2^-11
    CHECK(FPMul<Half>(kLeastNormal, kBelow, fp) == kLeastNormal);
    CHECK(fp.flags == (fpsr::kUFC | fpsr::kIXC)); // 2^-14 - 2^-25 is a number of 11 bits
    fp.flags = 0;
    CHECK(FPConvert<Half, Single>(0x387f'ffff, Rounding::Current, fp) == kLeastNormal);
    CHECK(fp.flags == fpsr::kIXC); // rounded to 11 bits it is 2^-14
    fp.flags = 0;
    CHECK(FPAdd<Half>(1, 1, fp) == 2);
    CHECK(fp.flags == 0);
    fp.fz16 = true;
    CHECK(FPMul<Half>(kLeastNormal, 0x3800, fp) == 0);
    CHECK(fp.flags == (fpsr::kUFC | fpsr::kIXC)); // without AH: UFC alone
}

TEST_CASE("with FPCR.AH, estimates, their steps and bfloat16 raise nothing", "[fp]") {
    FpContext fp = alternate(Rounding::PlusInf);
    CHECK(FPRecipEstimate<Single>(0x8000'0000, false, fp) == 0xff80'0000);
    CHECK(FPRecipEstimate<Single>(kDenormal, false, fp) == kInf); // flushed
    CHECK(FPRecipEstimate<Single>(0x7f00'0000, false, fp) == 0);  // the result, too
    CHECK(FPRSqrtEstimate<Single>(0xbf80'0000, false, fp) == 0xffc0'0000);
    CHECK(FPRecpX<Single>(kSignaling, fp) == 0x7fc0'0003);
    CHECK(FPRecipStepFused<Single>(kOne, 0x3f80'0001, fp) == 0x3f7f'fffe);
    CHECK(FPRSqrtStepFused<Single>(kSignaling, kOne, fp) == 0x7fc0'0003);
    CHECK(FPConvertBF(0x3f80'0001, fp) == 0x3f80); // nearest
    CHECK(FPConvertBF(kMinNormal - 1, fp) == 0);
    CHECK(FPConvertBF(kSignaling, fp) == 0x7fc0);
    CHECK(fp.flags == 0);
    fp.dn = true;
    CHECK(FPConvertBF(kQuiet1, fp) == 0xffc0);
    CHECK(BFDotAdd(0, 0x7f80, 0, true) == 0xffc0'0000);
    CHECK(BFDotAdd(0, 0x7f80, 0, false) == 0x7fc0'0000);
}

TEST_CASE("with FPCR.AH, FMLAL prefers the factors' NaNs", "[fp]") {
    FpContext fp = alternate();
    CHECK(FPMulAddH(kQuiet2, 0xfe01, 0x3c00, fp) == 0xffc0'2000);
    CHECK(FPMulAddH(kQuiet2, 0x3c00, 0x7e03, fp) == 0x7fc0'6000);
    CHECK(FPMulAddH(kQuiet2, 0x7c00, 0, fp) == kQuiet2); // infinity * 0 is not noticed
    CHECK(fp.flags == 0);
    CHECK(FPMulAddH(kSignaling, 0x7e01, 0x3c00, fp) == 0x7fc0'2000);
    CHECK(fp.flags == fpsr::kIOC);
    fp.flags = 0;
    CHECK(FPMulAddH(kDenormal, 0x3c00, 0x3c00, fp) == kOne);
    CHECK(fp.flags == (fpsr::kIDC | fpsr::kIXC));
}

// FEAT_RPRES: 12 bits of fraction, of as many of the operand; roots look at one bit less.
TEST_CASE("estimates of increased precision", "[fp]") {
    FpContext fp = alternate();
    const auto number = [](u32 bits) { return static_cast<double>(std::bit_cast<float>(bits)); };
    for (u32 fraction = 0; fraction < 1 << 12; ++fraction) {
        for (const u32 exponent : {0x3f80'0000u, 0x4000'0000u}) {
            const u32 op = exponent | fraction << 11;
            for (const bool root : {false, true}) {
                const u32 estimate = root ? FPRSqrtEstimate<Single>(op, true, fp)
                                          : FPRecipEstimate<Single>(op, true, fp);
                const double exact = root ? number(op) * number(estimate) * number(estimate)
                                          : number(op) * number(estimate);
                const double tolerance = root ? 0x1p-10 : 0x1p-11;
                if ((estimate & 0x7ff) != 0 || std::abs(exact - 1) > tolerance) {
                    INFO(std::hex << op << " " << estimate);
                    FAIL_CHECK(exact);
                }
            }
        }
    }
    CHECK(FPRecipEstimate<Single>(kOne, true, fp) == 0x3f7f'f000);
    CHECK(FPRSqrtEstimate<Single>(kOne, true, fp) == 0x3f7f'f000);
    CHECK(fp.flags == 0);
}
