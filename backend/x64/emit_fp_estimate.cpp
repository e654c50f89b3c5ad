// Reciprocal and reciprocal square root estimates. The architected tables are computed: an entry is
// an integer quotient, or a root, of nine or ten bits. The host's own estimate, which raises
// nothing, is off by less than one, and integer arithmetic tells by how much.
//
// All of it is done on words. Of a double-precision number that is its upper one: the estimate has
// no more bits than that. Halves are widened: an estimate depends on eight bits of the fraction and
// on the value's exponent, in every format.
#include "backend/x64/emit_fp_half.h"

namespace ulna::backend::x64 {

namespace {

[[nodiscard]] constexpr V128 words(u32 word) {
    const u64 both = u64{word} << 32 | word;
    return {both, both};
}

constexpr u32 kSign = 0x8000'0000;

struct Format {
    unsigned fraction_bits, exponent_bits; // in the word

    [[nodiscard]] constexpr u32 exponent(u32 biased) const { return biased << fraction_bits; }
    [[nodiscard]] constexpr u32 exponent_mask() const {
        return exponent((1u << exponent_bits) - 1);
    }
    [[nodiscard]] constexpr u32 bias() const { return (1u << (exponent_bits - 1)) - 1; }
    // The last word with this exponent.
    [[nodiscard]] constexpr u32 last_of(u32 biased) const { return exponent(biased + 1) - 1; }
};
constexpr Format kSingle{23, 8}, kUpperOfDouble{20, 11};

// Which magnitudes have estimates that are made here.
struct Range {
    u32 first, last;
};
// Larger ones have denormal reciprocals.
[[nodiscard]] constexpr Range reciprocal_range(Format f) {
    return {f.exponent(1), f.last_of(2 * f.bias() - 2)};
}
[[nodiscard]] constexpr Range root_range(Format f) {
    return {f.exponent(1), f.last_of(2 * f.bias())};
}
// The same for halves, as singles.
constexpr Range kHalfReciprocalRange{0x3880'0000, 0x467f'ffff},
    kHalfRootRange{0x3880'0000, 0x477f'e000};

// Jumps when a lane of u is outside the range; u is clobbered.
[[nodiscard]] Jump jump_if_outside(Emitter& e, Xmm u, Xmm bits, Range range) {
    e.c.vpaddd(u, bits, e.literal(words(kSign - range.first)));
    e.c.vpcmpgtd(u, u, e.literal(words(kSign + range.last - range.first)));
    e.c.vptest(u, u);
    return e.jcc(Cc::NE);
}

// The host's estimate, of known exponent, as an integer of 512 to 1023.
void to_integer(Emitter& e, Xmm u, u32 biased_exponent) {
    e.c.vpsrld(u, u, 14);
    e.c.vpaddd(u, u, e.literal(words(512 - (biased_exponent << 9))));
}

// Twice an estimate of nine bits, the first of which is set, as a fraction.
void to_fraction(Emitter& e, Format f, Xmm u) {
    e.c.vpslld(u, u, static_cast<u8>(f.fraction_bits - 9));
    e.c.vpand(u, u, e.literal(words(u32{0xff} << (f.fraction_bits - 8))));
}

struct Temps {
    Xmm u, m, w, x;
};

// With m = 513 + 2 * the fraction's first eight bits, q = 2^19 / m, rounded down, and (q + 1) / 2.
// `d` may be the source.
[[nodiscard]] Jump
reciprocal(Emitter& e, Format f, Range range, Xmm d, Xmm source, const Temps& temps) {
    const Xmm u = temps.u, m = temps.m, w = temps.w;
    e.c.vpand(u, source, e.literal(words(~kSign)));
    const Jump jump = jump_if_outside(e, u, u, range);
    e.c.vpsrld(m, source, static_cast<u8>(f.fraction_bits - 9));
    e.c.vpand(m, m, e.literal(words(0x1fe)));
    e.c.vpor(m, m, e.literal(words(513)));
    e.c.vcvtdq2ps(u, m);
    e.c.vrcpps(u, u);
    to_integer(e, u, 127 - 10);
    e.c.vpmaddwd(w, u, m);
    e.c.vpsubd(w, w, e.literal(words(1 << 19))); // positive: q is one too large
    e.c.vpaddd(m, m, w);                         // not positive: it is one too small
    e.c.vpcmpgtd(w, w, e.literal(V128{}));
    e.c.vpcmpgtd(m, m, e.literal(V128{}));
    e.c.vpaddd(u, u, w);
    e.c.vpaddd(u, u, m);
    e.c.vpaddd(u, u, e.literal(words(2)));
    to_fraction(e, f, u);
    e.c.vpand(m, source, e.literal(words(kSign | f.exponent_mask())));
    e.load_imm(w, words(f.exponent(2 * f.bias() - 1)));
    e.c.vpsubd(m, w, m);
    e.c.vpor(d, u, m);
    return jump;
}

// With g = the fraction's first seven bits times two, m = 257 + g, or twice that for an even
// exponent, the least q with m * q^2 >= 2^28, and q / 2. `d` may be the source.
[[nodiscard]] Jump
reciprocal_root(Emitter& e, Format f, Range range, Xmm d, Xmm source, const Temps& temps) {
    const auto [u, m, w, x] = temps;
    const Jump jump = jump_if_outside(e, u, source, range);
    e.c.vpsrld(m, source, static_cast<u8>(f.fraction_bits - 8));
    e.c.vpand(m, m, e.literal(words(0xfe)));
    e.c.vpaddd(m, m, e.literal(words(257)));
    e.c.vpand(w, source, e.literal(words(f.exponent(1))));
    e.c.vpcmpeqd(w, w, e.literal(V128{}));
    e.c.vpand(w, w, m);
    e.c.vpaddd(m, m, w);
    e.c.vcvtdq2ps(u, m);
    e.c.vrsqrtps(u, u);
    to_integer(e, u, 127 - 5);
    e.c.vpmaddwd(w, u, u);
    e.c.vpmulld(w, w, m);
    e.c.vpsubd(w, w, e.literal(words(1 << 28))); // negative: q is too small
    e.c.vpaddd(x, u, u);
    e.c.vpaddd(x, x, e.literal(words(1)));
    e.c.vpmaddwd(x, x, m);
    e.c.vpaddd(x, x, w); // negative: q + 1 is, too
    e.c.vpsrad(w, w, 31);
    e.c.vpsrad(x, x, 31);
    e.c.vpsubd(u, u, w);
    e.c.vpsubd(u, u, x);
    to_fraction(e, f, u);
    e.c.vpand(m, source, e.literal(words(f.exponent_mask())));
    e.load_imm(w, words(f.exponent(3 * f.bias() - 1)));
    e.c.vpsubd(m, w, m);
    e.c.vpsrld(m, m, 1);
    e.c.vpand(m, m, e.literal(words(f.exponent_mask())));
    e.c.vpor(d, u, m);
    return jump;
}

enum class Of : bool { Value, Root };

[[nodiscard]] Temps take_temps(Emitter& e, Of of) {
    const Xmm u = e.scratch_xmm(), m = e.scratch_xmm(), w = e.scratch_xmm();
    return {u, m, w, of == Of::Root ? e.scratch_xmm() : w};
}
[[nodiscard]] Jump
estimate(Emitter& e, Of of, Format f, Range range, Xmm d, Xmm source, const Temps& temps) {
    return of == Of::Root ? reciprocal_root(e, f, range, d, source, temps)
                          : reciprocal(e, f, range, d, source, temps);
}

// The operand's words in every lane, so that lanes above have no say: in d, or where it is.
[[nodiscard]] Xmm operand(Emitter& e, Lanes lanes, Xmm a, Xmm d) {
    if (lanes.dbl) {
        e.c.vpshufd(d, a, lanes.form == Form::Full ? 0b11'01'11'01 : 0b01'01'01'01);
        return d;
    }
    if (lanes.form == Form::Full) {
        return a;
    }
    lanes.form == Form::Half ? e.c.vmovddup(d, a) : e.c.vbroadcastss(d, a);
    return d;
}

template <Of kOf> void emit_estimate(Emitter& e, const Inst& inst) {
    if (inst.imm == 1) { // FPCR.AH
        return e.call_eval(inst);
    }
    if (!inlines(e, inst, inst.type, inst.aux)) {
        return;
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const Format format = lanes.dbl ? kUpperOfDouble : kSingle;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Temps temps = take_temps(e, kOf);
    const Range range = kOf == Of::Root ? root_range(format) : reciprocal_range(format);
    const Jump jump = estimate(e, kOf, format, range, d, operand(e, lanes, a, d), temps);
    if (lanes.dbl) {
        e.c.vpmovzxdq(d, d);
        e.c.vpsllq(d, d, 32);
    }
    zero_rest(e, lanes, d);
    cold_exact(e, jump, inst, {a}, d, {});
}

// d = the estimates of four halves, zero above.
[[nodiscard]] Jump estimate_halves(Emitter& e, Of of, Xmm d, const Temps& temps) {
    e.c.vcvtph2ps(d, d);
    const Range range = of == Of::Root ? kHalfRootRange : kHalfReciprocalRange;
    const Jump jump = estimate(e, of, kSingle, range, d, d, temps);
    e.c.vcvtps2ph(d, d, kByMxcsr);
    return jump;
}

void emit_half_estimate(Emitter& e, const Inst& inst, Of of) {
    const Form form = half_form(inst.type, inst.aux);
    const Xmm d = e.use_xmm_copy(inst.args[0]);
    const Temps temps = take_temps(e, of);
    const XmmMem a = park(e, 0, d);
    if (form < Form::Half) {
        e.c.vpbroadcastw(d, d);
    }
    Jump jumps[2] = {estimate_halves(e, of, d, temps)};
    if (form == Form::Full) {
        const XmmMem low = park(e, 1, d);
        e.c.vmovaps(d, a);
        e.c.vpsrldq(d, d, 8);
        jumps[1] = estimate_halves(e, of, d, temps);
        e.c.vpslldq(d, d, 8);
        e.c.vpor(d, d, low);
    } else if (form != Form::Half) {
        e.c.vpand(d, d, e.literal({0xffff, 0}));
    }
    for (unsigned i = 0; i < (form == Form::Full ? 2 : 1); ++i) {
        cold_exact(e, jumps[i], inst, {a}, d, {});
    }
    define_half(e, inst, d);
}

} // namespace

void half_reciprocal_estimate(Emitter& e, const Inst& inst) {
    emit_half_estimate(e, inst, Of::Value);
}
void half_reciprocal_root_estimate(Emitter& e, const Inst& inst) {
    emit_half_estimate(e, inst, Of::Root);
}

void add_fp_estimate_emitters(EmitTable& table) {
    table.set(Opcode::FRecpE, emit_estimate<Of::Value>);
    table.set(Opcode::FRSqrtE, emit_estimate<Of::Root>);
    // FRecpX: out of line
}

} // namespace ulna::backend::x64
