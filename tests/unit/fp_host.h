// The host's floating point as a second opinion: one SSE/FMA instruction under a chosen MXCSR, and
// the edge values worth trying. For tests only.
#pragma once

#include <sys/platform/x86.h>

#include <vector>

#include "ir/softfloat.h"

namespace ulna::test {

// Runs asm statement `insn` with operands a (in/out), b, c under `mxcsr`, which returns with sticky
// bits.
#define FP_HOST_OP(name, insn64, insn32)                                                           \
    inline u64 name(ir::Double, u64 a, u64 b, u64 c, u32& mxcsr) {                                 \
        return host_run(insn64, u64, a, b, c, mxcsr);                                              \
    }                                                                                              \
    inline u32 name(ir::Single, u32 a, u32 b, u32 c, u32& mxcsr) {                                 \
        return host_run(insn32, u32, a, b, c, mxcsr);                                              \
    }
// clang-format off
#define host_run(insn, type, a, b, c, mxcsr)                                                       \
    [&] {                                                                                          \
        const u32 normal = 0x1f80;                                                                 \
        u64 ra = a, rb = b, rc = c;                                                                \
        asm volatile("ldmxcsr %[control]\n\t"                                                      \
                     "vmovq %[ra], %%xmm0\n\tvmovq %[rb], %%xmm1\n\tvmovq %[rc], %%xmm2\n\t"       \
                     insn "\n\t"                                                                   \
                     "vmovq %%xmm0, %[ra]\n\t"                                                     \
                     "stmxcsr %[control]\n\tldmxcsr %[normal]"                                     \
                     : [ra] "+r"(ra), [control] "+m"(mxcsr)                                        \
                     : [rb] "r"(rb), [rc] "r"(rc), [normal] "m"(normal)                            \
                     : "xmm0", "xmm1", "xmm2");                                                    \
        return static_cast<type>(ra);                                                              \
    }()
FP_HOST_OP(host_add,  "vaddsd %%xmm1, %%xmm0, %%xmm0",  "vaddss %%xmm1, %%xmm0, %%xmm0")
FP_HOST_OP(host_sub,  "vsubsd %%xmm1, %%xmm0, %%xmm0",  "vsubss %%xmm1, %%xmm0, %%xmm0")
FP_HOST_OP(host_mul,  "vmulsd %%xmm1, %%xmm0, %%xmm0",  "vmulss %%xmm1, %%xmm0, %%xmm0")
FP_HOST_OP(host_div,  "vdivsd %%xmm1, %%xmm0, %%xmm0",  "vdivss %%xmm1, %%xmm0, %%xmm0")
FP_HOST_OP(host_sqrt, "vsqrtsd %%xmm0, %%xmm0, %%xmm0", "vsqrtss %%xmm0, %%xmm0, %%xmm0")
FP_HOST_OP(host_max,  "vmaxsd %%xmm1, %%xmm0, %%xmm0",  "vmaxss %%xmm1, %%xmm0, %%xmm0")
FP_HOST_OP(host_min,  "vminsd %%xmm1, %%xmm0, %%xmm0",  "vminss %%xmm1, %%xmm0, %%xmm0")
// xmm0 = xmm0 + xmm1 * xmm2
FP_HOST_OP(host_fma,  "vfmadd231sd %%xmm2, %%xmm1, %%xmm0", "vfmadd231ss %%xmm2, %%xmm1, %%xmm0")
FP_HOST_OP(host_rint, "vroundsd $4, %%xmm0, %%xmm0, %%xmm0", "vroundss $4, %%xmm0, %%xmm0, %%xmm0")
FP_HOST_OP(host_cmp,  "vucomisd %%xmm1, %%xmm0\n\tpushfq\n\tpopq %[ra]\n\tvmovq %[ra], %%xmm0",
                      "vucomiss %%xmm1, %%xmm0\n\tpushfq\n\tpopq %[ra]\n\tvmovq %[ra], %%xmm0")
// to i64 with the current rounding; xmm0's low half
FP_HOST_OP(host_to_i64_, "vcvtsd2si %%xmm0, %[ra]\n\tvmovq %[ra], %%xmm0",
                         "vcvtss2si %%xmm0, %[ra]\n\tvmovq %[ra], %%xmm0")
FP_HOST_OP(host_from_i64, "vmovq %%xmm0, %[ra]\n\tvcvtsi2sdq %[ra], %%xmm0, %%xmm0",
                          "vmovq %%xmm0, %[ra]\n\tvcvtsi2ssq %[ra], %%xmm0, %%xmm0")
inline u64 host_to_i64(ir::Double, u64 a, u32& mxcsr) { return host_to_i64_(ir::Double{}, a, 0, 0, mxcsr); }
inline u64 host_to_i64(ir::Single, u32 a, u32& mxcsr) {
    return host_run("vcvtss2si %%xmm0, %[ra]\n\tvmovq %[ra], %%xmm0", u64, a, 0, 0, mxcsr);
}
inline u32 host_i64_to_single(u64 a, u32& mxcsr) {
    return host_run("vmovq %%xmm0, %[ra]\n\tvcvtsi2ssq %[ra], %%xmm0, %%xmm0", u32, a, 0, 0, mxcsr);
}
inline u64 host_i64_to_double(u64 a, u32& mxcsr) {
    return host_run("vmovq %%xmm0, %[ra]\n\tvcvtsi2sdq %[ra], %%xmm0, %%xmm0", u64, a, 0, 0, mxcsr);
}
inline u32 host_narrow(u64 a, u32& mxcsr) {
    return host_run("vcvtsd2ss %%xmm0, %%xmm0, %%xmm0", u32, a, 0, 0, mxcsr);
}
inline u64 host_widen(u32 a, u32& mxcsr) {
    return host_run("vcvtss2sd %%xmm0, %%xmm0, %%xmm0", u64, a, 0, 0, mxcsr);
}
inline u16 host_to_half(u32 a, u32& mxcsr) {
    return host_run("vcvtps2ph $4, %%xmm0, %%xmm0", u16, a, 0, 0, mxcsr);
}
inline u32 host_from_half(u16 a, u32& mxcsr) {
    return host_run("vcvtph2ps %%xmm0, %%xmm0", u32, a, 0, 0, mxcsr);
}
// Half precision, on hosts that compute in it (has_host_half): FTZ and DAZ are not for it.
#define FP_HOST_HALF_OP(name, insn16)                                                              \
    inline u16 name(ir::Half, u16 a, u16 b, u16 c, u32& mxcsr) {                                   \
        return host_run(insn16, u16, a, b, c, mxcsr);                                              \
    }
FP_HOST_HALF_OP(host_add,  "vaddsh %%xmm1, %%xmm0, %%xmm0")
FP_HOST_HALF_OP(host_sub,  "vsubsh %%xmm1, %%xmm0, %%xmm0")
FP_HOST_HALF_OP(host_mul,  "vmulsh %%xmm1, %%xmm0, %%xmm0")
FP_HOST_HALF_OP(host_div,  "vdivsh %%xmm1, %%xmm0, %%xmm0")
FP_HOST_HALF_OP(host_sqrt, "vsqrtsh %%xmm0, %%xmm0, %%xmm0")
FP_HOST_HALF_OP(host_fma,  "vfmadd231sh %%xmm2, %%xmm1, %%xmm0")
// clang-format on
#undef FP_HOST_OP
#undef FP_HOST_HALF_OP
[[nodiscard]] inline bool has_host_half() { return CPU_FEATURE_ACTIVE(AVX512_FP16); }

// MXCSR: all masked, sticky bits clear, rounding of FPCR's numbering.
[[nodiscard]] inline u32 mxcsr_of(ir::Rounding rounding, bool flush) {
    constexpr u32 kRc[] = {0, 2, 1, 3};
    return 0x1f80 | kRc[static_cast<unsigned>(rounding)] << 13 | (flush ? 0x8040 : 0);
}
// FPSR bits, Denormal left out: Arm's IDC means something else.
[[nodiscard]] inline u32 fpsr_of(u32 mxcsr) {
    u32 bits = 0;
    bits |= mxcsr & 1 ? ir::fpsr::kIOC : 0;
    bits |= mxcsr & 4 ? ir::fpsr::kDZC : 0;
    bits |= mxcsr & 8 ? ir::fpsr::kOFC : 0;
    bits |= mxcsr & 16 ? ir::fpsr::kUFC : 0;
    bits |= mxcsr & 32 ? ir::fpsr::kIXC : 0;
    return bits;
}

// xorshift: reproducible.
class Random {
  public:
    explicit Random(u64 seed) : state_{seed * 2 + 1} {}
    u64 next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_ * 0x2545'f491'4f6c'dd1d;
    }
    unsigned below(unsigned n) { return static_cast<unsigned>((next() >> 32) % n); }

  private:
    u64 state_;
};

// Zeros, denormals, the borders of the exponent range and of integer types, NaNs; both signs.
template <class F> [[nodiscard]] std::vector<ir::BitsOf<F>> edge_values() {
    using T = ir::BitsOf<F>;
    constexpr u64 one = u64{(1u << (F::kExpBits - 1)) - 1} << F::kFracBits;
    constexpr u64 unit = u64{1} << F::kFracBits; // one binade, and the least normal number
    constexpr u64 inf = ((u64{1} << F::kExpBits) - 1) << F::kFracBits;
    constexpr u64 quiet = unit >> 1;
    const u64 magnitudes[] = {
        0,
        1,
        2,
        3,
        quiet,
        quiet + 1,
        unit - 2,
        unit - 1,
        unit,
        unit + 1,
        2 * unit,
        2 * unit + 1,
        one - 2 * unit,
        one - unit,
        one - 1,
        one,
        one + 1,
        one + quiet,
        one + unit,
        one + unit + quiet,
        one + 2 * unit,
        one + (F::kFracBits - 1) * unit + 1,
        one + F::kFracBits * unit + 1,
        one + (F::kFracBits + 1) * unit,
        inf - unit,
        inf - unit + 1,
        inf - 2 * unit,
        inf - 1,
        inf - 2,
        inf,
        inf + 1,
        inf + quiet - 1,
        inf + quiet,
        inf + quiet + 5,
        one / 2,
        one / 2 + quiet / 3,
        one / 2 * 3 & (inf - 1),
        one + unit / 3,
        one - unit / 3,
    };
    std::vector<T> values;
    for (const u64 magnitude : magnitudes) {
        values.push_back(static_cast<T>(magnitude));
        values.push_back(ir::negated<F>(static_cast<T>(magnitude)));
    }
    if (F::kBits > 16) { // around the limits of i32, u32, i64, u64
        for (const unsigned n : {30u, 31u, 32u, 62u, 63u, 64u}) {
            for (const int delta : {-1, 0, 1}) {
                const u64 v = one + n * unit + static_cast<u64>(static_cast<i64>(delta));
                values.push_back(static_cast<T>(v));
                values.push_back(ir::negated<F>(static_cast<T>(v)));
            }
        }
    }
    return values;
}

// Random bits, with exponents often close to each other or to the borders.
template <class F> [[nodiscard]] ir::BitsOf<F> random_value(Random& random) {
    using T = ir::BitsOf<F>;
    const T raw = static_cast<T>(random.next());
    constexpr T frac_mask = static_cast<T>((T{1} << F::kFracBits) - 1);
    constexpr T sign_mask = static_cast<T>(T{1} << (F::kBits - 1));
    const unsigned bias = (1u << (F::kExpBits - 1)) - 1;
    unsigned exp = 0;
    switch (random.below(6)) {
    case 0:
        return raw;
    case 1:
        exp = random.below(4);
        break;
    case 2:
        exp = 2 * bias - random.below(4);
        break;
    default:
        exp = bias - 4 + random.below(8);
        break;
    }
    T frac = raw & frac_mask;
    if (random.below(3) == 0) { // few significant bits: exact results and ties
        frac &= static_cast<T>(frac_mask << (F::kFracBits - 3));
    }
    return static_cast<T>((raw & sign_mask) | static_cast<T>(static_cast<T>(exp) << F::kFracBits) |
                          frac);
}

} // namespace ulna::test
