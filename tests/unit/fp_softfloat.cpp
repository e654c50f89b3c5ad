// The FP arithmetic of ir/softfloat.h against the host's FPU where the two architectures agree, and
// against the rules of the Arm manual where they do not: NaNs, tininess, flushing, saturation.
#include "tests/unit/fp_host.h"

#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;
using namespace ulna::test;

namespace {

constexpr Rounding kModes[] = {Rounding::TieEven, Rounding::PlusInf, Rounding::MinusInf,
                               Rounding::Zero};

FpContext context(Rounding rounding, bool fz = false, bool dn = false) {
    FpContext fp;
    fp.rounding = rounding;
    fp.fz = fz;
    fp.dn = dn;
    return fp;
}

template <class F>
constexpr BitsOf<F> kInf = static_cast<BitsOf<F>>(((u64{1} << F::kExpBits) - 1) << F::kFracBits);
template <class F> constexpr BitsOf<F> kMinNormal = static_cast<BitsOf<F>>(u64{1} << F::kFracBits);
template <class F>
constexpr BitsOf<F> kQuietBit = static_cast<BitsOf<F>>(u64{1} << (F::kFracBits - 1));

template <class F> bool is_snan(BitsOf<F> v) { return is_nan<F>(v) && (v & kQuietBit<F>) == 0; }
template <class F> bool is_denormal(BitsOf<F> v) {
    return magnitude_of<F>(v) != 0 && magnitude_of<F>(v) < kMinNormal<F>;
}

// What Arm makes of NaN operands: the first signaling one, else the first quiet one, quieted.
template <class F> BitsOf<F> chosen_nan(std::initializer_list<BitsOf<F>> operands) {
    for (const BitsOf<F> v : operands) {
        if (is_snan<F>(v)) {
            return v | kQuietBit<F>;
        }
    }
    for (const BitsOf<F> v : operands) {
        if (is_nan<F>(v)) {
            return v;
        }
    }
    return kInf<F> | kQuietBit<F>;
}

struct Result {
    u64 bits;
    u32 flags;
    bool operator==(const Result&) const = default;
};

// The host's answer, corrected for the differences of the architectures. `run(mxcsr)` makes it.
template <class F, class Run>
Result host_answer(std::initializer_list<BitsOf<F>> operands, Rounding rounding, bool fz, Run run) {
    u32 mxcsr = mxcsr_of(rounding, fz);
    BitsOf<F> bits = run(mxcsr);
    u32 flags = fpsr_of(mxcsr);
    bool any_nan = false, any_snan = false, any_denormal = false;
    for (const BitsOf<F> v : operands) {
        any_nan |= is_nan<F>(v);
        any_snan |= is_snan<F>(v);
        any_denormal |= is_denormal<F>(v);
    }
    if (any_nan) {
        bits = chosen_nan<F>(operands);
        flags = any_snan ? fpsr::kIOC : 0;
    } else if (is_nan<F>(bits)) {
        bits = kInf<F> | kQuietBit<F>;
    }
    // Tiny before rounding but not after it: the least normal number, reached by rounding up.
    // Rounding towards zero shows on which side the exact value was.
    if (magnitude_of<F>(bits) == kMinNormal<F> && (flags & fpsr::kIXC)) {
        u32 to_zero =
            mxcsr_of(Rounding::Zero, false) | (fz ? 0x40 : 0); // inputs flushed, not the result
        if (magnitude_of<F>(run(to_zero)) < kMinNormal<F>) {
            flags |= fpsr::kUFC;
            if (fz) {
                bits &= static_cast<BitsOf<F>>(~kMinNormal<F>);
            }
        }
    }
    if (fz) {
        if (flags & fpsr::kUFC) { // Arm does not say Inexact when it flushes
            flags &= ~fpsr::kIXC;
        }
        flags |= any_denormal ? fpsr::kIDC : 0;
    }
    return {bits, flags};
}

template <class F> std::vector<std::array<BitsOf<F>, 3>> operand_triples(unsigned random_count) {
    const auto edges = edge_values<F>();
    Random random{F::kBits};
    std::vector<std::array<BitsOf<F>, 3>> triples;
    for (const auto a : edges) {
        for (const auto b : edges) {
            triples.push_back({a, b, edges[random.below(static_cast<unsigned>(edges.size()))]});
        }
    }
    for (unsigned i = 0; i < random_count; ++i) {
        triples.push_back(
            {random_value<F>(random), random_value<F>(random), random_value<F>(random)});
    }
    return triples;
}

// Counts differences and reports the first: thousands of REQUIREs would be slow.
class Comparison {
  public:
    explicit Comparison(const char* what) : what_{what} {}
    ~Comparison() {
        INFO(what_ << ": " << first_);
        CHECK(differences_ == 0);
    }
    void check(const Result& got,
               const Result& want,
               std::initializer_list<u64> operands,
               unsigned mode) {
        if (got == want || differences_++ != 0) {
            return;
        }
        char text[64];
        for (const u64 v : operands) {
            std::snprintf(text, sizeof text, "%llx ", static_cast<unsigned long long>(v));
            first_ += text;
        }
        std::snprintf(text, sizeof text, "mode %u: got %llx/%x ", mode,
                      static_cast<unsigned long long>(got.bits), got.flags);
        first_ += text;
        std::snprintf(text, sizeof text, "want %llx/%x", static_cast<unsigned long long>(want.bits),
                      want.flags);
        first_ += text;
    }

  private:
    const char* what_;
    std::string first_;
    unsigned differences_ = 0;
};

template <class F> void compare_arithmetic(bool fz, unsigned random_count = 20'000) {
    using T = BitsOf<F>;
    Comparison add{"add"}, sub{"sub"}, mul{"mul"}, div{"div"}, root{"sqrt"}, fma{"fma"};
    for (const auto& triple : operand_triples<F>(random_count)) {
        [[maybe_unused]] const auto a = triple[0], b = triple[1], c = triple[2];
        for (const Rounding mode : kModes) {
            const auto check2 = [&](Comparison& comparison, auto soft, auto host) {
                FpContext fp = context(mode, fz);
                const T got = soft(a, b, fp);
                comparison.check(
                    {got, fp.flags},
                    host_answer<F>({a, b}, mode, fz,
                                   [&](u32& mxcsr) { return host(F{}, a, b, T{0}, mxcsr); }),
                    {a, b}, static_cast<unsigned>(mode));
            };
            using Host = T (*)(F, T, T, T, u32&);
            check2(add, FPAdd<F>, static_cast<Host>(host_add));
            check2(sub, FPSub<F>, static_cast<Host>(host_sub));
            check2(mul, FPMul<F>, static_cast<Host>(host_mul));
            check2(div, FPDiv<F>, static_cast<Host>(host_div));

            FpContext fp = context(mode, fz);
            const T got_root = FPSqrt<F>(a, fp);
            root.check({got_root, fp.flags},
                       host_answer<F>({a}, mode, fz,
                                      [&](u32& m) { return host_sqrt(F{}, a, T{0}, T{0}, m); }),
                       {a}, static_cast<unsigned>(mode));

            fp = context(mode, fz);
            const T got = FPMulAdd<F>(a, b, c, fp);
            Result want = host_answer<F>({a, b, c}, mode, fz,
                                         [&](u32& m) { return host_fma(F{}, a, b, c, m); });
            const auto zero = [&](T v) {
                return magnitude_of<F>(v) == 0 || (fz && is_denormal<F>(v));
            };
            const bool invalid = (magnitude_of<F>(b) == kInf<F> && zero(c)) ||
                                 (zero(b) && magnitude_of<F>(c) == kInf<F>);
            if (invalid && is_nan<F>(a) && !is_snan<F>(a)) { // the addend's NaN does not hide it
                want.bits = kInf<F> | kQuietBit<F>;
                want.flags |= fpsr::kIOC;
            }
            fma.check({got, fp.flags}, want, {a, b, c}, static_cast<unsigned>(mode));
        }
    }
}

} // namespace

TEST_CASE("soft float arithmetic equals the host's", "[fp]") {
    compare_arithmetic<Single>(false);
    compare_arithmetic<Double>(false);
}

TEST_CASE("soft float arithmetic with flush to zero", "[fp]") {
    compare_arithmetic<Single>(true);
    compare_arithmetic<Double>(true);
}

TEST_CASE("soft float half-precision arithmetic equals the host's", "[fp]") {
    if (!has_host_half()) {
        WARN("skipped: this host does not compute in half precision");
        return;
    }
    compare_arithmetic<Half>(false, 20'000);
}

// Single precision has room for every product of halves and every half.
TEST_CASE("FPMulAddH equals FPMulAdd of the factors widened", "[fp]") {
    Comparison comparison{"fma of halves"};
    const auto halves = edge_values<Half>();
    const auto singles = edge_values<Single>();
    Random random{16};
    const auto pick = [&](const auto& values) {
        return values[random.below(static_cast<unsigned>(values.size()))];
    };
    for (unsigned i = 0; i < 40'000; ++i) {
        const u32 addend = random.below(2) ? pick(singles) : random_value<Single>(random);
        const u16 op1 = random.below(2) ? pick(halves) : random_value<Half>(random);
        const u16 op2 = random.below(2) ? pick(halves) : random_value<Half>(random);
        if (is_nan<Half>(op1) || is_nan<Half>(op2)) {
            continue;
        }
        for (const Rounding mode : kModes) {
            for (const bool fz : {false, true}) {
                FpContext got = context(mode, fz), want = context(mode, fz);
                const u32 result = FPMulAddH(addend, op1, op2, got);
                const u32 wide1 = FPConvert<Single, Half>(op1, Rounding::Current, want),
                          wide2 = FPConvert<Single, Half>(op2, Rounding::Current, want);
                const u32 wanted = FPMulAdd<Single>(addend, wide1, wide2, want);
                comparison.check({result, got.flags}, {wanted, want.flags}, {addend, op1, op2},
                                 static_cast<unsigned>(mode));
            }
        }
    }
}

TEST_CASE("FPMulAddH chooses among NaNs like FPMulAdd", "[fp]") {
    constexpr u32 kOne = 0x3f80'0000, kQNaN = 0xffc0'0003, kSNaN = 0x7f80'0007;
    constexpr u16 kHalfOne = 0x3c00, kHalfInf = 0x7c00, kHalfQNaN = 0xfe05, kHalfSNaN = 0x7c09;
    struct Row {
        u32 addend;
        u16 op1, op2;
        u32 result, flags;
    };
    constexpr Row kRows[] = {
        {kOne, kHalfQNaN, kHalfOne, 0xffc0'a000, 0},
        {kOne, kHalfSNaN, kHalfQNaN, 0x7fc1'2000, fpsr::kIOC},
        {kOne, kHalfQNaN, kHalfSNaN, 0x7fc1'2000, fpsr::kIOC},
        {kQNaN, kHalfQNaN, kHalfOne, kQNaN, 0},
        {kQNaN, kHalfSNaN, kHalfOne, 0x7fc1'2000, fpsr::kIOC},
        {kSNaN, kHalfSNaN, kHalfOne, kSNaN | 0x40'0000, fpsr::kIOC},
        {kQNaN, kHalfInf, 0, 0x7fc0'0000, fpsr::kIOC},
        {kOne, 0, kHalfInf, 0x7fc0'0000, fpsr::kIOC},
    };
    for (const Row& row : kRows) {
        FpContext fp = context(Rounding::TieEven);
        INFO(std::hex << row.addend << " " << row.op1 << " " << row.op2);
        CHECK(FPMulAddH(row.addend, row.op1, row.op2, fp) == row.result);
        CHECK(fp.flags == row.flags);
        FpContext dn = context(Rounding::TieEven, false, true);
        CHECK(FPMulAddH(row.addend, row.op1, row.op2, dn) == 0x7fc0'0000);
        CHECK(dn.flags == row.flags);
    }
    FpContext flushing = context(Rounding::TieEven);
    flushing.fz16 = true;
    CHECK(FPMulAddH(kOne, 0x03ff, 0x7bff, flushing) == kOne); // without Input Denormal
    CHECK(flushing.flags == 0);
    FpContext alternative = context(Rounding::TieEven);
    alternative.ahp = true; // for conversions only
    CHECK(FPMulAddH(kOne, kHalfInf, kHalfOne, alternative) == 0x7f80'0000);
}

TEST_CASE("half precision arithmetic equals double precision rounded once", "[fp]") {
    Comparison add{"add"}, mul{"mul"};
    for (const auto& triple : operand_triples<Half>(20'000)) {
        [[maybe_unused]] const auto a = triple[0], b = triple[1], c = triple[2];
        if (is_nan<Half>(a) || is_nan<Half>(b)) {
            continue;
        }
        for (const Rounding mode : kModes) {
            FpContext wide = context(mode);
            const u64 a64 = FPConvert<Double, Half>(a, mode, wide),
                      b64 = FPConvert<Double, Half>(b, mode, wide);
            const auto check = [&](Comparison& comparison, auto soft, auto soft64) {
                FpContext got = context(mode), want = context(mode);
                const u16 result = soft(a, b, got);
                const u64 exact = soft64(a64, b64, want);
                const u16 wanted = FPConvert<Half, Double>(exact, mode, want);
                comparison.check({result, got.flags}, {wanted, want.flags}, {a, b},
                                 static_cast<unsigned>(mode));
            };
            check(add, FPAdd<Half>, FPAdd<Double>);
            check(mul, FPMul<Half>, FPMul<Double>);
        }
    }
}

TEST_CASE("soft float comparison", "[fp]") {
    Comparison compare{"compare"};
    for (const auto& triple : operand_triples<Double>(5'000)) {
        [[maybe_unused]] const auto a = triple[0], b = triple[1], c = triple[2];
        u32 mxcsr = mxcsr_of(Rounding::TieEven, false);
        const u64 eflags = host_cmp(Double{}, a, b, 0, mxcsr);
        const bool zf = eflags & 0x40, pf = eflags & 4, cf = eflags & 1;
        const unsigned want = pf ? 3 : zf ? 6 : cf ? 8 : 2;
        FpContext fp = context(Rounding::TieEven);
        const unsigned got = FPCompare<Double>(a, b, false, fp);
        compare.check({got, fp.flags}, {want, fpsr_of(mxcsr)}, {a, b}, 0);
        fp.flags = 0;
        const unsigned signaling = FPCompare<Double>(a, b, true, fp);
        compare.check({signaling, fp.flags}, {want, pf ? fpsr::kIOC : 0}, {a, b}, 1);
    }
}

TEST_CASE("soft float rounding to integral and to integers", "[fp]") {
    Comparison rint{"rint"}, to_int{"to i64"};
    const auto run = [&](auto format) {
        using F = decltype(format);
        for (const auto& triple : operand_triples<F>(10'000)) {
            [[maybe_unused]] const auto a = triple[0], b = triple[1], c = triple[2];
            for (const Rounding mode : kModes) {
                FpContext fp = context(mode);
                const auto got = FPRoundInt<F>(a, Rounding::Current, true, fp);
                rint.check({got, fp.flags},
                           host_answer<F>({a}, mode, false,
                                          [&](u32& m) {
                                              return host_rint(F{}, a, BitsOf<F>{0}, BitsOf<F>{0},
                                                               m);
                                          }),
                           {a}, static_cast<unsigned>(mode));
                u32 mxcsr = mxcsr_of(mode, false);
                const u64 host = host_to_i64(F{}, a, mxcsr);
                if (fpsr_of(mxcsr) & fpsr::kIOC) {
                    continue; // saturation has its own test
                }
                fp.flags = 0;
                const u64 value = FPToFixed<F>(a, {0, true, mode}, 64, fp);
                to_int.check({value, fp.flags}, {host, fpsr_of(mxcsr)}, {a},
                             static_cast<unsigned>(mode));
            }
        }
    };
    run(Single{});
    run(Double{});
}

TEST_CASE("soft float conversion from integers", "[fp]") {
    Comparison from{"from i64"};
    Random random{7};
    for (unsigned i = 0; i < 20'000; ++i) {
        const u64 v = i < 130
                          ? (u64{1} << (i / 2 % 64)) - (i & 1)
                          : static_cast<u64>(static_cast<i64>(random.next()) >> random.below(64));
        for (const Rounding mode : kModes) {
            u32 mxcsr = mxcsr_of(mode, false);
            FpContext fp = context(mode);
            const FixedInfo info{0, true, Rounding::Current};
            const u32 single = FixedToFP<Single>(v, info, 64, fp);
            const u32 host32 = host_i64_to_single(v, mxcsr);
            from.check({single, fp.flags}, {host32, fpsr_of(mxcsr)}, {v},
                       static_cast<unsigned>(mode));
            fp.flags = 0;
            mxcsr = mxcsr_of(mode, false);
            const u64 double_ = FixedToFP<Double>(v, info, 64, fp);
            const u64 host64 = host_i64_to_double(v, mxcsr);
            from.check({double_, fp.flags}, {host64, fpsr_of(mxcsr)}, {v},
                       static_cast<unsigned>(mode));
        }
    }
}

TEST_CASE("soft float conversion between formats", "[fp]") {
    Comparison narrow{"narrow"}, widen{"widen"}, half{"half"};
    for (const Rounding mode : kModes) {
        for (const auto& triple : operand_triples<Double>(20'000)) {
            [[maybe_unused]] const auto a = triple[0], b = triple[1], c = triple[2];
            if (is_nan<Double>(a)) {
                continue;
            }
            u32 mxcsr = mxcsr_of(mode, false);
            FpContext fp = context(mode);
            const u32 got = FPConvert<Single, Double>(a, Rounding::Current, fp);
            const Result want =
                host_answer<Single>({}, mode, false, [&](u32& m) { return host_narrow(a, m); });
            narrow.check({got, fp.flags}, want, {a}, static_cast<unsigned>(mode));
            const u32 narrowed = host_narrow(a, mxcsr);
            FpContext wide = context(mode);
            const u64 widened = FPConvert<Double, Single>(narrowed, Rounding::Current, wide);
            u32 widen_mxcsr = mxcsr_of(mode, false);
            widen.check({widened, wide.flags}, {host_widen(narrowed, widen_mxcsr), 0}, {narrowed},
                        static_cast<unsigned>(mode));
        }
        for (const auto& triple : operand_triples<Single>(20'000)) {
            [[maybe_unused]] const auto a = triple[0], b = triple[1], c = triple[2];
            if (is_nan<Single>(a)) {
                continue;
            }
            FpContext fp = context(mode);
            const u16 got = FPConvert<Half, Single>(a, Rounding::Current, fp);
            const Result want =
                host_answer<Half>({}, mode, false, [&](u32& m) { return host_to_half(a, m); });
            half.check({got, fp.flags}, want, {a}, static_cast<unsigned>(mode));
        }
    }
    for (u32 h = 0; h < 0x10000; ++h) {
        u32 mxcsr = mxcsr_of(Rounding::TieEven, false);
        FpContext fp = context(Rounding::TieEven);
        const u32 got = FPConvert<Single, Half>(static_cast<u16>(h), Rounding::Current, fp);
        const u32 host = host_from_half(static_cast<u16>(h), mxcsr);
        half.check({got, fp.flags}, {host, fpsr_of(mxcsr)}, {h}, 0);
    }
}

TEST_CASE("alternative half precision has no infinities or NaNs", "[fp]") {
    FpContext fp = context(Rounding::TieEven);
    fp.ahp = true;
    CHECK(FPConvert<Single, Half>(0x7c00, Rounding::Current, fp) == 0x4780'0000); // 65536.0
    CHECK(FPConvert<Single, Half>(0xffff, Rounding::Current, fp) == 0xc7ff'e000); // -131008.0
    CHECK(fp.flags == 0);
    CHECK(FPConvert<Half, Single>(0x7f80'0000, Rounding::Current, fp) == 0x7fff);
    CHECK(fp.flags == fpsr::kIOC);
    fp.flags = 0;
    CHECK(FPConvert<Half, Single>(0xffc0'0001, Rounding::Current, fp) == 0x8000);
    CHECK(fp.flags == fpsr::kIOC);
    fp.flags = 0;
    CHECK(FPConvert<Half, Single>(0x4800'0000, Rounding::Current, fp) ==
          0x7fff); // 131072.0 saturates
    CHECK(fp.flags == fpsr::kIOC);
}

TEST_CASE("round to odd keeps a sticky last bit", "[fp]") {
    FpContext fp = context(Rounding::TieEven);
    CHECK(FPConvert<Single, Double>(0x3ff0'0000'0000'0001, Rounding::Odd, fp) == 0x3f80'0001);
    CHECK(fp.flags == fpsr::kIXC);
    fp.flags = 0;
    CHECK(FPConvert<Single, Double>(0x7fe0'0000'0000'0000, Rounding::Odd, fp) == 0x7f7f'ffff);
    CHECK(fp.flags == (fpsr::kOFC | fpsr::kIXC));
}

TEST_CASE("conversion to integers saturates", "[fp]") {
    const auto to = [](u64 bits, bool is_signed, unsigned width, u8 fraction = 0) {
        FpContext fp = context(Rounding::TieEven);
        const u64 value = FPToFixed<Double>(bits, {fraction, is_signed, Rounding::Zero}, width, fp);
        return std::pair{value, fp.flags};
    };
    using P = std::pair<u64, u32>;
    CHECK(to(0x41e0'0000'0000'0000, true, 32) == P{0x7fff'ffff, fpsr::kIOC});
    CHECK(to(0xc1e0'0000'0000'0000, true, 32) == P{0x8000'0000, 0});
    CHECK(to(0xc1e0'0000'0010'0000, true, 32) == P{0x8000'0000, fpsr::kIXC});
    CHECK(to(0xbfe0'0000'0000'0000, false, 32) == P{0, fpsr::kIXC});
    CHECK(to(0xbff0'0000'0000'0000, false, 32) == P{0, fpsr::kIOC});
    CHECK(to(0x41f0'0000'0000'0000, false, 32) == P{0xffff'ffff, fpsr::kIOC});
    CHECK(to(0x43e0'0000'0000'0000, true, 64) == P{0x7fff'ffff'ffff'ffff, fpsr::kIOC});
    CHECK(to(0x43e0'0000'0000'0000, false, 64) == P{0x8000'0000'0000'0000, 0});
    CHECK(to(0x43f0'0000'0000'0000, false, 64) == P{~u64{0}, fpsr::kIOC});
    CHECK(to(0x7ff8'0000'0000'0000, true, 64) == P{0, fpsr::kIOC});
    CHECK(to(0xfff0'0000'0000'0000, true, 64) == P{0x8000'0000'0000'0000, fpsr::kIOC});
    CHECK(to(0x3ff8'0000'0000'0000, true, 32, 16) == P{0x18000, 0});
    CHECK(to(0x3ff0'0000'0000'0000, false, 64, 64) == P{~u64{0}, fpsr::kIOC});
}

TEST_CASE("FPMax and FPMaxNum", "[fp]") {
    FpContext fp = context(Rounding::TieEven);
    constexpr u32 qnan = 0x7fc0'0001, snan = 0xff80'0001, zero = 0, minus_zero = 0x8000'0000,
                  one = 0x3f80'0000;
    CHECK(FPMax<Single>(zero, minus_zero, fp) == zero);
    CHECK(FPMax<Single>(minus_zero, zero, fp) == zero);
    CHECK(FPMin<Single>(zero, minus_zero, fp) == minus_zero);
    CHECK(FPMin<Single>(minus_zero, zero, fp) == minus_zero);
    CHECK(FPMax<Single>(one, qnan, fp) == qnan);
    CHECK(FPMaxNum<Single>(one, qnan, fp) == one);
    CHECK(FPMinNum<Single>(qnan, one, fp) == one);
    CHECK(FPMaxNum<Single>(qnan, qnan + 1, fp) == qnan);
    CHECK(fp.flags == 0);
    CHECK(FPMaxNum<Single>(one, snan, fp) == (snan | 0x40'0000));
    CHECK(fp.flags == fpsr::kIOC);
}

TEST_CASE("FMULX and the reciprocal steps treat 0 * infinity specially", "[fp]") {
    FpContext fp = context(Rounding::TieEven);
    constexpr u32 inf = 0x7f80'0000, minus_zero = 0x8000'0000;
    CHECK(FPMulX<Single>(inf, minus_zero, fp) == 0xc000'0000);
    CHECK(FPRecipStepFused<Single>(inf, 0, fp) == 0x4000'0000);
    CHECK(FPRSqrtStepFused<Single>(minus_zero, inf, fp) == 0x3fc0'0000);
    CHECK(FPRecipStepFused<Single>(0x3f80'0000, 0x3f80'0000, fp) == 0x3f80'0000);
    CHECK(FPRSqrtStepFused<Single>(0x3f80'0000, 0x3f80'0000, fp) == 0x3f80'0000);
    CHECK(FPRecipStepFused<Single>(0x3f80'0000, 0x4000'0000, fp) == 0);
    CHECK(fp.flags == 0);
}

TEST_CASE("reciprocal estimates", "[fp]") {
    FpContext fp = context(Rounding::TieEven);
    CHECK(FPRecipEstimate<Single>(0x3f80'0000, false, fp) == 0x3f7f'8000);
    CHECK(FPRecipEstimate<Double>(0x4000'0000'0000'0000, false, fp) == 0x3fdf'f000'0000'0000);
    CHECK(FPRSqrtEstimate<Single>(0x3f80'0000, false, fp) == 0x3f7f'8000);
    CHECK(FPRSqrtEstimate<Double>(0x4010'0000'0000'0000, false, fp) == 0x3fdf'f000'0000'0000);
    CHECK(fp.flags == 0);
    CHECK(FPRecipEstimate<Single>(0x8000'0000, false, fp) == 0xff80'0000);
    CHECK(fp.flags == fpsr::kDZC);
    fp.flags = 0;
    CHECK(FPRecipEstimate<Single>(0x0010'0000, false, fp) == 0x7f80'0000);
    CHECK(fp.flags == (fpsr::kOFC | fpsr::kIXC));
    fp.flags = 0;
    CHECK(FPRSqrtEstimate<Single>(0xbf80'0000, false, fp) == 0x7fc0'0000);
    CHECK(fp.flags == fpsr::kIOC);
    CHECK(UnsignedRecipEstimate(0x7fff'ffff) == 0xffff'ffff);
    CHECK(UnsignedRecipEstimate(0x8000'0000) == 0xff80'0000);
    CHECK(UnsignedRecipEstimate(0xffff'ffff) == 0x8000'0000);
    CHECK(UnsignedRSqrtEstimate(0x3fff'ffff) == 0xffff'ffff);
    CHECK(UnsignedRSqrtEstimate(0x4000'0000) == 0xff80'0000);
    CHECK(UnsignedRSqrtEstimate(0xffff'ffff) == 0x8000'0000);
}
