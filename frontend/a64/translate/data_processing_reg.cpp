// Data processing -- register.
#include "frontend/a64/translate/arithmetic.h"
#include "frontend/a64/translate/handlers_base.h"

namespace ulna::frontend {

// --- Data-processing (2 source)

namespace {
bool two_source(Translator& t, Opcode op, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    const Type type = gpr(sf);
    t.set_X(Rd, t.b.binary(op, t.X(type, Rn), t.X(type, Rm)));
    return true;
}

bool crc32(Translator& t, Opcode op, bool sf, Reg Rm, Imm<2> sz, Reg Rn, Reg Rd) {
    if (sf != (sz.v == 3)) {
        return t.unallocated();
    }
    constexpr Type kData[] = {Type::I8, Type::I16, Type::I32, Type::I64};
    const Value acc = t.X(Type::I32, Rn);
    const Value val = t.b.trunc(t.X(Type::I64, Rm), kData[sz.v]);
    t.set_X(Rd, t.b.emit(op, Type::I32, {acc, val}));
    return true;
}
} // namespace

bool UDIV(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    return two_source(t, Opcode::UDiv, sf, Rm, Rn, Rd);
}
bool SDIV(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    return two_source(t, Opcode::SDiv, sf, Rm, Rn, Rd);
}
bool LSLV(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    return two_source(t, Opcode::Shl, sf, Rm, Rn, Rd);
}
bool LSRV(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    return two_source(t, Opcode::Shr, sf, Rm, Rn, Rd);
}
bool ASRV(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    return two_source(t, Opcode::Sar, sf, Rm, Rn, Rd);
}
bool RORV(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    return two_source(t, Opcode::Ror, sf, Rm, Rn, Rd);
}
bool CRC32(Translator& t, bool sf, Reg Rm, Imm<2> sz, Reg Rn, Reg Rd) {
    return crc32(t, Opcode::Crc32, sf, Rm, sz, Rn, Rd);
}
bool CRC32C(Translator& t, bool sf, Reg Rm, Imm<2> sz, Reg Rn, Reg Rd) {
    return crc32(t, Opcode::Crc32C, sf, Rm, sz, Rn, Rd);
}

// --- Data-processing (1 source)

namespace {
bool one_source(Translator& t, Opcode op, Type type, Reg Rn, Reg Rd) {
    t.set_X(Rd, t.b.unary(op, t.X(type, Rn)));
    return true;
}
} // namespace

bool RBIT_int(Translator& t, bool sf, Reg Rn, Reg Rd) {
    return one_source(t, Opcode::Rbit, gpr(sf), Rn, Rd);
}
bool REV16_int(Translator& t, bool sf, Reg Rn, Reg Rd) {
    return one_source(t, Opcode::Rev16, gpr(sf), Rn, Rd);
}
bool REV_32(Translator& t, Reg Rn, Reg Rd) { return one_source(t, Opcode::Rev, Type::I32, Rn, Rd); }
bool REV32_int(Translator& t, Reg Rn, Reg Rd) {
    return one_source(t, Opcode::Rev32, Type::I64, Rn, Rd);
}
bool REV_64(Translator& t, Reg Rn, Reg Rd) { return one_source(t, Opcode::Rev, Type::I64, Rn, Rd); }
bool CLZ_int(Translator& t, bool sf, Reg Rn, Reg Rd) {
    return one_source(t, Opcode::Clz, gpr(sf), Rn, Rd);
}
bool CLS_int(Translator& t, bool sf, Reg Rn, Reg Rd) {
    return one_source(t, Opcode::Cls, gpr(sf), Rn, Rd);
}

// --- Logical (shifted register)

namespace {
struct LogicalOp {
    Opcode op;
    bool invert; // of operand2
    SetFlags flags;
};

Value logical(Translator& t, LogicalOp op, Value a, Value b) {
    if (!op.invert) {
        return t.b.binary(op.op, a, b);
    }
    return op.op == Opcode::And ? t.b.andnot(a, b) : t.b.binary(op.op, a, t.b.not_(b));
}

bool logical_shift(
    Translator& t, LogicalOp op, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd) {
    if (!sf && imm6.bit(5)) {
        return t.unallocated();
    }
    const Type type = gpr(sf);
    const Value operand2 = shift_reg(t, type, Rm, shift, imm6.v);
    if (op.op == Opcode::Or && Rn == Reg::ZR) { // MOV (register), MVN
        t.set_X(Rd, op.invert ? t.b.not_(operand2) : operand2);
        return true;
    }
    const Value result = logical(t, op, t.X(type, Rn), operand2);
    if (op.flags == SetFlags::Yes) {
        t.set_nzcv(t.b.logic_flags(result));
    }
    t.set_X(Rd, result);
    return true;
}
} // namespace

bool AND_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd) {
    return logical_shift(t, {Opcode::And, false, SetFlags::No}, sf, shift, Rm, imm6, Rn, Rd);
}
bool BIC_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd) {
    return logical_shift(t, {Opcode::And, true, SetFlags::No}, sf, shift, Rm, imm6, Rn, Rd);
}
bool ORR_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd) {
    return logical_shift(t, {Opcode::Or, false, SetFlags::No}, sf, shift, Rm, imm6, Rn, Rd);
}
bool ORN_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd) {
    return logical_shift(t, {Opcode::Or, true, SetFlags::No}, sf, shift, Rm, imm6, Rn, Rd);
}
bool EOR_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd) {
    return logical_shift(t, {Opcode::Xor, false, SetFlags::No}, sf, shift, Rm, imm6, Rn, Rd);
}
bool EON_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd) {
    return logical_shift(t, {Opcode::Xor, true, SetFlags::No}, sf, shift, Rm, imm6, Rn, Rd);
}
bool ANDS_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd) {
    return logical_shift(t, {Opcode::And, false, SetFlags::Yes}, sf, shift, Rm, imm6, Rn, Rd);
}
bool BICS_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd) {
    return logical_shift(t, {Opcode::And, true, SetFlags::Yes}, sf, shift, Rm, imm6, Rn, Rd);
}

// --- Add/subtract (shifted register)

namespace {
bool add_sub_shift(Translator& t,
                   AddSub op,
                   SetFlags flags,
                   bool sf,
                   Imm<2> shift,
                   Reg Rm,
                   Imm<6> imm6,
                   Reg Rn,
                   Reg Rd) {
    if (shift == 3 || (!sf && imm6.bit(5))) {
        return t.unallocated();
    }
    const Type type = gpr(sf);
    const Value operand1 = t.X(type, Rn);
    const Value operand2 = shift_reg(t, type, Rm, shift, imm6.v);
    if (flags == SetFlags::Yes) {
        add_sub_setting_flags(t, op, operand1, operand2, Rd);
    } else if (op == AddSub::Sub && Rn == Reg::ZR) { // NEG
        t.set_X(Rd, t.b.neg(operand2));
    } else {
        t.set_X(Rd, add_sub(t, op, operand1, operand2));
    }
    return true;
}
} // namespace

bool ADD_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd) {
    return add_sub_shift(t, AddSub::Add, SetFlags::No, sf, shift, Rm, imm6, Rn, Rd);
}
bool ADDS_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd) {
    return add_sub_shift(t, AddSub::Add, SetFlags::Yes, sf, shift, Rm, imm6, Rn, Rd);
}
bool SUB_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd) {
    return add_sub_shift(t, AddSub::Sub, SetFlags::No, sf, shift, Rm, imm6, Rn, Rd);
}
bool SUBS_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd) {
    return add_sub_shift(t, AddSub::Sub, SetFlags::Yes, sf, shift, Rm, imm6, Rn, Rd);
}

// --- Add/subtract (extended register): Rn is SP; Rd is SP unless flags are set

namespace {
bool add_sub_ext(Translator& t,
                 AddSub op,
                 SetFlags flags,
                 bool sf,
                 Reg Rm,
                 Imm<3> option,
                 Imm<3> imm3,
                 Reg Rn,
                 Reg Rd) {
    if (imm3.v > 4) {
        return t.unallocated();
    }
    const Type type = gpr(sf);
    const Value operand1 = t.SP(type, Rn);
    const Value operand2 = extend_reg(t, type, Rm, option, imm3.v);
    if (flags == SetFlags::Yes) {
        add_sub_setting_flags(t, op, operand1, operand2, Rd);
    } else {
        t.set_SP(Rd, add_sub(t, op, operand1, operand2));
    }
    return true;
}
} // namespace

bool ADD_ext(Translator& t, bool sf, Reg Rm, Imm<3> option, Imm<3> imm3, Reg Rn, Reg Rd) {
    return add_sub_ext(t, AddSub::Add, SetFlags::No, sf, Rm, option, imm3, Rn, Rd);
}
bool ADDS_ext(Translator& t, bool sf, Reg Rm, Imm<3> option, Imm<3> imm3, Reg Rn, Reg Rd) {
    return add_sub_ext(t, AddSub::Add, SetFlags::Yes, sf, Rm, option, imm3, Rn, Rd);
}
bool SUB_ext(Translator& t, bool sf, Reg Rm, Imm<3> option, Imm<3> imm3, Reg Rn, Reg Rd) {
    return add_sub_ext(t, AddSub::Sub, SetFlags::No, sf, Rm, option, imm3, Rn, Rd);
}
bool SUBS_ext(Translator& t, bool sf, Reg Rm, Imm<3> option, Imm<3> imm3, Reg Rn, Reg Rd) {
    return add_sub_ext(t, AddSub::Sub, SetFlags::Yes, sf, Rm, option, imm3, Rn, Rd);
}

// --- Add/subtract (with carry)

namespace {
bool add_sub_carry(Translator& t, AddSub op, SetFlags flags, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    const Type type = gpr(sf);
    const Value operand1 = t.X(type, Rn);
    Value operand2 = t.X(type, Rm);
    if (op == AddSub::Sub) {
        operand2 = t.b.not_(operand2);
    }
    const Value carry = t.holds(Cond::HS);
    if (flags == SetFlags::Yes) {
        t.set_nzcv(t.b.adc_flags(operand1, operand2, carry));
    }
    t.set_X(Rd, t.b.adc(operand1, operand2, carry));
    return true;
}
} // namespace

bool ADC(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    return add_sub_carry(t, AddSub::Add, SetFlags::No, sf, Rm, Rn, Rd);
}
bool ADCS(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    return add_sub_carry(t, AddSub::Add, SetFlags::Yes, sf, Rm, Rn, Rd);
}
bool SBC(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    return add_sub_carry(t, AddSub::Sub, SetFlags::No, sf, Rm, Rn, Rd);
}
bool SBCS(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    return add_sub_carry(t, AddSub::Sub, SetFlags::Yes, sf, Rm, Rn, Rd);
}

// --- Conditional compare

namespace {
bool conditional_compare(
    Translator& t, AddSub op, Value operand1, Value operand2, Cond cond, Imm<4> nzcv) {
    const Value condition = t.holds(cond);
    const Value flags = add_sub_flags(t, op, operand1, operand2);
    t.set_nzcv(t.b.nzcv_select(condition, flags, t.b.nzcv_const(nzcv.v)));
    return true;
}
} // namespace

bool CCMN_reg(Translator& t, bool sf, Reg Rm, Cond cond, Reg Rn, Imm<4> nzcv) {
    const Type type = gpr(sf);
    return conditional_compare(t, AddSub::Add, t.X(type, Rn), t.X(type, Rm), cond, nzcv);
}
bool CCMP_reg(Translator& t, bool sf, Reg Rm, Cond cond, Reg Rn, Imm<4> nzcv) {
    const Type type = gpr(sf);
    return conditional_compare(t, AddSub::Sub, t.X(type, Rn), t.X(type, Rm), cond, nzcv);
}
bool CCMN_imm(Translator& t, bool sf, Imm<5> imm5, Cond cond, Reg Rn, Imm<4> nzcv) {
    const Type type = gpr(sf);
    return conditional_compare(t, AddSub::Add, t.X(type, Rn), t.imm(type, imm5.v), cond, nzcv);
}
bool CCMP_imm(Translator& t, bool sf, Imm<5> imm5, Cond cond, Reg Rn, Imm<4> nzcv) {
    const Type type = gpr(sf);
    return conditional_compare(t, AddSub::Sub, t.X(type, Rn), t.imm(type, imm5.v), cond, nzcv);
}

// --- Conditional select

bool CSEL(Translator& t, bool sf, Reg Rm, Cond cond, Reg Rn, Reg Rd) {
    const Type type = gpr(sf);
    t.set_X(Rd, t.b.select(t.holds(cond), t.X(type, Rn), t.X(type, Rm)));
    return true;
}
bool CSINC(Translator& t, bool sf, Reg Rm, Cond cond, Reg Rn, Reg Rd) {
    const Type type = gpr(sf);
    const Value condition = t.holds(cond);
    if (Rn == Reg::ZR && Rm == Reg::ZR) { // CSET
        t.set_X(Rd, t.b.zext(t.b.emit(Opcode::Not, Type::I1, {condition}), Type::I64));
        return true;
    }
    t.set_X(Rd, t.b.select(condition, t.X(type, Rn), t.b.add(t.X(type, Rm), t.imm(type, 1))));
    return true;
}
bool CSINV(Translator& t, bool sf, Reg Rm, Cond cond, Reg Rn, Reg Rd) {
    const Type type = gpr(sf);
    t.set_X(Rd, t.b.select(t.holds(cond), t.X(type, Rn), t.b.not_(t.X(type, Rm))));
    return true;
}
bool CSNEG(Translator& t, bool sf, Reg Rm, Cond cond, Reg Rn, Reg Rd) {
    const Type type = gpr(sf);
    t.set_X(Rd, t.b.select(t.holds(cond), t.X(type, Rn), t.b.neg(t.X(type, Rm))));
    return true;
}

// --- Data-processing (3 source)

namespace {
bool multiply_add(Translator& t, AddSub op, Type type, Value a, Value b, Reg Ra, Reg Rd) {
    const Value product = t.b.mul(a, b);
    if (Ra == Reg::ZR) { // MUL, MNEG
        t.set_X(Rd, op == AddSub::Add ? product : t.b.neg(product));
    } else {
        t.set_X(Rd, add_sub(t, op, t.X(type, Ra), product));
    }
    return true;
}

enum class Extend : u8 { Zero, Sign };

bool multiply_add_long(Translator& t, AddSub op, Extend extend, Reg Rm, Reg Ra, Reg Rn, Reg Rd) {
    const auto widen = [&](Reg reg) {
        const Value word = t.X(Type::I32, reg);
        return extend == Extend::Sign ? t.b.sext(word, Type::I64) : t.b.zext(word, Type::I64);
    };
    return multiply_add(t, op, Type::I64, widen(Rn), widen(Rm), Ra, Rd);
}
} // namespace

bool MADD(Translator& t, bool sf, Reg Rm, Reg Ra, Reg Rn, Reg Rd) {
    const Type type = gpr(sf);
    return multiply_add(t, AddSub::Add, type, t.X(type, Rn), t.X(type, Rm), Ra, Rd);
}
bool MSUB(Translator& t, bool sf, Reg Rm, Reg Ra, Reg Rn, Reg Rd) {
    const Type type = gpr(sf);
    return multiply_add(t, AddSub::Sub, type, t.X(type, Rn), t.X(type, Rm), Ra, Rd);
}
bool SMADDL(Translator& t, Reg Rm, Reg Ra, Reg Rn, Reg Rd) {
    return multiply_add_long(t, AddSub::Add, Extend::Sign, Rm, Ra, Rn, Rd);
}
bool SMSUBL(Translator& t, Reg Rm, Reg Ra, Reg Rn, Reg Rd) {
    return multiply_add_long(t, AddSub::Sub, Extend::Sign, Rm, Ra, Rn, Rd);
}
bool UMADDL(Translator& t, Reg Rm, Reg Ra, Reg Rn, Reg Rd) {
    return multiply_add_long(t, AddSub::Add, Extend::Zero, Rm, Ra, Rn, Rd);
}
bool UMSUBL(Translator& t, Reg Rm, Reg Ra, Reg Rn, Reg Rd) {
    return multiply_add_long(t, AddSub::Sub, Extend::Zero, Rm, Ra, Rn, Rd);
}
bool SMULH(Translator& t, Reg Rm, Reg Rn, Reg Rd) {
    return two_source(t, Opcode::SMulH, true, Rm, Rn, Rd);
}
bool UMULH(Translator& t, Reg Rm, Reg Rn, Reg Rd) {
    return two_source(t, Opcode::UMulH, true, Rm, Rn, Rd);
}

} // namespace ulna::frontend
