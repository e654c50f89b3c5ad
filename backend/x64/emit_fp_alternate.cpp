// Floating point with FPCR.AH (FEAT_AFP). Alternate handling is that of SSE: the host's
// instructions give Arm's result and flags in every bit, with FPCR.FZ as FTZ, FIZ as DAZ and Input
// Denormal as Denormal (tests/unit/fp_alternate.cpp compares). So there is nothing to test
// afterwards; and no instruction may look at operands on the way that raises Denormal, as the
// ordinary emitters do.
//
// Out of line: half precision, FPCR.DN, and what Arm exempts from alternate handling or does in its
// own way (estimates and steps, bfloat16, FMAXNM, unsigned and fixed-point results).
//
// FIZ without AH needs nothing of this: with FZ it changes nothing, and alone it is DAZ, silent.
#include "backend/x64/emit_fp.h"

namespace ulna::backend::x64 {

using ir::FixedInfo;
using ir::Rounding;

namespace {

[[nodiscard]] const EmitTable& ordinary() {
    static const EmitTable table = [] {
        EmitTable t;
        add_int_emitters(t);
        add_fp_emitters(t);
        return t;
    }();
    return table;
}

// d = op(a, b): the order of the operands decides which NaN results.
template <const Widths& kOp> void emit_binary(Emitter& e, const Inst& inst) {
    if (is_half_precision(inst)) {
        return e.call_eval(inst);
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const XmmMem a = fp_arg(e, inst.args[0]), b = fp_arg(e, inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    if (lanes.form == Form::Half) {
        const Xmm u = e.scratch_xmm();
        copy_lanes(e, lanes, d, a);
        copy_lanes(e, lanes, u, b);
        kOp(e, lanes, d, d, u);
        zero_rest(e, lanes, d);
    } else {
        kOp(e, lanes, d, in_register(e, lanes, a, d), b);
    }
    if (lanes.form == Form::Scalar && (a.is_mem() || e.scalar_is_clean(inst.args[0]))) {
        e.mark_clean(inst);
    }
}

template <const Widths& kOp> void emit_pairs(Emitter& e, const Inst& inst) {
    if (is_half_precision(inst)) {
        return e.call_eval(inst);
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const Xmm a = e.use_xmm(inst.args[0]), b = e.use_xmm(inst.args[1]);
    const Xmm even = e.def_xmm(inst, Overlap::None);
    const Xmm odd = e.scratch_xmm();
    if (lanes.dbl) {
        e.c.vunpcklpd(even, a, b);
        e.c.vunpckhpd(odd, a, b);
    } else if (lanes.form == Form::Half) {
        e.c.vunpcklpd(even, a, b);
        e.c.vshufps(odd, even, even, 0xdd);
        e.c.vshufps(even, even, even, 0x88);
    } else {
        e.c.vshufps(even, a, b, 0x88);
        e.c.vshufps(odd, a, b, 0xdd);
    }
    kOp(e, lanes, even, even, odd);
    zero_rest(e, lanes, even);
}

void emit_FSqrt(Emitter& e, const Inst& inst) {
    if (is_half_precision(inst)) {
        return e.call_eval(inst);
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const XmmMem a = fp_arg(e, inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    if (lanes.is_vector()) {
        const Xmm source = in_register(e, lanes, a, d);
        lanes.dbl ? e.c.vsqrtpd(d, source) : e.c.vsqrtps(d, source);
        zero_rest(e, lanes, d);
    } else {
        e.c.vxorps(d, d, d);
        lanes.dbl ? e.c.vsqrtsd(d, d, a) : e.c.vsqrtss(d, d, a);
        e.mark_clean(inst);
    }
}

// The host negates products and addends that are numbers, as FPNeg does with AH.
void emit_FMulAdd(Emitter& e, const Inst& inst) {
    if (is_half_precision(inst)) {
        return e.call_eval(inst);
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    if (lanes.form == Form::Half) {
        const Xmm d = e.use_xmm_copy(inst.args[0]), x = e.use_xmm_copy(inst.args[1]),
                  y = e.use_xmm_copy(inst.args[2]);
        for (const Xmm reg : {d, x, y}) {
            copy_lanes(e, lanes, reg, reg);
        }
        fma231(e, lanes, inst.imm, d, x, y);
        zero_rest(e, lanes, d);
        e.define(inst, d);
        return;
    }
    const bool clean = lanes.form == Form::Scalar && e.scalar_is_clean(inst.args[0]);
    const Xmm op1 = e.use_xmm(inst.args[1]), op2 = e.use_xmm(inst.args[2]);
    const Xmm d = e.use_xmm_copy(inst.args[0]);
    fma231(e, lanes, inst.imm, d, op1, op2);
    e.define(inst, d);
    if (clean) {
        e.mark_clean(inst);
    }
}

// u = the sign bits of the lanes of x that are not NaNs, in integers so that nothing is raised.
void signs_of_numbers(Emitter& e, Lanes lanes, Xmm u, Xmm x) {
    V128 sign = lanes.sign();
    if (lanes.form == Form::Scalar) { // leaves clean upper bits clean
        sign = lanes.dbl ? V128{sign.lo, 0} : V128{sign.lo & 0xffff'ffff, 0};
    }
    const V128 infinity = lanes.all(lanes.dbl ? u64{0x7ff} << 52 : u64{0xff} << 23);
    e.c.vandps(u, x, e.literal(lanes.magnitude()));
    if (lanes.dbl) {
        e.c.vpcmpgtq(u, u, e.literal(infinity));
    } else {
        e.c.vpcmpgtd(u, u, e.literal(infinity));
    }
    e.c.vandnps(u, u, e.literal(sign));
}

void change_sign(Emitter& e, const Inst& inst, bool negate) {
    if (is_half_precision(inst)) {
        return e.call_eval(inst);
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    signs_of_numbers(e, lanes, d, a);
    negate ? e.c.vxorps(d, d, a) : e.c.vandnps(d, d, a);
    zero_rest(e, lanes, d);
    if (lanes.form == Form::Scalar && e.scalar_is_clean(inst.args[0])) {
        e.mark_clean(inst);
    }
}
void emit_FNeg(Emitter& e, const Inst& inst) { change_sign(e, inst, true); }
void emit_FAbs(Emitter& e, const Inst& inst) { change_sign(e, inst, false); }

void emit_FAbd(Emitter& e, const Inst& inst) {
    if (is_half_precision(inst)) {
        return e.call_eval(inst);
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const Xmm a = e.use_xmm(inst.args[0]), b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm();
    copy_lanes(e, lanes, d, a);
    copy_lanes(e, lanes, u, b);
    kSub(e, lanes, d, d, u);
    signs_of_numbers(e, lanes, u, d);
    e.c.vandnps(d, u, d);
    zero_rest(e, lanes, d);
}

// --- conversions
void emit_FCvt(Emitter& e, const Inst& inst) {
    const Type from = static_cast<Type>(inst.aux);
    const bool current = static_cast<Rounding>(inst.imm) == Rounding::Current;
    if (from == Type::F16 || inst.type == Type::F16 || !current) {
        return e.call_eval(inst);
    }
    const XmmMem a = fp_arg(e, inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    e.c.vxorps(d, d, d);
    from == Type::F32 ? e.c.vcvtss2sd(d, d, a) : e.c.vcvtsd2ss(d, d, a);
    e.mark_clean(inst);
}

void emit_VFCvtL(Emitter& e, const Inst& inst) {
    if (inst.shape() != ir::shape::D2) {
        return e.call_eval(inst);
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    e.c.vcvtps2pd(e.def_xmm(inst, Overlap::Any), a);
}

void emit_VFCvtN(Emitter& e, const Inst& inst) {
    if (inst.shape() != ir::shape::S2 || static_cast<Rounding>(inst.imm) != Rounding::Current) {
        return e.call_eval(inst);
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    e.c.vcvtpd2ps(e.def_xmm(inst, Overlap::Any), a);
}

// The ordinary code, which raises no Denormal in these cases.
template <Opcode kOp> void emit_to_int(Emitter& e, const Inst& inst) {
    const FixedInfo info = FixedInfo::unpack(inst.imm);
    const bool as_host =
        info.is_signed && info.fraction_bits == 0 && info.rounding != Rounding::TieAway;
    as_host ? ordinary()[kOp].fn(e, inst) : e.call_eval(inst);
}
void emit_FRInt(Emitter& e, const Inst& inst) {
    const bool away = static_cast<Rounding>(inst.imm & 0xff) == Rounding::TieAway;
    away ? e.call_eval(inst) : ordinary()[Opcode::FRInt].fn(e, inst);
}

} // namespace

void add_exact_emitters(EmitTable& table) {
    for (auto op = static_cast<unsigned>(Opcode::FAdd);
         op <= static_cast<unsigned>(Opcode::VFCvtBf); ++op) {
        table.set(static_cast<Opcode>(op), nullptr);
    }
    table.set(Opcode::VBfDot, nullptr);
    // out of line where is_fusable_flags says no
    table.set(Opcode::FCmp, [] {
        EmitTable t;
        add_int_emitters(t);
        return t[Opcode::FCmp].fn;
    }());
    table.set_role(Opcode::FCmp, FlagRole::FCmp);
}

void add_alternate_emitters(EmitTable& table) {
    add_exact_emitters(table);
    table.set(Opcode::FAdd, emit_binary<kAdd>);
    table.set(Opcode::FSub, emit_binary<kSub>);
    table.set(Opcode::FMul, emit_binary<kMul>);
    table.set(Opcode::FDiv, emit_binary<kDiv>);
    table.set(Opcode::FMax, emit_binary<kMax>);
    table.set(Opcode::FMin, emit_binary<kMin>);
    table.set(Opcode::FAddP, emit_pairs<kAdd>);
    table.set(Opcode::FMaxP, emit_pairs<kMax>);
    table.set(Opcode::FMinP, emit_pairs<kMin>);
    table.set(Opcode::FSqrt, emit_FSqrt);
    table.set(Opcode::FMulAdd, emit_FMulAdd);
    table.set(Opcode::FNeg, emit_FNeg);
    table.set(Opcode::FAbs, emit_FAbs);
    table.set(Opcode::FAbd, emit_FAbd);
    table.set(Opcode::FCvt, emit_FCvt);
    table.set(Opcode::VFCvtL, emit_VFCvtL);
    table.set(Opcode::VFCvtN, emit_VFCvtN);
    table.set(Opcode::FCvtToInt, emit_to_int<Opcode::FCvtToInt>);
    table.set(Opcode::VFCvtToInt, emit_to_int<Opcode::VFCvtToInt>);
    table.set(Opcode::FRInt, emit_FRInt);
    for (const Opcode op : {Opcode::FCmEq, Opcode::FCmGe, Opcode::FCmGt, Opcode::FCvtFromInt,
                            Opcode::VFCvtFromInt, Opcode::FJCvtZs}) {
        table.set(op, ordinary()[op].fn);
    }
}

} // namespace ulna::backend::x64
