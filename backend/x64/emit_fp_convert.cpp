// Conversions: between FP formats, to integers (saturating), from integers.
#include "backend/x64/emit_fp.h"

namespace ulna::backend::x64 {

using ir::FixedInfo;
using ir::Rounding;

namespace {

// --- between FP formats. NaNs come out as in Arm, unless FPCR.DN; half precision must not be
// alternative.
[[nodiscard]] bool plain_nans(Emitter& e) { return !e.mode().dn(); }

// Jumps when a lane of the half precision result `d` is the least normal number, which may have
// been tiny.
Jump jump_if_least_normal_half(Emitter& e, Xmm d, Xmm u) {
    e.c.vpaddw(u, d, d); // without the sign
    e.c.vpcmpeqw(u, u, e.literal64(0x0800'0800'0800'0800));
    e.c.vptest(u, u);
    return e.jcc(Cc::NE);
}

void emit_FCvt(Emitter& e, const Inst& inst) {
    const Type from = static_cast<Type>(inst.aux), to = inst.type;
    const bool half = from == Type::F16 || to == Type::F16;
    const bool double_to_half = from == Type::F64 && to == Type::F16; // would round twice
    const bool current = static_cast<Rounding>(inst.imm) == Rounding::Current;
    if (!plain_nans(e) || !current || double_to_half || (half && e.mode().ahp())) {
        e.call_eval(inst);
        return;
    }
    const XmmMem a = fp_arg(e, inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Lanes narrow{Form::Scalar, false};
    if (from == Type::F16) {
        e.c.vxorps(d, d, d); // lanes above would be converted too, and raise Invalid
        e.c.vpblendw(d, d, a, 1);
        e.c.vcvtph2ps(d, d);
        if (to == Type::F64) {
            e.c.vcvtss2sd(d, d, d);
        }
        e.mark_clean(inst);
        return;
    }
    const Lanes source{Form::Scalar, from == Type::F64};
    const Xmm u = e.scratch_xmm();
    Flush flush{e, inst, source};
    flush.operand(0, a, u);
    if (to == Type::F64) {
        e.c.vxorps(d, d, d);
        e.c.vcvtss2sd(d, d, a);
    } else if (to == Type::F32) {
        flush.flushes_result();
        e.c.vxorps(d, d, d);
        e.c.vcvtsd2ss(d, d, a);
        cold_exact(e, check_result(e, narrow, Check::NaNOrTiny, d, u), inst, {a}, d, {u});
    } else { // lanes above would be converted too, and raise
        const Xmm single = in_register(e, narrow, a, u);
        e.c.vxorps(d, d, d);
        e.c.vmovss(d, d, single);
        e.c.vcvtps2ph(d, d, kByMxcsr);
        cold_exact(e, jump_if_least_normal_half(e, d, u), inst, {a}, d, {u});
    }
    flush.finish({a}, d, {u});
    e.mark_clean(inst);
}

void emit_VFCvtL(Emitter& e, const Inst& inst) {
    const bool to_double = inst.shape() == ir::shape::D2;
    if (!plain_nans(e) || (to_double && e.mode().fz()) ||
        (!to_double && (e.mode().ahp() || inst.shape() != ir::shape::S4))) {
        e.call_eval(inst);
        return;
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    if (to_double) {
        e.c.vcvtps2pd(d, a);
    } else {
        e.c.vcvtph2ps(d, a);
    }
}

void emit_VFCvtN(Emitter& e, const Inst& inst) {
    const bool from_double = inst.shape() == ir::shape::S2;
    const bool current = static_cast<Rounding>(inst.imm) == Rounding::Current;
    if (!plain_nans(e) || !current ||
        (!from_double && (e.mode().ahp() || inst.shape() != ir::shape::H4))) {
        e.call_eval(inst);
        return;
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm();
    Flush flush{e, inst, {Form::Full, from_double}};
    flush.operand(0, a, u);
    Jump jump;
    if (from_double) {
        flush.flushes_result();
        e.c.vcvtpd2ps(d, a);
        jump = check_result(e, {Form::Full, false}, Check::NaNOrTiny, d, u);
    } else {
        e.c.vcvtps2ph(d, a, kByMxcsr);
        jump = jump_if_least_normal_half(e, d, u);
    }
    cold_exact(e, jump, inst, {a}, d, {u});
    flush.finish({a}, d, {u});
}

// To bfloat16, to nearest, in integers: half of what is dropped is added, and the result's last bit
// for ties. NaNs, denormals and what might overflow are left to the exact evaluation.
void emit_VFCvtBf(Emitter& e, const Inst& inst) {
    if (e.mode().rounding() != Rounding::TieEven) {
        e.call_eval(inst);
        return;
    }
    const auto words = [](u32 word) {
        return V128{u64{word} << 32 | word, u64{word} << 32 | word};
    };
    constexpr u32 kIxcShift = 4;
    static_assert(ir::fpsr::kIXC == 1u << kIxcShift);
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm(), w = e.scratch_xmm();
    const Gpr inexact = e.scratch_gpr();
    Xmm source = a;
    if (inst.shape() == ir::shape::H1) { // zeros are exact
        e.c.vinsertps(d, a, a, 0b1110);
        source = d;
    }
    // Magnitudes from 0x0080'0000 to 0x7f7e'ffff are in order; moved so that the others are
    // greater.
    e.c.vpand(u, source, e.literal(words(0x7fff'ffff)));
    e.c.vpaddd(w, u, e.literal(words(0x8000'0000 - 0x0080'0000)));
    e.c.vpcmpgtd(w, w, e.literal(words(0x8000'0000 + 0x7f7e'ffff - 0x0080'0000)));
    e.c.vpcmpeqd(u, u, e.literal(words(0)));
    e.c.vpandn(w, u, w);
    e.c.vptest(w, w);
    const Jump jump = e.jcc(Cc::NE);
    e.c.xor_(inexact.cvt32(), inexact.cvt32());
    e.c.vptest(source, e.literal(words(0xffff)));
    e.c.setne(inexact.cvt8());
    e.c.shl(inexact.cvt32(), kIxcShift);
    e.c.or_(e.state(offsetof(ir::CpuState, fpsr), 32), inexact.cvt32());
    e.c.vpsrld(u, source, 16);
    e.c.vpand(u, u, e.literal(words(1)));
    e.c.vpaddd(u, u, source);
    e.c.vpaddd(u, u, e.literal(words(0x7fff)));
    e.c.vpsrld(u, u, 16);
    e.c.vpxor(w, w, w);
    e.c.vpackusdw(d, u, w);
    cold_exact(e, jump, inst, {a}, d, {u});
}

// --- to integers

void truncate_to(Emitter& e, Lanes lanes, Gpr d, unsigned bits, Xmm a) {
    if (bits == 64) {
        lanes.dbl ? e.c.vcvttsd2si(d, a) : e.c.vcvttss2si(d, a);
    } else {
        lanes.dbl ? e.c.vcvttsd2si(d.cvt32(), a) : e.c.vcvttss2si(d.cvt32(), a);
    }
}

[[nodiscard]] V128 minus_one(Lanes lanes) {
    V128 value = lanes.power_of_two(0);
    value.lo |= lanes.sign().lo;
    value.hi |= lanes.sign().hi;
    return value;
}

// s = the lanes of `a` rounded as `rounding` says, without Inexact: truncating `a` itself raises
// that later. u and w are needed for ties away only.
void round_quietly(Emitter& e, Lanes lanes, Rounding rounding, Xmm s, Xmm a, Xmm u, Xmm w) {
    if (rounding == Rounding::TieAway) {
        round_ties_away(e, lanes, s, a, u, w);
    } else if (lanes.is_vector()) {
        const u8 control = host_rounding(rounding) | kNoInexact;
        lanes.dbl ? e.c.vroundpd(s, a, control) : e.c.vroundps(s, a, control);
    } else {
        const u8 control = host_rounding(rounding) | kNoInexact;
        lanes.dbl ? e.c.vroundsd(s, a, a, control) : e.c.vroundss(s, a, a, control);
    }
}

// d = the scalar in lane 0 of `s`, already integral or to be truncated; jumps are for the exact
// evaluation. Signed: what is out of range becomes the least integer, raising Invalid as in Arm.
// Unsigned: the host raises Inexact where Arm raises Invalid, so the range, as far as the host's
// signed conversion goes, is tested first.
struct Jumps {
    Jump jump[6];
    unsigned count = 0;
    void add(Jump j) { jump[count++] = j; }
};
void scalar_to_int(
    Emitter& e, Lanes lanes, bool is_signed, unsigned bits, Gpr d, Xmm s, Jumps& jumps) {
    if (is_signed) {
        truncate_to(e, lanes, d, bits, s);
        if (bits == 64) {
            e.c.cmp(d, 1);
        } else {
            e.c.cmp(d.cvt32(), 1);
        }
        jumps.add(e.jcc(Cc::O)); // d - 1 overflows: d is the least integer
    } else {
        ucomi(e, lanes, s, e.literal(minus_one(lanes)));
        jumps.add(e.jcc(Cc::BE)); // or unordered
        ucomi(e, lanes, s, e.literal(lanes.power_of_two(bits == 64 ? 63 : 32)));
        jumps.add(e.jcc(Cc::AE));
        truncate_to(e, lanes, d, 64, s);
    }
}

// A fixed-point conversion: s = a * 2^fraction_bits, exact unless it overflows. Jumps for
// magnitudes near that. `u` is clobbered; s may be a.
Jump scale_up(Emitter& e, Lanes lanes, unsigned fraction_bits, Xmm s, Xmm a, Xmm u) {
    const V128 bound = lanes.power_of_two(lanes.dbl ? 900 : 62);
    const V128 factor = lanes.power_of_two(static_cast<int>(fraction_bits));
    Jump jump;
    e.c.vandps(u, a, e.literal(lanes.magnitude()));
    if (lanes.is_vector()) {
        vcmp(e, lanes, u, u, e.literal(bound), kNotLess);
        jump = jump_if_any(e, u);
        lanes.dbl ? e.c.vmulpd(s, a, e.literal(factor)) : e.c.vmulps(s, a, e.literal(factor));
    } else {
        ucomi(e, lanes, u, e.literal(bound));
        jump = e.jcc(Cc::AE);
        lanes.dbl ? e.c.vmulsd(s, a, e.literal(factor)) : e.c.vmulss(s, a, e.literal(factor));
    }
    return jump;
}

void emit_FCvtToInt(Emitter& e, const Inst& inst) {
    const Type from = static_cast<Type>(inst.aux);
    const FixedInfo info = FixedInfo::unpack(inst.imm);
    const bool away = info.rounding == Rounding::TieAway, rounds = info.rounding != Rounding::Zero;
    if (from == Type::F16) {
        emit_half_precision(e, inst);
        return;
    }
    if ((info.fraction_bits != 0 && rounds) || info.rounding == Rounding::Odd ||
        (away && e.mode().dn())) {
        e.call_eval(inst);
        return;
    }
    const Lanes lanes = lanes_of(from, 0);
    const unsigned bits = ir::bit_width(inst.type);
    const Xmm a = e.use_xmm(inst.args[0]);
    const Gpr d = e.def_gpr(inst);
    const bool fixed = info.fraction_bits != 0;
    const Xmm s = rounds || fixed || e.mode().fz() ? e.scratch_xmm() : a;
    const Xmm u = away ? e.scratch_xmm() : s, w = away ? e.scratch_xmm() : s;
    const Gpr dummy = rounds ? e.scratch_gpr() : d;
    Flush flush{e, inst, lanes};
    flush.operand(0, a, s);
    Jumps jumps;
    Xmm source = a;
    if (rounds) {
        round_quietly(e, lanes, info.rounding, s, a, u, w);
        source = s;
    } else if (fixed) {
        jumps.add(scale_up(e, lanes, info.fraction_bits, s, a, s));
        source = s;
    }
    scalar_to_int(e, lanes, info.is_signed, bits, d, source, jumps);
    if (rounds) { // for its Inexact
        truncate_to(e, lanes, dummy, info.is_signed ? bits : 64, a);
    }
    const ColdEval exact = e.cold_eval_of(inst, {a.getIdx()}, d.getIdx());
    for (unsigned i = 0; i < jumps.count; ++i) {
        e.cold(jumps.jump[i], [exact](Emitter& cold) { cold.emit_cold_eval(exact); });
    }
    flush.finish({a}, Xmm(d.getIdx()), {}); // the number of the result's register
}

// JavaScript's conversion: what is in range as a signed word and converts back to the operand, bit
// by bit, sets Z: minus zero does not.
void emit_FJCvtZs(Emitter& e, const Inst& inst) {
    constexpr u64 kZ = u64{1} << 62;
    const Lanes lanes{Form::Scalar, true};
    const Xmm a = e.use_xmm(inst.args[0]);
    const Gpr d = e.def_gpr(inst);
    const Xmm s = e.scratch_xmm();
    const Gpr Z = e.scratch_gpr();
    Flush flush{e, inst, lanes};
    flush.operand(0, a, s);
    truncate_to(e, lanes, d, 32, a);
    e.c.cmp(d.cvt32(), 1);
    const Jump jump = e.jcc(Cc::O); // the least integer: out of range
    e.c.vxorps(s, s, s);
    e.c.vcvtsi2sd(s, s, d.cvt32());
    e.c.vpcmpeqq(s, s, a);
    e.c.vpand(s, s, e.literal({kZ, 0}));
    e.c.vmovq(Z, s);
    e.c.or_(d, Z);
    const ColdEval exact = e.cold_eval_of(inst, {a.getIdx()}, d.getIdx());
    e.cold(jump, [exact](Emitter& cold) { cold.emit_cold_eval(exact); });
    flush.finish({a}, Xmm(d.getIdx()), {}); // the number of the result's register
}

// Single precision, two or four lanes, by the packed signed conversion: its least integer says out
// of range, or NaN. As singles that large are integers, rounding them may raise Inexact beforehand.
// Unsigned: what the signed conversion cannot do, or where the host would raise Inexact and Arm
// Invalid, is found first.
void words_to_int(Emitter& e, const Inst& inst, Lanes lanes, const FixedInfo& info) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm(), w = e.scratch_xmm();
    const bool away = info.rounding == Rounding::TieAway,
               truncates = info.rounding == Rounding::Zero;
    const bool inexact_last = away || (!info.is_signed && !truncates);
    Flush flush{e, inst, lanes};
    flush.operand(0, a, u);
    // Zeroes above the lanes raise nothing and convert to zero.
    const auto copy = [&](Xmm to) { lanes.form == Form::Half ? e.c.vmovq(to, a) : e.move(to, a); };
    const bool fixed = info.fraction_bits != 0;
    Jump large;
    if (away) {
        round_ties_away(e, lanes, d, a, u, w);
    } else {
        copy(d);
        if (fixed) {
            large = scale_up(e, lanes, info.fraction_bits, d, d, u);
        }
        if (!truncates) {
            e.c.vroundps(d, d, host_rounding(info.rounding) | (inexact_last ? kNoInexact : 0));
        }
    }
    Jump jump;
    if (info.is_signed) {
        e.c.vcvttps2dq(d, d);
        e.c.vpcmpeqd(u, d, e.literal64(0x8000'0000'8000'0000));
        jump = jump_if_any(e, u);
    } else {
        e.c.vcmpps(u, d, e.literal(minus_one(lanes)), kNotGreater);
        e.c.vcmpps(w, d, e.literal(lanes.power_of_two(31)), kNotLess);
        e.c.vorps(u, u, w);
        jump = jump_if_any(e, u);
        e.c.vcvttps2dq(d, d);
    }
    if (inexact_last) { // the unrounded operand, for its Inexact
        copy(u);
        e.c.vcvttps2dq(u, u);
    }
    zero_rest(e, lanes, d);
    cold_exact(e, jump, inst, {a}, d, {u});
    if (fixed) {
        cold_exact(e, large, inst, {a}, d, {u});
    }
    flush.finish({a}, d, {u});
}

// Lane by lane: doubles, and single lanes.
void lanes_to_int(Emitter& e, const Inst& inst, Lanes lanes, const FixedInfo& info) {
    const bool away = info.rounding == Rounding::TieAway, rounds = info.rounding != Rounding::Zero;
    const bool two = lanes.form == Form::Full;
    const unsigned bits = lanes.bits();
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.scratch_xmm();
    const Gpr lo = e.scratch_gpr(), hi = e.scratch_gpr(), dummy = rounds ? e.scratch_gpr() : lo;
    const bool fixed = info.fraction_bits != 0;
    const Xmm s = rounds || fixed ? e.scratch_xmm() : a;
    const Xmm w = away ? e.scratch_xmm() : s;
    Flush flush{e, inst, lanes};
    flush.operand(0, a, d);
    if (rounds) {
        round_quietly(e, lanes, info.rounding, s, a, d, w);
    }
    Jumps jumps;
    if (fixed) {
        jumps.add(scale_up(e, lanes, info.fraction_bits, s, a, d));
    }
    scalar_to_int(e, lanes, info.is_signed, bits, lo, s, jumps);
    if (two) {
        e.c.vunpckhpd(d, s, s);
        scalar_to_int(e, lanes, info.is_signed, bits, hi, d, jumps);
    }
    if (rounds) { // for its Inexact
        const unsigned host_bits = info.is_signed ? bits : 64;
        truncate_to(e, lanes, dummy, host_bits, a);
        if (two) {
            e.c.vunpckhpd(d, a, a);
            truncate_to(e, lanes, dummy, host_bits, d);
        }
    }
    if (lanes.dbl) {
        e.c.vmovq(d, lo);
    } else {
        e.c.vmovd(d, lo.cvt32());
    }
    if (two) {
        e.c.vpinsrq(d, d, hi, 1);
    }
    for (unsigned i = 0; i < jumps.count; ++i) {
        cold_exact(e, jumps.jump[i], inst, {a}, d, {});
    }
    flush.finish({a}, d, {});
    e.define(inst, d);
}

void emit_VFCvtToInt(Emitter& e, const Inst& inst) {
    const FixedInfo info = FixedInfo::unpack(inst.imm);
    const bool away = info.rounding == Rounding::TieAway;
    if ((info.fraction_bits != 0 && info.rounding != Rounding::Zero) ||
        info.rounding == Rounding::Odd || (away && e.mode().dn())) {
        e.call_eval(inst);
        return;
    }
    if (!inlines(e, inst, inst.type, inst.aux)) {
        return;
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    if (lanes.is_vector() && !lanes.dbl) {
        words_to_int(e, inst, lanes, info);
    } else {
        lanes_to_int(e, inst, lanes, info);
    }
}

// --- from integers: exact but for one rounding; a fixed point only moves the exponent

void from_signed(Emitter& e, Lanes lanes, Xmm d, Xmm upper, Gpr a, unsigned bits) {
    if (lanes.dbl) {
        bits == 64 ? e.c.vcvtsi2sd(d, upper, a) : e.c.vcvtsi2sd(d, upper, a.cvt32());
    } else {
        bits == 64 ? e.c.vcvtsi2ss(d, upper, a) : e.c.vcvtsi2ss(d, upper, a.cvt32());
    }
}

// Unsigned 64-bit in `a` (kept): halved, the lost bit kept sticky, converted and doubled when it is
// large.
void from_unsigned64(Emitter& e, Lanes lanes, Xmm d, Gpr a, Gpr half, Gpr low) {
    e.c.test(a, a);
    const Jump large = e.jcc(Cc::S);
    from_signed(e, lanes, d, d, a, 64);
    struct {
        Lanes lanes;
        u8 d, a, half, low;
    } regs{lanes, static_cast<u8>(d.getIdx()), static_cast<u8>(a.getIdx()),
           static_cast<u8>(half.getIdx()), static_cast<u8>(low.getIdx())};
    e.cold(large, [regs](Emitter& cold) {
        const Gpr half(regs.half), low(regs.low), a(regs.a);
        const Xmm d(regs.d);
        cold.c.mov(low.cvt32(), a.cvt32());
        cold.c.and_(low.cvt32(), 1);
        cold.c.mov(half, a);
        cold.c.shr(half, 1);
        cold.c.or_(half, low);
        from_signed(cold, regs.lanes, d, d, half, 64);
        if (regs.lanes.dbl) {
            cold.c.vaddsd(d, d, d);
        } else {
            cold.c.vaddss(d, d, d);
        }
    });
}

void scale_down(Emitter& e, Lanes lanes, Xmm d, unsigned fraction_bits) {
    if (fraction_bits == 0) {
        return;
    }
    const V128 factor = lanes.power_of_two(-static_cast<int>(fraction_bits));
    if (lanes.is_vector()) {
        lanes.dbl ? e.c.vmulpd(d, d, e.literal(factor)) : e.c.vmulps(d, d, e.literal(factor));
    } else {
        lanes.dbl ? e.c.vmulsd(d, d, e.literal(factor)) : e.c.vmulss(d, d, e.literal(factor));
    }
}

// FPCR.FZ does not matter: no operand and no result is a denormal.
void emit_FCvtFromInt(Emitter& e, const Inst& inst) {
    const FixedInfo info = FixedInfo::unpack(inst.imm);
    if (inst.type == Type::F16) {
        emit_half_precision(e, inst);
        return;
    }
    const Lanes lanes = lanes_of(inst.type, 0);
    const bool wide = e.type_of(inst.args[0]) == Type::I64;
    const Gpr a = info.is_signed || wide ? e.use_gpr(inst.args[0]) : e.use_gpr_zext(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    if (!info.is_signed && wide) {
        const Gpr half = e.scratch_gpr(), low = e.scratch_gpr();
        e.c.vxorps(d, d, d);
        from_unsigned64(e, lanes, d, a, half, low);
    } else {
        e.c.vxorps(d, d, d);
        from_signed(e, lanes, d, d, a, info.is_signed && !wide ? 32 : 64);
    }
    scale_down(e, lanes, d, info.fraction_bits);
    e.mark_clean(inst);
}

void words_from_int(Emitter& e, const Inst& inst, Lanes lanes, const FixedInfo& info) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    Xmm source = a;
    if (lanes.form != Form::Full) { // zeroes above the lanes convert to zeroes
        lanes.form == Form::Half ? e.c.vmovq(d, a) : e.c.vinsertps(d, a, a, 0b1110);
        source = d;
    }
    if (info.is_signed) {
        e.c.vcvtdq2ps(d, source);
    } else { // both halves convert exactly; their sum rounds once
        const Xmm u = e.scratch_xmm();
        e.c.vpsrld(u, source, 16);
        e.c.vcvtdq2ps(u, u);
        e.c.vmulps(u, u, e.literal(lanes.power_of_two(16)));
        e.c.vpand(d, source, e.literal64(0x0000'ffff'0000'ffff));
        e.c.vcvtdq2ps(d, d);
        e.c.vaddps(d, d, u);
    }
    scale_down(e, {Form::Full, false}, d, info.fraction_bits);
}

void doubles_from_int(Emitter& e, const Inst& inst, Lanes lanes, const FixedInfo& info) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Gpr lane = e.scratch_gpr();
    const auto convert = [&](Xmm to) {
        e.c.vxorps(to, to, to);
        if (info.is_signed) {
            from_signed(e, lanes, to, to, lane, 64);
        } else {
            const Gpr half = e.scratch_gpr(), low = e.scratch_gpr();
            from_unsigned64(e, lanes, to, lane, half, low);
        }
    };
    e.c.vmovq(lane, a);
    convert(d);
    if (lanes.form == Form::Full) {
        const Xmm u = e.scratch_xmm();
        e.c.vpextrq(lane, a, 1);
        convert(u);
        e.c.vunpcklpd(d, d, u);
    }
    scale_down(e, lanes, d, info.fraction_bits);
}

void emit_VFCvtFromInt(Emitter& e, const Inst& inst) {
    const FixedInfo info = FixedInfo::unpack(inst.imm);
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    if (inst.shape().lane_bytes() == 2) {
        emit_half_precision(e, inst);
    } else if (lanes.dbl) {
        doubles_from_int(e, inst, lanes, info);
    } else {
        words_from_int(e, inst, lanes, info);
    }
}

} // namespace

void add_fp_convert_emitters(EmitTable& table) {
    table.set(Opcode::FCvt, emit_FCvt);
    table.set(Opcode::VFCvtL, emit_VFCvtL);
    table.set(Opcode::VFCvtN, emit_VFCvtN);
    table.set(Opcode::VFCvtBf, emit_VFCvtBf);
    table.set(Opcode::FJCvtZs, emit_FJCvtZs);
    table.set(Opcode::FCvtToInt, emit_FCvtToInt);
    table.set(Opcode::VFCvtToInt, emit_VFCvtToInt);
    table.set(Opcode::FCvtFromInt, emit_FCvtFromInt);
    table.set(Opcode::VFCvtFromInt, emit_VFCvtFromInt);
}

} // namespace ulna::backend::x64
