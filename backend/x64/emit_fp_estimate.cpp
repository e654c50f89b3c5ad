// Reciprocal and reciprocal square root estimates in single precision. The architected tables are
// computed: an entry is an integer quotient, or a root, of nine or ten bits. The host's own
// estimate, which raises nothing, is off by less than one, and integer arithmetic tells by how
// much.
#include "backend/x64/emit_fp.h"

namespace ulna::backend::x64 {

namespace {

[[nodiscard]] constexpr V128 words(u32 word) {
    const u64 both = u64{word} << 32 | word;
    return {both, both};
}

constexpr u32 kLeastNormal = 0x0080'0000, kExponent = 0x7f80'0000, kSign = 0x8000'0000;

// The operand in every lane, so that lanes above have no say.
[[nodiscard]] Xmm operand(Emitter& e, Lanes lanes, Xmm a, Xmm d) {
    if (lanes.form == Form::Full) {
        return a;
    }
    lanes.form == Form::Half ? e.c.vmovddup(d, a) : e.c.vbroadcastss(d, a);
    return d;
}

// Jumps when a lane of u is not in kLeastNormal .. last; u is clobbered.
[[nodiscard]] Jump jump_if_outside(Emitter& e, Xmm u, Xmm bits, u32 last) {
    e.c.vpaddd(u, bits, e.literal(words(kSign - kLeastNormal)));
    e.c.vpcmpgtd(u, u, e.literal(words(kSign + last - kLeastNormal)));
    e.c.vptest(u, u);
    return e.jcc(Cc::NE);
}

// The host's estimate, of known exponent, as an integer of 512 to 1023.
void to_integer(Emitter& e, Xmm u, u32 biased_exponent) {
    e.c.vpsrld(u, u, 14);
    e.c.vpaddd(u, u, e.literal(words(512 - (biased_exponent << 9))));
}

// Twice an estimate of nine bits, the first of which is set, as a fraction.
void to_fraction(Emitter& e, Xmm u) {
    e.c.vpslld(u, u, 14);
    e.c.vpand(u, u, e.literal(words(0xff << 15)));
}

[[nodiscard]] bool is_single(const Inst& inst) {
    return inst.type == Type::F32 || (inst.type == Type::V128 && inst.shape().lane_bytes() == 4);
}

// With m = 513 + 2 * the fraction's first eight bits, q = 2^19 / m, rounded down, and (q + 1) / 2.
void emit_FRecpE(Emitter& e, const Inst& inst) {
    if (!is_single(inst) || inst.imm == 1) {
        return e.call_eval(inst);
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm(), m = e.scratch_xmm(), w = e.scratch_xmm();
    const Xmm source = operand(e, lanes, a, d);
    e.c.vpand(u, source, e.literal(words(~kSign)));
    const Jump jump = jump_if_outside(e, u, u, 0x7e7f'ffff); // larger ones have denormal results
    e.c.vpsrld(m, source, 14);
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
    to_fraction(e, u);
    e.c.vpand(m, source, e.literal(words(kSign | kExponent)));
    e.load_imm(w, words(253u << 23));
    e.c.vpsubd(m, w, m);
    e.c.vpor(d, u, m);
    zero_rest(e, lanes, d);
    cold_exact(e, jump, inst, {a}, d, {u});
}

// With g = the fraction's first seven bits times two, m = 257 + g, or twice that for an even
// exponent, the least q with m * q^2 >= 2^28, and q / 2.
void emit_FRSqrtE(Emitter& e, const Inst& inst) {
    if (!is_single(inst) || inst.imm == 1) {
        return e.call_eval(inst);
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm(), m = e.scratch_xmm(), w = e.scratch_xmm(), x = e.scratch_xmm();
    const Xmm source = operand(e, lanes, a, d);
    const Jump jump = jump_if_outside(e, u, source, 0x7f7f'ffff);
    e.c.vpsrld(m, source, 15);
    e.c.vpand(m, m, e.literal(words(0xfe)));
    e.c.vpaddd(m, m, e.literal(words(257)));
    e.c.vpand(w, source, e.literal(words(1 << 23)));
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
    to_fraction(e, u);
    e.c.vpand(m, source, e.literal(words(kExponent)));
    e.load_imm(w, words(380u << 23));
    e.c.vpsubd(m, w, m);
    e.c.vpsrld(m, m, 1);
    e.c.vpand(m, m, e.literal(words(kExponent)));
    e.c.vpor(d, u, m);
    zero_rest(e, lanes, d);
    cold_exact(e, jump, inst, {a}, d, {u});
}

} // namespace

void add_fp_estimate_emitters(EmitTable& table) {
    table.set(Opcode::FRecpE, emit_FRecpE);
    table.set(Opcode::FRSqrtE, emit_FRSqrtE);
    // FRecpX: out of line
}

} // namespace ulna::backend::x64
