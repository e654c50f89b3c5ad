// Sign operations, minimum and maximum, comparison to masks, rounding to integral.
#include "backend/x64/emit_fp.h"

namespace ulna::backend::x64 {

namespace {
using G = Xbyak::CodeGenerator;

// --- sign bits: exact in every mode
void emit_FNeg(Emitter& e, const Inst& inst) {
    if (is_half_precision(inst)) {
        emit_half_precision(e, inst);
        return;
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    V128 sign = lanes.sign();
    if (lanes.form == Form::Scalar) { // leaves clean upper bits clean
        sign = lanes.dbl ? V128{sign.lo, 0} : V128{sign.lo & 0xffff'ffff, 0};
    }
    e.c.vxorps(d, a, e.literal(sign));
    zero_rest(e, lanes, d);
    if (lanes.form == Form::Scalar && e.scalar_is_clean(inst.args[0])) {
        e.mark_clean(inst);
    }
}

void emit_FAbs(Emitter& e, const Inst& inst) {
    if (is_half_precision(inst)) {
        emit_half_precision(e, inst);
        return;
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    V128 mask = lanes.magnitude();
    if (lanes.form != Form::Full) { // the rest becomes zero on the way
        mask = {mask.lo, 0};
        if (lanes.form != Form::Half && !lanes.dbl) {
            mask.lo &= 0xffff'ffff;
        }
    }
    e.c.vandps(d, a, e.literal(mask));
    if (lanes.form == Form::Scalar) {
        e.mark_clean(inst);
    }
}

// --- minimum and maximum
// The host returns its second operand for equal operands, so both orders combined give the right
// zero: max(a, b) & max(b, a), min(a, b) | min(b, a). `d` may be `a`.
void combine(Emitter& e, Lanes lanes, bool maximum, Xmm d, Xmm a, Xmm b, Xmm u) {
    const Widths& op = maximum ? kMax : kMin;
    op(e, lanes, u, b, a);
    op(e, lanes, d, a, b);
    if (maximum) {
        e.c.vandps(d, d, u);
    } else {
        e.c.vorps(d, d, u);
    }
}

// NaNs would raise Invalid in the host's instruction even when quiet: they are looked for first.
void min_max(Emitter& e, const Inst& inst, bool maximum) {
    if (!inlines(e, inst, inst.type, inst.aux)) {
        return;
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    if (lanes.form == Form::Half) {
        const Xmm x = e.use_xmm_copy(inst.args[0]);
        const XmmMem a = park(e, 0, x);
        const Xmm y = e.use_xmm_copy(inst.args[1]);
        const XmmMem b = park(e, 1, y);
        copy_lanes(e, lanes, x, x);
        copy_lanes(e, lanes, y, y);
        const Xmm u = e.scratch_xmm();
        const Jump jump = jump_if_unordered(e, lanes, x, y, u);
        combine(e, lanes, maximum, x, x, y, u);
        zero_rest(e, lanes, x);
        cold_exact(e, jump, inst, {a, b}, x, {y});
        e.define(inst, x);
        return;
    }
    const Xmm a = e.use_xmm(inst.args[0]), b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm();
    Flush flush{e, inst, lanes};
    flush.operand(0, a, u);
    flush.operand(1, b, u);
    const Jump jump = jump_if_unordered(e, lanes, a, b, u);
    combine(e, lanes, maximum, d, a, b, u);
    zero_rest(e, lanes, d);
    cold_exact(e, jump, inst, {a, b}, d, {u});
    flush.finish({a, b}, d, {u});
    if (lanes.form == Form::Scalar && e.scalar_is_clean(inst.args[0]) &&
        e.scalar_is_clean(inst.args[1])) {
        e.mark_clean(inst);
    }
}
void emit_max(Emitter& e, const Inst& inst) { min_max(e, inst, true); }
void emit_min(Emitter& e, const Inst& inst) { min_max(e, inst, false); }

void min_max_pairs(Emitter& e, const Inst& inst, bool maximum) {
    if (!inlines(e, inst, inst.type, inst.aux)) {
        return;
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const Xmm x = e.use_xmm_copy(inst.args[0]);
    const XmmMem a = park(e, 0, x);
    const Xmm odd = e.use_xmm_copy(inst.args[1]);
    const XmmMem b = park(e, 1, odd);
    const Xmm even = e.scratch_xmm();
    Flush flush{e, inst, lanes};
    flush.operand(0, a, even);
    flush.operand(1, b, even);
    if (lanes.dbl) {
        e.c.vunpcklpd(even, x, odd);
        e.c.vunpckhpd(odd, x, odd);
    } else if (lanes.form == Form::Half) {
        e.c.vmovlhps(even, x, odd);
        e.c.vshufps(odd, even, even, 0b11'01'11'01);
        e.c.vshufps(even, even, even, 0b10'00'10'00);
    } else {
        e.c.vshufps(even, x, odd, 0b10'00'10'00);
        e.c.vshufps(odd, x, odd, 0b11'01'11'01);
    }
    const Jump jump = jump_if_unordered(e, lanes, even, odd, x);
    combine(e, lanes, maximum, even, even, odd, x);
    zero_rest(e, lanes, even);
    cold_exact(e, jump, inst, {a, b}, even, {odd});
    flush.finish({a, b}, even, {odd});
    e.define(inst, even);
}
void emit_max_pairs(Emitter& e, const Inst& inst) { min_max_pairs(e, inst, true); }
void emit_min_pairs(Emitter& e, const Inst& inst) { min_max_pairs(e, inst, false); }

void min_max_across(Emitter& e, const Inst& inst, bool maximum) {
    if (!inlines(e, inst, inst.type, inst.aux)) {
        return;
    }
    CHECK(inst.shape() == ir::shape::S4);
    const Lanes lanes{Form::Full, false};
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm(), odd = e.scratch_xmm();
    Flush flush{e, inst, lanes};
    flush.operand(0, a, u);
    const Jump jump = jump_if_unordered(e, lanes, a, a, u);
    e.c.vmovshdup(odd, a);
    combine(e, lanes, maximum, d, a, odd, u); // lanes 0 and 2
    e.c.vmovhlps(odd, d, d);
    combine(e, lanes, maximum, d, d, odd, u);
    zero_rest(e, {Form::Lane, false}, d);
    cold_exact(e, jump, inst, {a}, d, {u});
    flush.finish({a}, d, {u});
}
void emit_max_across(Emitter& e, const Inst& inst) { min_max_across(e, inst, true); }
void emit_min_across(Emitter& e, const Inst& inst) { min_max_across(e, inst, false); }

// --- comparisons: the host's predicates raise what Arm's do

// The flags of a comparison with FPCR.FZ, as a value: fused into its consumers (condition.cpp) it
// could not look for denormals first; where those trap it need not. ZF PF CF select one of four
// nibbles.
void flushing_compare(Emitter& e, const Inst& inst) {
    constexpr u32 kZfPfCfOfLahf = 0x4500;
    constexpr u32 kNzcv = 2u << 0 * 4 | 8u << 1 * 4 | 6u << 4 * 4 | 3u << 7 * 4;
    const Lanes lanes = lanes_of(e.type_of(inst.args[0]), 0);
    const Gpr rax = e.take_gpr(HostReg::RAX);
    const Gpr table = e.scratch_gpr();
    const Xmm a = e.use_xmm(inst.args[0]), b = e.use_xmm(inst.args[1]);
    const Xmm u = e.scratch_xmm();
    Flush flush{e, inst, lanes};
    flush.operand(0, a, u);
    flush.operand(1, b, u);
    if (inst.imm == 1) {
        lanes.dbl ? e.c.vcomisd(a, b) : e.c.vcomiss(a, b);
    } else {
        ucomi(e, lanes, a, b);
    }
    e.c.lahf();
    e.c.mov(table.cvt32(), kZfPfCfOfLahf);
    e.c.pext(rax.cvt32(), rax.cvt32(), table.cvt32());
    e.c.shl(rax.cvt32(), 2);
    e.c.mov(table.cvt32(), kNzcv);
    e.c.shrx(rax.cvt32(), table.cvt32(), rax.cvt32());
    e.c.and_(rax.cvt32(), 15);
    flush.finish({a, b}, Xmm(rax.getIdx()), {}); // the number of the result's register
    e.define(inst, rax);
}

void emit_FCmp(Emitter& e, const Inst& inst) {
    static const EmitFn plain = [] {
        EmitTable table;
        add_int_emitters(table);
        return table[Opcode::FCmp].fn;
    }();
    if (e.mode().fz() && !e.mode().traps_flushes() && e.type_of(inst.args[0]) != Type::F16) {
        flushing_compare(e, inst);
    } else {
        plain(e, inst);
    }
}

void compare_mask(Emitter& e, const Inst& inst, u8 predicate) {
    if (!inlines(e, inst, inst.type, inst.aux)) {
        return;
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const bool absolute = inst.imm == 1;
    const bool copies = absolute || lanes.form == Form::Half;
    const Xmm a = e.use_xmm(inst.args[0]), b = e.use_xmm(inst.args[1]);
    const bool in_place = !copies && !e.mode().flushes_noticed();
    const Xmm d = e.def_xmm(inst, in_place ? Overlap::Any : Overlap::None);
    Xmm x = a, y = b;
    if (copies) {
        x = d;
        y = e.scratch_xmm();
    }
    Flush flush{e, inst, lanes};
    flush.operand(0, a, d);
    flush.operand(1, b, d);
    if (copies) {
        copy_lanes(e, lanes, x, a);
        copy_lanes(e, lanes, y, b);
    }
    if (absolute) {
        e.c.vandps(x, x, e.literal(lanes.magnitude()));
        e.c.vandps(y, y, e.literal(lanes.magnitude()));
    }
    if (lanes.is_vector()) {
        vcmp(e, lanes, d, x, y, predicate);
    } else {
        lanes.dbl ? e.c.vcmpsd(d, x, y, predicate) : e.c.vcmpss(d, x, y, predicate);
    }
    zero_rest(e, lanes, d);
    flush.finish({a, b}, d, {});
}
void emit_FCmEq(Emitter& e, const Inst& inst) { compare_mask(e, inst, kEqual); }
void emit_FCmGe(Emitter& e, const Inst& inst) { compare_mask(e, inst, kGreaterEqual); }
void emit_FCmGt(Emitter& e, const Inst& inst) { compare_mask(e, inst, kGreater); }

// --- rounding to integral. A NaN comes out quiet, with its payload, in both architectures, unless
// FPCR.DN.
void round_lanes(Emitter& e, Lanes lanes, Xmm d, Xmm a, u8 control) {
    if (lanes.is_vector()) {
        lanes.dbl ? e.c.vroundpd(d, a, control) : e.c.vroundps(d, a, control);
    } else {
        lanes.dbl ? e.c.vroundsd(d, a, a, control) : e.c.vroundss(d, a, a, control);
    }
}

void emit_FRInt(Emitter& e, const Inst& inst) {
    const ir::Rounding rounding = static_cast<ir::Rounding>(inst.imm & 0xff);
    const bool exact = (inst.imm >> 8 & 1) != 0;
    if (rounding == ir::Rounding::Odd || e.mode().dn()) {
        e.call_eval(inst);
        return;
    }
    if (!inlines(e, inst, inst.type, inst.aux)) {
        return;
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    if (rounding == ir::Rounding::TieAway) {
        const Xmm a = e.use_xmm(inst.args[0]);
        const Xmm d = e.def_xmm(inst, Overlap::None);
        const Xmm u = e.scratch_xmm(), w = e.scratch_xmm();
        Flush flush{e, inst, lanes};
        flush.operand(0, a, u);
        round_ties_away(e, lanes, d, a, u, w);
        zero_rest(e, lanes, d);
        flush.finish({a}, d, {});
        return;
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const bool in_place = lanes.form != Form::Half && !e.mode().flushes_noticed();
    const Xmm d = e.def_xmm(inst, in_place ? Overlap::Any : Overlap::None);
    Flush flush{e, inst, lanes};
    flush.operand(0, a, d);
    const Xmm source = in_register(e, lanes, a, d);
    round_lanes(e, lanes, d, source, host_rounding(rounding) | (exact ? 0 : kNoInexact));
    zero_rest(e, lanes, d);
    flush.finish({a}, d, {});
    if (lanes.form == Form::Scalar && e.scalar_is_clean(inst.args[0])) {
        e.mark_clean(inst);
    }
}

// Rounded to integral once quietly, to see whether it is in range, and once for its Inexact. The
// least integer is in range, but left to the exact evaluation with what is not.
void emit_FRIntN(Emitter& e, const Inst& inst) {
    const ir::Rounding rounding = static_cast<ir::Rounding>(inst.imm & 0xff);
    const int int_bits = static_cast<int>(inst.imm >> 8);
    if (rounding == ir::Rounding::Odd || rounding == ir::Rounding::TieAway) {
        e.call_eval(inst); // no A64 instruction makes it
        return;
    }
    if (!inlines(e, inst, inst.type, inst.aux)) {
        return;
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm(), limit = lanes.is_vector() ? u : e.scratch_xmm();
    Flush flush{e, inst, lanes};
    flush.operand(0, a, u);
    const Xmm source = in_register(e, lanes, a, d);
    round_lanes(e, lanes, u, source, host_rounding(rounding) | kNoInexact);
    e.c.vandps(u, u, e.literal(lanes.magnitude()));
    Jump jump;
    if (lanes.is_vector()) {
        vcmp(e, lanes, u, u, e.literal(lanes.power_of_two(int_bits - 1)), kNotLess);
        jump = jump_if_any(e, u);
    } else {
        e.load_imm(limit, lanes.power_of_two(int_bits - 1));
        ucomi(e, lanes, limit, u);
        jump = e.jcc(Cc::BE); // or unordered
    }
    round_lanes(e, lanes, d, source, host_rounding(rounding));
    zero_rest(e, lanes, d);
    cold_exact(e, jump, inst, {a}, d, {u});
    flush.finish({a}, d, {u});
    if (lanes.form == Form::Scalar && e.scalar_is_clean(inst.args[0])) {
        e.mark_clean(inst);
    }
}

} // namespace

// d = a to the nearest integral value, ties away from zero; raises nothing but Invalid for
// signaling NaNs. Truncates, then adds one with the sign of `a` where the fraction lost was a half
// or more; the sign also keeps a zero's sign. Large values are left alone by a mask, so that
// infinity minus infinity is never computed.
void round_ties_away(Emitter& e, Lanes lanes, Xmm d, Xmm a, Xmm u, Xmm w) {
    const Lanes all{lanes.form == Form::Full ? Form::Full : Form::Half, lanes.dbl};
    Xmm source = a;
    if (lanes.form != Form::Full) { // one code for scalars and vectors: the operand in every lane
        source = d;
        if (lanes.form == Form::Half || lanes.dbl) {
            e.c.vmovddup(d, a);
        } else {
            e.c.vbroadcastss(d, a);
        }
    }
    e.c.vandps(u, source, e.literal(all.magnitude()));
    // magnitudes from 2^52 (2^23) on, and NaNs, have no fraction: work on zero instead
    vcmp(e, all, w, u, e.literal(all.power_of_two(lanes.dbl ? 52 : 23)), kLessQuiet);
    e.c.vandps(u, u, w);
    round_lanes(e, all, w, u, kTruncate | kNoInexact);
    if (lanes.dbl) {
        e.c.vsubpd(u, u, w); // the fraction, exact
    } else {
        e.c.vsubps(u, u, w);
    }
    vcmp(e, all, u, u, e.literal(all.power_of_two(-1)), kGreaterEqualQuiet);
    e.c.vandps(u, u, e.literal(all.power_of_two(0)));
    e.c.vandps(w, source, e.literal(all.sign()));
    e.c.vorps(u, u, w);
    round_lanes(e, all, d, source, kTruncate | kNoInexact);
    if (lanes.dbl) {
        e.c.vaddpd(d, d, u);
    } else {
        e.c.vaddps(d, d, u);
    }
}

void add_fp_misc_emitters(EmitTable& table) {
    table.set(Opcode::FNeg, emit_FNeg, kKeepsFlags);
    table.set(Opcode::FAbs, emit_FAbs, kKeepsFlags);
    table.set(Opcode::FMax, emit_max);
    table.set(Opcode::FMin, emit_min);
    table.set(Opcode::FMaxNm, emit_max); // they differ for NaNs only
    table.set(Opcode::FMinNm, emit_min);
    table.set(Opcode::FMaxP, emit_max_pairs);
    table.set(Opcode::FMinP, emit_min_pairs);
    table.set(Opcode::FMaxNmP, emit_max_pairs);
    table.set(Opcode::FMinNmP, emit_min_pairs);
    table.set(Opcode::FMaxV, emit_max_across);
    table.set(Opcode::FMinV, emit_min_across);
    table.set(Opcode::FMaxNmV, emit_max_across);
    table.set(Opcode::FMinNmV, emit_min_across);
    table.set(Opcode::FCmp, emit_FCmp); // instead of the one that add_int_emitters set
    table.set(Opcode::FCmEq, emit_FCmEq);
    table.set(Opcode::FCmGe, emit_FCmGe);
    table.set(Opcode::FCmGt, emit_FCmGt);
    table.set(Opcode::FRInt, emit_FRInt);
    table.set(Opcode::FRIntN, emit_FRIntN);
}

} // namespace ulna::backend::x64
