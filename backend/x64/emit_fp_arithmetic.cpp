// Arithmetic with rounding: + - * / sqrt, fused multiply-add and the reciprocal steps.
#include "backend/x64/emit_fp.h"

namespace ulna::backend::x64 {

using G = Xbyak::CodeGenerator;

void fma231(Emitter& e, Lanes lanes, u64 negate, Xmm d, Xmm a, const Xbyak::Operand& b) {
    using Fma = void (G::*)(const Xmm&, const Xmm&, const Xbyak::Operand&);
    static constexpr Fma kForms[4][4] = {
        // by fmuladd bits: none, factor, addend, both
        {&G::vfmadd231ss, &G::vfnmadd231ss, &G::vfmsub231ss, &G::vfnmsub231ss},
        {&G::vfmadd231sd, &G::vfnmadd231sd, &G::vfmsub231sd, &G::vfnmsub231sd},
        {&G::vfmadd231ps, &G::vfnmadd231ps, &G::vfmsub231ps, &G::vfnmsub231ps},
        {&G::vfmadd231pd, &G::vfnmadd231pd, &G::vfmsub231pd, &G::vfnmsub231pd},
    };
    static_assert(ir::fmuladd::kNegateFactor == 1 && ir::fmuladd::kNegateAddend == 2);
    (e.c.*kForms[lanes.is_vector() * 2 + lanes.dbl][negate & 3])(d, a, b);
}

namespace {
// d = b - d * a
void fnma213(Emitter& e, Lanes lanes, Xmm d, Xmm a, const Xbyak::Operand& b) {
    if (lanes.is_vector()) {
        lanes.dbl ? e.c.vfnmadd213pd(d, a, b) : e.c.vfnmadd213ps(d, a, b);
    } else {
        lanes.dbl ? e.c.vfnmadd213sd(d, a, b) : e.c.vfnmadd213ss(d, a, b);
    }
}

// The scalar result's upper bits are those of the first source.
void inherit_clean(Emitter& e, const Inst& inst, Lanes lanes, ir::ValueId first, bool was_loaded) {
    if (lanes.form == Form::Scalar && (was_loaded || e.scalar_is_clean(first))) {
        e.mark_clean(inst);
    }
}

enum class Order : bool { Fixed, Commutes };

// d = op(a, b); what kind of result the exact evaluation must decide is `check`.
template <Order kOrder>
void binary(Emitter& e, const Inst& inst, const Widths& op, Check check, bool absolute = false) {
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    XmmMem a = fp_arg(e, inst.args[0]);
    XmmMem b = fp_arg(e, inst.args[1]);
    const XmmMem args[2] = {a, b};
    ir::ValueId first = inst.args[0];
    if constexpr (kOrder == Order::Commutes) { // the NaN that counts is chosen out of line
        const bool cleaner = lanes.form == Form::Scalar && a.is_reg() && b.is_reg() &&
                             !e.scalar_is_clean(first) && e.scalar_is_clean(inst.args[1]);
        if ((a.is_mem() && b.is_reg()) || cleaner) {
            std::swap(a, b);
            first = inst.args[1];
        }
    }
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm();
    Flush flush{e, inst, lanes};
    flush.operand(0, args[0], u);
    flush.operand(1, args[1], u);
    flush.flushes_result();
    const Xmm source = in_register(e, lanes, a, d);
    if (lanes.form == Form::Half) {
        copy_lanes(e, lanes, u, b);
        op(e, lanes, d, source, u);
    } else {
        op(e, lanes, d, source, b);
    }
    if (absolute) {
        e.c.vandps(d, d, e.literal(lanes.magnitude()));
    }
    const Jump jump = check_result(e, lanes, check, d, u);
    zero_rest(e, lanes, d);
    cold_exact(e, jump, inst, {args[0], args[1]}, d, {u});
    flush.finish({args[0], args[1]}, d, {u});
    inherit_clean(e, inst, lanes, first, a.is_mem());
}

void emit_FAdd(Emitter& e, const Inst& inst) {
    if (inlines(e, inst, inst.type, inst.aux)) {
        binary<Order::Commutes>(e, inst, kAdd, Check::NaN);
    }
}
void emit_FSub(Emitter& e, const Inst& inst) {
    if (inlines(e, inst, inst.type, inst.aux)) {
        binary<Order::Fixed>(e, inst, kSub, Check::NaN);
    }
}
void emit_FAbd(Emitter& e, const Inst& inst) {
    if (inlines(e, inst, inst.type, inst.aux)) {
        binary<Order::Fixed>(e, inst, kSub, Check::NaN, true);
    }
}
void emit_FMul(Emitter& e, const Inst& inst) {
    if (inlines(e, inst, inst.type, inst.aux)) {
        binary<Order::Commutes>(e, inst, kMul, Check::NaNOrTiny);
    }
}
void emit_FDiv(Emitter& e, const Inst& inst) {
    if (inlines(e, inst, inst.type, inst.aux)) {
        binary<Order::Fixed>(e, inst, kDiv, Check::NaNOrTiny);
    }
}
// Jumps when a lane of `arg` is zero or a NaN. `zero` is a register of zeros, `u` is clobbered.
Jump jump_if_zero(Emitter& e, Lanes lanes, Xmm arg, Xmm zero, Xmm u) {
    if (!lanes.is_vector()) {
        ucomi(e, lanes, arg, zero);
        return e.jcc(Cc::E);
    }
    copy_lanes(e, lanes, u, arg);
    vcmp(e, lanes, u, u, zero, kEqualOrUnordered);
    return jump_if_any(e, u);
}

// FPMulX differs for 0 * infinity only, where the host has a NaN. But there Arm raises nothing, so
// the operands are looked at first: zero times anything is left to the exact evaluation.
void emit_FMulX(Emitter& e, const Inst& inst) {
    if (!inlines(e, inst, inst.type, inst.aux)) {
        return;
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const Xmm a = e.use_xmm(inst.args[0]), b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm();
    Flush flush{e, inst, lanes};
    flush.flushes_result(); // operands that are zero or denormal are evaluated exactly anyway
    e.c.vxorps(d, d, d);
    const Jump zero1 = jump_if_zero(e, lanes, a, d, u);
    const Jump zero2 = jump_if_zero(e, lanes, b, d, u);
    copy_lanes(e, lanes, d, a);
    copy_lanes(e, lanes, u, b);
    kMul(e, lanes, d, d, u);
    const Jump result = check_result(e, lanes, Check::NaNOrTiny, d, u);
    zero_rest(e, lanes, d);
    for (const Jump jump : {zero1, zero2, result}) {
        cold_exact(e, jump, inst, {a, b}, d, {u});
    }
    flush.finish({a, b}, d, {u});
}

void emit_FSqrt(Emitter& e, const Inst& inst) {
    if (!inlines(e, inst, inst.type, inst.aux)) {
        return;
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const XmmMem a = fp_arg(e, inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm();
    Flush flush{e, inst, lanes};
    flush.operand(0, a, u);
    if (lanes.is_vector()) {
        const Xmm source = in_register(e, lanes, a, d);
        lanes.dbl ? e.c.vsqrtpd(d, source) : e.c.vsqrtps(d, source);
    } else {
        e.c.vxorps(d, d, d); // no dependency on the old contents, and zero upper bits
        lanes.dbl ? e.c.vsqrtsd(d, d, a) : e.c.vsqrtss(d, d, a);
        e.mark_clean(inst);
    }
    const Jump jump = check_result(e, lanes, Check::NaN, d, u);
    zero_rest(e, lanes, d);
    cold_exact(e, jump, inst, {a}, d, {u});
    flush.finish({a}, d, {u});
}

void zeroing_copy(Emitter& e, Lanes lanes, Xmm to, Xmm from) {
    if (lanes.dbl) {
        e.c.vmovq(to, from);
    } else {
        e.c.vinsertps(to, from, from, 0b1110);
    }
}

// Half vectors need a copy of everything.
void half_fmuladd(Emitter& e, const Inst& inst, Lanes lanes) {
    const Xmm d = e.use_xmm_copy(inst.args[0]);
    const XmmMem addend = park(e, 0, d);
    const Xmm x = e.use_xmm_copy(inst.args[1]);
    const XmmMem op1 = park(e, 1, x);
    const Xmm y = e.use_xmm_copy(inst.args[2]);
    const XmmMem op2 = park(e, 2, y);
    for (const Xmm reg : {d, x, y}) {
        copy_lanes(e, lanes, reg, reg);
    }
    fma231(e, lanes, inst.imm, d, x, y);
    const Jump jump = check_result(e, lanes, Check::NaNOrTiny, d, x);
    zero_rest(e, lanes, d);
    cold_exact(e, jump, inst, {addend, op1, op2}, d, {x, y});
    e.define(inst, d);
}

// In the order of the arguments; one of them is a register.
struct Factors {
    XmmMem op1, op2;
};

// d, which has the addend, += op1 * op2; `addend` is where cold code finds the original.
void finish_fmuladd(Emitter& e,
                    const Inst& inst,
                    Lanes lanes,
                    Flush& flush,
                    const XmmMem& addend,
                    const Factors& factors,
                    Xmm d,
                    Xmm u) {
    const bool swap = factors.op1.is_mem();
    const Xmm reg((swap ? factors.op2 : factors.op1).reg_index());
    fma231(e, lanes, inst.imm, d, reg, swap ? factors.op1 : factors.op2);
    const Jump jump = check_result(e, lanes, Check::NaNOrTiny, d, u);
    zero_rest(e, lanes, d);
    cold_exact(e, jump, inst, {addend, factors.op1, factors.op2}, d, {u});
    flush.finish({addend, factors.op1, factors.op2}, d, {u});
}

void guard_fmuladd(Flush& flush, const XmmMem& addend, const Factors& factors, Xmm u) {
    flush.operand(0, addend, u);
    flush.operand(1, factors.op1, u);
    flush.operand(2, factors.op2, u);
    flush.flushes_result();
}

void emit_FMulAdd(Emitter& e, const Inst& inst) {
    if (!inlines(e, inst, inst.type, inst.aux)) {
        return;
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    if (lanes.form == Form::Half) {
        half_fmuladd(e, inst, lanes);
        return;
    }
    const bool scalar = lanes.form == Form::Scalar;
    const bool clean = scalar && e.scalar_is_clean(inst.args[0]);
    Factors factors{fp_arg(e, inst.args[1]), fp_arg(e, inst.args[2])};
    if (factors.op1.is_mem() && factors.op2.is_mem()) {
        factors.op1 = e.use_xmm(inst.args[1]);
    }
    Flush flush{e, inst, lanes};
    if (is_temporary(factors.op1) && is_temporary(factors.op2) &&
        factors.op1.reg_index() != factors.op2.reg_index()) { // no register left for the addend
        const Xmm d = e.use_xmm_copy(inst.args[0]);
        const XmmMem addend = park(e, 0, d);
        const Xmm u = e.scratch_xmm();
        guard_fmuladd(flush, addend, factors, u);
        finish_fmuladd(e, inst, lanes, flush, addend, factors, d, u);
        e.define(inst, d);
        if (clean) {
            e.mark_clean(inst);
        }
        return;
    }
    const XmmMem addend = fp_arg(e, inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm();
    guard_fmuladd(flush, addend, factors, u);
    if (scalar && addend.is_reg() && !clean) { // here rather than on the result
        zeroing_copy(e, lanes, d, Xmm(addend.reg_index()));
    } else {
        copy_lanes(e, lanes, d, addend);
    }
    finish_fmuladd(e, inst, lanes, flush, addend, factors, d, u);
    if (scalar) {
        e.mark_clean(inst);
    }
}

// 2 - a * b and 1.5 - (a / 2) * b. Zero times infinity is a number here and raises nothing, so the
// tests come first: without zeros and NaNs no NaN can result, and no result is tiny. Halving `a`
// first keeps one rounding and cannot overflow, and is exact when `a` is not near the denormals.
void emit_step(Emitter& e, const Inst& inst, bool square_root) {
    if (!inlines(e, inst, inst.type, inst.aux)) {
        return;
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const Xmm a = e.use_xmm(inst.args[0]), b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm();
    copy_lanes(e, lanes, d, a);
    e.c.vandps(u, d, e.literal(lanes.magnitude()));
    const V128 bound = lanes.power_of_two(lanes.dbl ? -1021 : -125);
    Jump small;
    if (lanes.is_vector()) {
        vcmp(e, lanes, u, u, e.literal(bound), kNotGreater);
        small = jump_if_any(e, u);
    } else {
        ucomi(e, lanes, u, e.literal(bound));
        small = e.jcc(Cc::BE);
    }
    e.c.vxorps(d, d, d);
    const Jump zero = jump_if_zero(e, lanes, b, d, u);
    copy_lanes(e, lanes, d, a);
    copy_lanes(e, lanes, u, b);
    if (square_root) {
        kMul(e, lanes, d, d, e.literal(lanes.power_of_two(-1)));
    }
    const V128 minuend = square_root ? lanes.all(lanes.dbl ? 0x3ff8'0000'0000'0000 : 0x3fc0'0000)
                                     : lanes.power_of_two(1);
    fnma213(e, lanes, d, u, e.literal(minuend));
    zero_rest(e, lanes, d);
    cold_exact(e, small, inst, {a, b}, d, {u});
    cold_exact(e, zero, inst, {a, b}, d, {u});
}
void emit_FRecpS(Emitter& e, const Inst& inst) { emit_step(e, inst, false); }
void emit_FRSqrtS(Emitter& e, const Inst& inst) { emit_step(e, inst, true); }

// Sums of pairs: the host's horizontal addition takes them in Arm's order.
void emit_FAddP(Emitter& e, const Inst& inst) {
    if (!inlines(e, inst, inst.type, inst.aux)) {
        return;
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const Xmm a = e.use_xmm(inst.args[0]), b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm();
    Flush flush{e, inst, lanes};
    flush.operand(0, a, u);
    flush.operand(1, b, u);
    flush.flushes_result();
    if (lanes.form == Form::Half) {
        e.c.vmovlhps(d, a, b);
        e.c.vhaddps(d, d, d);
    } else {
        lanes.dbl ? e.c.vhaddpd(d, a, b) : e.c.vhaddps(d, a, b);
    }
    const Jump jump = check_result(e, lanes, Check::NaN, d, u);
    zero_rest(e, lanes, d);
    cold_exact(e, jump, inst, {a, b}, d, {u});
    flush.finish({a, b}, d, {u});
}

} // namespace

void add_fp_arithmetic_emitters(EmitTable& table) {
    table.set(Opcode::FAdd, emit_FAdd);
    table.set(Opcode::FSub, emit_FSub);
    table.set(Opcode::FAbd, emit_FAbd);
    table.set(Opcode::FMul, emit_FMul);
    table.set(Opcode::FDiv, emit_FDiv);
    table.set(Opcode::FMulX, emit_FMulX);
    table.set(Opcode::FSqrt, emit_FSqrt);
    table.set(Opcode::FMulAdd, emit_FMulAdd);
    table.set(Opcode::FMulAddL, emit_half_precision);
    table.set(Opcode::FRecpS, emit_FRecpS);
    table.set(Opcode::FRSqrtS, emit_FRSqrtS);
    table.set(Opcode::FAddP, emit_FAddP);
}

} // namespace ulna::backend::x64
