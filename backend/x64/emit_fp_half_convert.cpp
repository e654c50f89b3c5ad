// Half precision: rounding to integral, conversions to and from integers. Between FP formats:
// emit_fp_convert.cpp.
#include "backend/x64/emit_fp_half.h"

namespace ulna::backend::x64 {

using ir::FixedInfo;
using ir::Rounding;

namespace {

[[nodiscard]] u32 single_power_of_two(int n) { return static_cast<u32>(n + 127) << 23; }

// x = the single-precision lanes of x, which are halves or halves times a power of two, rounded to
// integral without Inexact. u and w are clobbered by ties away only: there a half is added with the
// sign of x, which is exact for a half, and the sum truncated.
void round_quietly(Emitter& e, Form form, Rounding rounding, Xmm x, Xmm u, Xmm w) {
    const Xmm wide_x = wide(form, x);
    if (rounding != Rounding::TieAway) {
        e.c.vroundps(wide_x, wide_x, host_rounding(rounding) | kNoInexact);
        return;
    }
    splat(e, form, u, 0x8000'0000);
    splat(e, form, w, single_power_of_two(-1));
    e.c.vandps(wide(form, u), wide(form, u), wide_x);
    e.c.vorps(wide(form, u), wide(form, u), wide(form, w));
    e.c.vaddps(wide_x, wide_x, wide(form, u));
    e.c.vroundps(wide_x, wide_x, kTruncate | kNoInexact);
}

void truncate_scalar(Emitter& e, Gpr d, unsigned bits, Xmm x) {
    if (bits == 64) {
        e.c.vcvttss2si(d, x);
    } else {
        e.c.vcvttss2si(d.cvt32(), x);
    }
}

} // namespace

// A NaN comes out quiet, with its payload, in both architectures, unless FPCR.DN.
void half_round_to_integral(Emitter& e, const Inst& inst) {
    const Rounding rounding = static_cast<Rounding>(inst.imm & 0xff);
    const bool exact = (inst.imm >> 8 & 1) != 0;
    if (rounding == Rounding::Odd || e.mode().dn()) {
        e.call_eval(inst);
        return;
    }
    const Form form = half_form(inst.type, inst.aux);
    const auto [a] = wide_args<1>(e, inst, form, Cold::No);
    const Xmm x = a.work;
    if (rounding == Rounding::TieAway) {
        const Xmm u = e.scratch_xmm(), w = e.scratch_xmm();
        round_quietly(e, form, rounding, x, u, w);
    } else {
        const u8 control = host_rounding(rounding) | (exact ? 0 : kNoInexact);
        e.c.vroundps(wide(form, x), wide(form, x), control);
    }
    narrow(e, form, x, x);
    define_half(e, inst, x);
}

// Signed: what is out of range becomes the least integer, raising Invalid as in Arm. Unsigned: the
// host raises Inexact where Arm raises Invalid, so the range, as far as the host's signed
// conversion goes, is tested first.
void half_to_int(Emitter& e, const Inst& inst) {
    const FixedInfo info = FixedInfo::unpack(inst.imm);
    const bool fixed = info.fraction_bits != 0, rounds = info.rounding != Rounding::Zero;
    if (info.rounding == Rounding::Odd || (fixed && rounds)) {
        e.call_eval(inst);
        return;
    }
    const Form form = Form::Scalar;
    const unsigned bits = ir::bit_width(inst.type), host_bits = info.is_signed ? bits : 64;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Gpr d = e.def_gpr(inst);
    const Xmm s = e.scratch_xmm(), u = e.scratch_xmm();
    const Xmm w = info.rounding == Rounding::TieAway ? e.scratch_xmm() : u;
    const Gpr dummy = rounds ? e.scratch_gpr() : d;
    widen(e, form, s, a);
    if (fixed) {
        e.c.vmulss(s, s, e.literal32(single_power_of_two(info.fraction_bits)));
    } else if (rounds) {
        round_quietly(e, form, info.rounding, s, u, w);
    }
    Jump jumps[2];
    unsigned count = 0;
    if (info.is_signed) {
        truncate_scalar(e, d, bits, s);
        bits == 64 ? e.c.cmp(d, 1) : e.c.cmp(d.cvt32(), 1);
        jumps[count++] = e.jcc(Cc::O); // d - 1 overflows: d is the least integer
    } else {
        e.c.vucomiss(s, e.literal32(single_power_of_two(0) | 0x8000'0000));
        jumps[count++] = e.jcc(Cc::BE); // at most -1, or unordered
        e.c.vucomiss(s, e.literal32(single_power_of_two(bits == 64 ? 63 : 32)));
        jumps[count++] = e.jcc(Cc::AE);
        truncate_scalar(e, d, 64, s);
    }
    if (rounds) { // for its Inexact
        widen(e, form, u, a);
        truncate_scalar(e, dummy, host_bits, u);
    }
    const ColdEval exact = e.cold_eval_of(inst, {a.getIdx()}, d.getIdx());
    for (unsigned i = 0; i < count; ++i) {
        e.cold(jumps[i], [exact](Emitter& cold) { cold.emit_cold_eval(exact); });
    }
}

// From 2^16 on every integer overflows, whatever it is: so the first rounding, to a single, does
// not matter where it is inexact, and a smaller one can stand for it.
void half_from_int(Emitter& e, const Inst& inst) {
    const FixedInfo info = FixedInfo::unpack(inst.imm);
    if (info.fraction_bits != 0) {
        e.call_eval(inst);
        return;
    }
    const bool wide_int = e.type_of(inst.args[0]) == Type::I64;
    if (info.is_signed) {
        const Gpr a = e.use_gpr(inst.args[0]);
        const Xmm d = e.def_xmm(inst, Overlap::None);
        e.c.vxorps(d, d, d);
        wide_int ? e.c.vcvtsi2ss(d, d, a) : e.c.vcvtsi2ss(d, d, a.cvt32());
        narrow(e, Form::Scalar, d, d);
    } else {
        const Gpr a = e.use_gpr_zext(inst.args[0]);
        const Xmm d = e.def_xmm(inst, Overlap::None);
        const Gpr bounded = e.scratch_gpr();
        e.c.mov(bounded.cvt32(), (1u << 18) - 1);
        e.c.cmp(a, bounded);
        e.c.cmovb(bounded, a);
        e.c.vxorps(d, d, d);
        e.c.vcvtsi2ss(d, d, bounded);
        narrow(e, Form::Scalar, d, d);
    }
    e.mark_clean(inst);
}

// Through 32-bit integers: saturating them to 16 bits shows which lanes were out of range, and NaNs
// among them. Inexact comes last, as Arm does not raise it for those; truncation may raise it at
// once when signed: a half that has a fraction is in range.
void half_lanes_to_int(Emitter& e, const Inst& inst) {
    const FixedInfo info = FixedInfo::unpack(inst.imm);
    if (info.rounding == Rounding::Odd ||
        (info.fraction_bits != 0 && info.rounding != Rounding::Zero)) {
        e.call_eval(inst);
        return;
    }
    const Form form = half_form(inst.type, inst.aux);
    const bool quietly = !info.is_signed || info.rounding != Rounding::Zero;
    const auto [a] = wide_args<1>(e, inst, form, Cold::Yes);
    const Xmm x = a.work, d = e.scratch_xmm(), u = e.scratch_xmm(), w = e.scratch_xmm();
    const Xmm wide_x = wide(form, x), wide_d = wide(form, d), wide_w = wide(form, w);
    if (info.fraction_bits != 0) {
        splat(e, form, u, single_power_of_two(info.fraction_bits));
        e.c.vmulps(wide_x, wide_x, wide(form, u));
    }
    if (quietly) {
        e.c.vmovaps(wide_d, wide_x);
        round_quietly(e, form, info.rounding, d, u, w);
        e.c.vcvttps2dq(wide_d, wide_d);
    } else {
        e.c.vcvttps2dq(wide_d, wide_x);
    }
    if (form == Form::Full) {
        e.c.vextracti128(u, Xbyak::Ymm(d.getIdx()), 1);
    }
    const Xmm& high = form == Form::Full ? u : d;
    if (info.is_signed) {
        e.c.vpackssdw(u, d, high);
        e.c.vpmovsxwd(wide_w, u);
    } else {
        e.c.vpackusdw(u, d, high);
        e.c.vpmovzxwd(wide_w, u);
    }
    e.c.vpxor(wide_w, wide_w, wide_d);
    e.c.vptest(wide_w, wide_w);
    const Jump jump = e.jcc(Cc::NE);
    if (quietly) { // for its Inexact
        e.c.vroundps(wide_x, wide_x, kTruncate);
    }
    if (form != Form::Full) {
        e.c.vmovq(u, u);
    }
    cold_exact(e, jump, inst, {a.original}, u, {});
    define_half(e, inst, u);
}

// A 16-bit integer is a single, scaled or not; only narrowing rounds.
void half_lanes_from_int(Emitter& e, const Inst& inst) {
    const FixedInfo info = FixedInfo::unpack(inst.imm);
    const Form form = half_form(inst.type, inst.aux);
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm wide_d = wide(form, d);
    Xmm source = a;
    if (form == Form::Lane) { // zeroes above convert to zeroes
        e.c.vpmovzxwq(d, a);
        source = d;
    }
    info.is_signed ? e.c.vpmovsxwd(wide_d, source) : e.c.vpmovzxwd(wide_d, source);
    e.c.vcvtdq2ps(wide_d, wide_d);
    if (info.fraction_bits != 0) {
        const Xmm u = e.scratch_xmm();
        splat(e, form, u, single_power_of_two(-static_cast<int>(info.fraction_bits)));
        e.c.vmulps(wide_d, wide_d, wide(form, u));
    }
    narrow(e, form, d, d);
}

} // namespace ulna::backend::x64
