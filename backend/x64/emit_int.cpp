// Integer operations: arithmetic, logic, shifts, extensions, selection. Multiplication, division
// and bit counting are in emit_int_bits.cpp.
#include "backend/x64/emitter.h"
#include "backend/x64/raw.h"

namespace ulna::backend::x64 {

using ir::Type;

void add_int_bits_emitters(EmitTable& table);
void add_flag_emitters(EmitTable& table);
void add_state_emitters(EmitTable& table);

namespace {

bool is_wide(const Inst& inst) { return inst.type == Type::I64; }
unsigned width_of(const Inst& inst) { return is_wide(inst) ? 64 : 32; }
// The part of a register that an operation of this type works on.
Xbyak::Reg part(const Inst& inst, Gpr reg) {
    return is_wide(inst) ? static_cast<Xbyak::Reg>(reg) : static_cast<Xbyak::Reg>(reg.cvt32());
}

// to op= from
void alu(Emitter& e, const Inst& inst, raw::Alu op, Gpr to, const GprMem& from) {
    raw::alu(e.c, op, is_wide(inst), to, from);
}
void alu(Emitter& e, const Inst& inst, raw::Alu op, Gpr to, u32 imm) {
    raw::alu_imm(e.c, op, is_wide(inst), to, imm);
}
void lea(Emitter& e, const Inst& inst, Gpr to, const Mem& mem) {
    raw::emit(e.c, raw::Op::Lea, is_wide(inst), to, mem);
}
Mem plus(Gpr base, u32 imm) {
    return {static_cast<u8>(base.getIdx()), kNoReg, 0, static_cast<i32>(imm)};
}

// The constant as a sign-extended 32-bit immediate of an operation of this width.
bool imm32_of(const Emitter& e, const Inst& inst, ValueId v, u32& imm) {
    if (!e.is_const(v)) {
        return false;
    }
    imm = static_cast<u32>(e.const_value(v));
    return !is_wide(inst) || Emitter::fits_imm32(e.const_value(v));
}

// Order the arguments of a commutative operation: constants right, the register to be overwritten
// left.
struct Pair {
    ValueId a, b;
};
Pair commute(const Emitter& e, const Inst& inst) {
    ValueId a = inst.args[0], b = inst.args[1];
    if (e.is_const(a) ||
        (!e.is_const(b) && e.hint_is_register_of(inst, b) && !e.hint_is_register_of(inst, a)) ||
        (!e.is_const(b) && e.in_memory_only(a) && !e.in_memory_only(b))) {
        std::swap(a, b);
    }
    return {a, b};
}

// a + b. lea where it saves a move, or must keep EFLAGS.
void emit_Add(Emitter& e, const Inst& inst) {
    const auto [a, b] = commute(e, inst);
    u32 imm;
    if (imm32_of(e, inst, b, imm)) {
        if (!e.must_set_flags() && !e.in_memory_only(a)) {
            const Gpr from = e.use_gpr(a);
            const Gpr to = e.def_gpr(inst, Overlap::Any);
            if (to.getIdx() == from.getIdx() && !e.flags_reserved()) {
                alu(e, inst, raw::Alu::Add, to, imm);
            } else {
                lea(e, inst, to, plus(from, imm));
            }
            return;
        }
        const Gpr to = e.def_gpr_from(inst, a);
        if (e.flags_reserved()) {
            lea(e, inst, to, plus(to, imm));
        } else {
            alu(e, inst, raw::Alu::Add, to, imm);
        }
        return;
    }
    if (e.must_set_flags() || (!e.flags_reserved() && e.in_memory_only(b))) {
        const GprMem right = e.use_gpr_mem(b, width_of(inst));
        alu(e, inst, raw::Alu::Add, e.def_gpr_from(inst, a), right);
        return;
    }
    const Gpr right = e.use_gpr(b), left = e.use_gpr(a);
    const Gpr to = e.def_gpr(inst, Overlap::Any);
    if (e.flags_reserved() || (to.getIdx() != left.getIdx() && to.getIdx() != right.getIdx())) {
        lea(e, inst, to, {static_cast<u8>(left.getIdx()), static_cast<u8>(right.getIdx())});
    } else {
        alu(e, inst, raw::Alu::Add, to, to.getIdx() == left.getIdx() ? right : left);
    }
}

// a + (b << imm)
void emit_AddShl(Emitter& e, const Inst& inst) {
    const Gpr left = e.use_gpr(inst.args[0]), right = e.use_gpr(inst.args[1]);
    lea(e, inst, e.def_gpr(inst, Overlap::Any),
        {static_cast<u8>(left.getIdx()), static_cast<u8>(right.getIdx()),
         static_cast<u8>(inst.imm)});
}

// a - b
void emit_Sub(Emitter& e, const Inst& inst) {
    const ValueId a = inst.args[0], b = inst.args[1];
    if (e.must_set_flags() && !e.is_used(inst)) {
        e.compare(a, b);
        return;
    }
    u32 imm;
    if (imm32_of(e, inst, b, imm)) {
        const bool can_lea = imm != 0x8000'0000 && !e.must_set_flags();
        if (can_lea && !e.in_memory_only(a) && !e.is_const(a)) {
            const Gpr from = e.use_gpr(a);
            const Gpr to = e.def_gpr(inst, Overlap::Any);
            if (to.getIdx() == from.getIdx() && !e.flags_reserved()) {
                alu(e, inst, raw::Alu::Sub, to, imm);
            } else {
                lea(e, inst, to, plus(from, 0u - imm));
            }
            return;
        }
        const Gpr to = e.def_gpr_from(inst, a);
        if (e.flags_reserved()) {
            lea(e, inst, to, plus(to, 0u - imm));
        } else {
            alu(e, inst, raw::Alu::Sub, to, imm);
        }
        return;
    }
    const GprMem right = e.use_gpr_mem(b, width_of(inst));
    alu(e, inst, raw::Alu::Sub, e.def_gpr_from(inst, a), right);
}

void emit_Neg(Emitter& e, const Inst& inst) {
    e.c.neg(part(inst, e.def_gpr_from(inst, inst.args[0])));
}

// The sign of the negative says which of the two is not negative.
void emit_Abs(Emitter& e, const Inst& inst) {
    const Gpr a = e.use_gpr(inst.args[0]);
    const Gpr to = e.def_gpr(inst, Overlap::None);
    e.move(to, a);
    e.c.neg(part(inst, to));
    e.cmov(Cc::S, is_wide(inst), to, a);
}

// and, or, xor: dst op= b
void emit_logic(Emitter& e, const Inst& inst, raw::Alu op) {
    const auto [a, b] = commute(e, inst);
    u32 imm;
    if (imm32_of(e, inst, b, imm)) {
        alu(e, inst, op, e.def_gpr_from(inst, a), imm);
        return;
    }
    const GprMem right = e.use_gpr_mem(b, width_of(inst));
    alu(e, inst, op, e.def_gpr_from(inst, a), right);
}

void emit_And(Emitter& e, const Inst& inst) {
    const auto [a, b] = commute(e, inst);
    if (e.must_set_flags() && !e.is_used(inst)) {
        u32 imm;
        const GprMem left = e.use_gpr_mem(a, width_of(inst));
        if (imm32_of(e, inst, b, imm)) {
            raw::test_imm(e.c, is_wide(inst), left, imm);
        } else {
            raw::emit(e.c, raw::Op::Test, is_wide(inst), e.use_gpr(b), left);
        }
        return;
    }
    if (e.is_const(b)) {
        const u64 mask = e.const_value(b);
        // Zero extensions. A mask below 2^32 clears the upper half: the 32-bit form does, with
        // flags equal to the 64-bit form's when bit 31 is clear.
        if (!e.must_set_flags() &&
            (mask == 0xff || mask == 0xffff || (mask == 0xffff'ffff && is_wide(inst)))) {
            const unsigned bits = mask == 0xff ? 8 : mask == 0xffff ? 16 : 32;
            e.zero_extend(inst, a, bits);
            return;
        }
        if (is_wide(inst) && mask <= (e.must_set_flags() ? 0x7fff'ffffu : 0xffff'ffffu)) {
            raw::alu_imm(e.c, raw::Alu::And, false, e.def_gpr_from(inst, a),
                         static_cast<u32>(mask));
            return;
        }
    }
    emit_logic(e, inst, raw::Alu::And);
}
void emit_Or(Emitter& e, const Inst& inst) { emit_logic(e, inst, raw::Alu::Or); }
void emit_Xor(Emitter& e, const Inst& inst) { emit_logic(e, inst, raw::Alu::Xor); }

void emit_Not(Emitter& e, const Inst& inst) {
    const Gpr to = e.def_gpr_from(inst, inst.args[0]);
    if (inst.type == Type::I1) {
        e.c.xor_(to.cvt32(), 1);
    } else {
        e.c.not_(part(inst, to));
    }
}

// a & ~b: andn takes the inverted operand first.
void emit_AndNot(Emitter& e, const Inst& inst) {
    const ValueId a = inst.args[0], b = inst.args[1];
    if (e.is_const(b) && (!is_wide(inst) || Emitter::fits_imm32(~e.const_value(b)))) {
        alu(e, inst, raw::Alu::And, e.def_gpr_from(inst, a), static_cast<u32>(~e.const_value(b)));
        return;
    }
    const Gpr inverted = e.use_gpr(b);
    const GprMem kept = e.use_gpr_mem(a, width_of(inst));
    const Gpr to = e.def_gpr(inst, Overlap::Any);
    if (is_wide(inst)) {
        e.c.andn(to, inverted, kept);
    } else {
        e.c.andn(to.cvt32(), inverted.cvt32(), kept);
    }
}

// Shifts by a constant in place; by a register with BMI2, which needs neither CL nor EFLAGS. Both
// mask the amount to the width as the operation asks.
template <class ByReg>
void emit_shift(Emitter& e, const Inst& inst, raw::Shift by_imm, ByReg&& by_reg) {
    const ValueId a = inst.args[0], b = inst.args[1];
    if (e.is_const(b)) {
        const unsigned amount = e.const_value(b) & (width_of(inst) - 1);
        const Gpr to = e.def_gpr_from(inst, a);
        if (amount != 0) {
            raw::shift_imm(e.c, by_imm, is_wide(inst), to, amount);
        } else if (!is_wide(inst)) {
            e.c.mov(to.cvt32(), to.cvt32()); // i32 results have zero upper halves
        }
        return;
    }
    const Gpr amount = e.use_gpr(b);
    const GprMem from = e.use_gpr_mem(a, width_of(inst));
    by_reg(e.def_gpr(inst, Overlap::Any), from, amount);
}

#define SHIFT(NAME, REG)                                                                           \
    void emit_##NAME(Emitter& e, const Inst& inst) {                                               \
        emit_shift(e, inst, raw::Shift::NAME, [&](Gpr to, const GprMem& from, Gpr amount) {        \
            if (is_wide(inst)) {                                                                   \
                e.c.REG(to, from, amount);                                                         \
            } else {                                                                               \
                e.c.REG(to.cvt32(), from, amount.cvt32());                                         \
            }                                                                                      \
        });                                                                                        \
    }
SHIFT(Shl, shlx)
SHIFT(Shr, shrx)
SHIFT(Sar, sarx)
#undef SHIFT

void rotate_right(Emitter& e, const Inst& inst, ValueId a, unsigned amount) {
    const GprMem from = e.use_gpr_mem(a, width_of(inst));
    const Gpr to = e.def_gpr(inst, Overlap::Any);
    if (is_wide(inst)) {
        e.c.rorx(to, from, amount);
    } else {
        e.c.rorx(to.cvt32(), from, amount);
    }
}

// By a register without CL: two shifts, of which both leave `a` when the amount is 0.
void emit_Ror(Emitter& e, const Inst& inst) {
    const ValueId a = inst.args[0], b = inst.args[1];
    if (e.is_const(b)) {
        rotate_right(e, inst, a, e.const_value(b) & (width_of(inst) - 1));
        return;
    }
    const Gpr from = e.use_gpr(a), amount = e.use_gpr(b);
    const Gpr to = e.def_gpr(inst, Overlap::None);
    const Gpr left = e.scratch_gpr();
    e.c.mov(left.cvt32(), amount.cvt32());
    e.c.neg(left.cvt32());
    if (is_wide(inst)) {
        e.c.shrx(to, from, amount);
        e.c.shlx(left, from, left);
    } else {
        e.c.shrx(to.cvt32(), from.cvt32(), amount.cvt32());
        e.c.shlx(left.cvt32(), from.cvt32(), left.cvt32());
    }
    e.c.or_(part(inst, to), part(inst, left));
}

// (a:b) >> imm
void emit_Extr(Emitter& e, const Inst& inst) {
    const ValueId hi = inst.args[0], lo = inst.args[1];
    const unsigned amount = static_cast<unsigned>(inst.imm);
    if (e.same_value(hi, lo)) {
        rotate_right(e, inst, hi, amount);
        return;
    }
    const Gpr upper = e.use_gpr(hi), lower = e.use_gpr(lo);
    const Gpr to = e.def_gpr(inst, Overlap::None);
    e.c.mov(part(inst, to), part(inst, lower));
    if (amount != 0) {
        e.c.shrd(part(inst, to), part(inst, upper), static_cast<u8>(amount));
    }
}

void emit_ZExt(Emitter& e, const Inst& inst) {
    const ValueId a = inst.args[0];
    if (e.type_of(a) != Type::I1) {
        e.zero_extend(inst, a, ir::bit_width(e.type_of(a)));
        return;
    }
    if (!e.has_flags() && e.needs_value(e.inst_of(a))) {
        e.define_as(inst, a);
        return;
    }
    e.condition_to_gpr(inst, a);
}

void emit_SExt(Emitter& e, const Inst& inst) {
    const ValueId a = inst.args[0];
    const unsigned bits = ir::bit_width(e.type_of(a));
    const GprMem from = e.use_gpr_part(a, bits);
    const Gpr to = e.def_gpr(inst, Overlap::Any);
    if (bits == 32) {
        raw::emit(e.c, raw::Op::Movsxd, true, to, from);
    } else {
        e.c.movsx(part(inst, to), from);
    }
}

// a + b + carry
void emit_Adc(Emitter& e, const Inst& inst) {
    const ValueId a = inst.args[0], b = inst.args[1];
    u32 imm;
    const bool immediate = imm32_of(e, inst, b, imm);
    const GprMem right = immediate ? GprMem(e.c.rax) : e.use_gpr_mem(b, width_of(inst));
    if (!e.in_memory_only(a)) {
        (void)e.use_gpr(a);
    }
    e.hold_flags();
    e.carry_from(inst.args[2]);
    const Gpr to = e.def_gpr_from(inst, a);
    if (immediate) {
        alu(e, inst, raw::Alu::Adc, to, imm);
    } else {
        alu(e, inst, raw::Alu::Adc, to, right);
    }
}

// The side of a choice between integers by integers that is made in the result's register first,
// because it is a constant; or 0.
unsigned constant_side(Emitter& e, const Inst& inst) {
    const Opcode condition = e.inst_of(inst.args[0]).op;
    const bool is_plain = condition == Opcode::ICmp || condition == Opcode::TestBit;
    for (const unsigned side : {2u, 1u}) {
        if (is_plain && e.is_const(inst.args[side]) &&
            !e.hint_is_register_of(inst, inst.args[3 - side])) {
            return side;
        }
    }
    return 0;
}

void emit_select_constant(Emitter& e, const Inst& inst, unsigned side) {
    const GprMem other = e.use_gpr_mem(inst.args[3 - side], width_of(inst));
    const Cc cc = e.condition(inst.args[0]).cc;
    const Gpr to = e.def_gpr(inst, Overlap::None);
    raw::mov_imm(e.c, to, e.const_value(inst.args[side]));
    e.cmov(side == 2 ? cc : negate(cc), is_wide(inst), to, other);
}

void emit_select_gpr(Emitter& e, const Inst& inst) {
    if (const unsigned side = constant_side(e, inst); side != 0) {
        return emit_select_constant(e, inst, side);
    }
    const Gpr other = e.use_gpr(inst.args[2]);
    const GprMem chosen = e.use_gpr_mem(inst.args[1], width_of(inst));
    const Emitter::Condition condition = e.condition(inst.args[0]);
    if (condition.parity == Emitter::Condition::Plain) {
        const Gpr to = e.def_gpr(inst, Overlap::Any);
        if (chosen.reg_index() == to.getIdx()) {
            e.cmov(negate(condition.cc), is_wide(inst), to, other);
            return;
        }
        e.move(to, other);
        e.cmov(condition.cc, is_wide(inst), to, chosen);
        return;
    }
    const Gpr to = e.def_gpr(inst, Overlap::None);
    if (condition.parity == Emitter::Condition::OrParity) { // cc or P: chosen
        e.move(to, other);
        e.cmov(condition.cc, is_wide(inst), to, chosen);
        e.cmov(Cc::P, is_wide(inst), to, chosen);
    } else { // not cc, or P: other
        raw::mov(e.c, is_wide(inst), to, chosen);
        e.cmov(negate(condition.cc), is_wide(inst), to, other);
        e.cmov(Cc::P, is_wide(inst), to, other);
    }
}

void emit_select_xmm(Emitter& e, const Inst& inst) {
    const Xmm chosen = e.use_xmm(inst.args[1]), other = e.use_xmm(inst.args[2]);
    const Emitter::Condition condition = e.condition(inst.args[0]);
    const bool clean = inst.type != Type::V128 && e.scalar_is_clean(inst.args[1]) &&
                       e.scalar_is_clean(inst.args[2]);
    if (clean) {
        e.mark_clean(inst);
    }
    const Xmm to = e.def_xmm(inst, Overlap::Any);
    const bool holds_chosen = to.getIdx() == chosen.getIdx();
    if (!holds_chosen) {
        e.move(to, other);
    }
    // Skip the replacing move when `to` is right already.
    const Xmm replacement = holds_chosen ? other : chosen;
    const bool skip_if_holds = holds_chosen;
    switch (condition.parity) {
    case Emitter::Condition::Plain: {
        const Jump skip = e.jcc_short(skip_if_holds ? condition.cc : negate(condition.cc));
        e.move(to, replacement);
        e.bind_short(skip);
        return;
    }
    case Emitter::Condition::AndNoParity:
    case Emitter::Condition::OrParity: {
        // One side is "cc and no parity" (jump past on either failing), the other its complement.
        const bool both_needed =
            (condition.parity == Emitter::Condition::AndNoParity) == skip_if_holds;
        if (!both_needed) { // skip when P or the other code
            const Cc leave = skip_if_holds ? condition.cc : negate(condition.cc);
            const Jump first = e.jcc_short(Cc::P), second = e.jcc_short(leave);
            e.move(to, replacement);
            e.bind_short(first);
            e.bind_short(second);
        } else { // skip when not P and the code
            const Cc leave = skip_if_holds ? condition.cc : negate(condition.cc);
            const Jump parity = e.jcc_short(Cc::P);
            const Jump skip = e.jcc_short(leave);
            e.bind_short(parity);
            e.move(to, replacement);
            e.bind_short(skip);
        }
        return;
    }
    }
}

// first ? second : third
void emit_Select(Emitter& e, const Inst& inst) {
    ir::in_vector_register(inst.type) ? emit_select_xmm(e, inst) : emit_select_gpr(e, inst);
}

} // namespace

void add_int_emitters(EmitTable& table) {
    table.set(Opcode::Add, emit_Add);
    table.set(Opcode::AddShl, emit_AddShl, kKeepsFlags);
    table.set(Opcode::Sub, emit_Sub);
    table.set(Opcode::Neg, emit_Neg);
    table.set(Opcode::Abs, emit_Abs);
    table.set(Opcode::And, emit_And);
    table.set(Opcode::Or, emit_Or);
    table.set(Opcode::Xor, emit_Xor);
    table.set(Opcode::Not, emit_Not);
    table.set(Opcode::AndNot, emit_AndNot);
    table.set(Opcode::Shl, emit_Shl);
    table.set(Opcode::Shr, emit_Shr);
    table.set(Opcode::Sar, emit_Sar);
    table.set(Opcode::Ror, emit_Ror);
    table.set(Opcode::Extr, emit_Extr);
    table.set(Opcode::ZExt, emit_ZExt, kKeepsFlags);
    table.set(Opcode::SExt, emit_SExt, kKeepsFlags);
    table.set(Opcode::Adc, emit_Adc);
    table.set(Opcode::Select, emit_Select);
    table.set(Opcode::NzcvSelect, emit_Select);
    add_int_bits_emitters(table);
    add_flag_emitters(table);
    add_state_emitters(table);
}

} // namespace ulna::backend::x64
