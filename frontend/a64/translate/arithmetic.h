// Additions, operand shifts and extensions that several groups of integer instructions share.
#pragma once

#include "frontend/a64/translator.h"

namespace ulna::frontend {

enum class AddSub : u8 { Add, Sub };
enum class SetFlags : u8 { No, Yes };

[[nodiscard]] inline Value add_sub(Translator& t, AddSub op, Value a, Value b) {
    return op == AddSub::Add ? t.b.add(a, b) : t.b.sub(a, b);
}
[[nodiscard]] inline Value add_sub_flags(Translator& t, AddSub op, Value a, Value b) {
    return op == AddSub::Add ? t.b.add_flags(a, b) : t.b.sub_flags(a, b);
}
// ADDS, SUBS: Rd is ZR (CMN, CMP) or a register, never SP.
inline void add_sub_setting_flags(Translator& t, AddSub op, Value a, Value b, Reg Rd) {
    t.set_nzcv(add_sub_flags(t, op, a, b));
    if (Rd != Reg::ZR) {
        t.set_X(Rd, add_sub(t, op, a, b));
    }
}

// ShiftReg with an immediate amount: LSL LSR ASR ROR.
[[nodiscard]] inline Value
shift_reg(Translator& t, Type type, Reg Rm, Imm<2> shift, unsigned amount) {
    constexpr Opcode kShifts[] = {Opcode::Shl, Opcode::Shr, Opcode::Sar, Opcode::Ror};
    const Value value = t.X(type, Rm);
    return amount == 0 ? value : t.b.binary(kShifts[shift.v], value, t.imm(type, amount));
}

// ExtendReg: UXTB UXTH UXTW UXTX SXTB SXTH SXTW SXTX, then LSL.
[[nodiscard]] inline Value
extend_reg(Translator& t, Type type, Reg Rm, Imm<3> option, unsigned shift) {
    const unsigned from_bits = 8u << (option.v & 3);
    Value value;
    if (from_bits >= ir::bit_width(type)) {
        value = t.X(type, Rm);
    } else {
        constexpr Type kFrom[] = {Type::I8, Type::I16, Type::I32};
        const Value low = t.b.trunc(t.X(Type::I64, Rm), kFrom[option.v & 3]);
        value = option.bit(2) ? t.b.sext(low, type) : t.b.zext(low, type);
    }
    return shift == 0 ? value : t.b.shl(value, shift);
}

} // namespace ulna::frontend
