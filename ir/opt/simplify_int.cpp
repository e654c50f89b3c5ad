// Rewrite rules of integer operations. Every rule's algebra stands above it; arithmetic is modulo
// 2^width. Definitions are copied before anything is emitted: emitting may move the instruction
// array.
#include "ir/opt/simplifier.h"

namespace ulna::ir::opt {

Outcome Simplifier::rule_add(Inst& inst) {
    // c + x  ->  x + c
    if (constant_to_the_right(inst)) {
        return kChanged;
    }
    const ValueId x = inst.args[0], y = inst.args[1];
    // x + 0  ->  x
    if (is_const(y, 0)) {
        return replaced(x);
    }
    // codeaddr a + b  ->  codeaddr (a + b)
    if (is_const(y) && is_op(x, Opcode::CodeAddress)) {
        return become(inst, Opcode::CodeAddress, {}, def(x).imm + def(y).imm);
    }
    // (x + a) + b  ->  x + (a + b)
    if (is_const(y) && is_op(x, Opcode::Add) && is_const(def(x).args[1]) && single_use(x)) {
        const Inst inner = def(x);
        const u64 sum = def(inner.args[1]).imm + def(y).imm;
        return become(inst, Opcode::Add, {inner.args[0], constant(inst.type, sum)});
    }
    // x + (y << c)  ->  addshl x, y, c
    for (const bool swap : {false, true}) {
        const ValueId sum = swap ? y : x, shifted = swap ? x : y;
        if (is_op(shifted, Opcode::Shl) && single_use(shifted) && !is_const(sum) &&
            is_const(def(shifted).args[1])) {
            const Inst shift = def(shifted);
            if (const u64 c = def(shift.args[1]).imm; c >= 1 && c <= 3) {
                return become(inst, Opcode::AddShl, {sum, shift.args[0]}, c);
            }
        }
    }
    return kKeep;
}

Outcome Simplifier::rule_sub(Inst& inst) {
    const ValueId x = inst.args[0], y = inst.args[1];
    // x - x  ->  0
    if (x == y) {
        return become_const(inst, 0);
    }
    // 0 - x  ->  neg x
    if (is_const(x, 0)) {
        return become(inst, Opcode::Neg, {y});
    }
    // x - c  ->  x + (-c), but not beside flags of x - c: back ends make both with one subtraction
    if (is_const(y) && !has_twin(Opcode::SubFlags, x, y, block_.insts.size())) {
        return become(inst, Opcode::Add, {x, constant(inst.type, u64{0} - def(y).imm)});
    }
    // x - (0 - y)  ->  x + y
    if (is_op(y, Opcode::Neg)) {
        return become(inst, Opcode::Add, {x, def(y).args[0]});
    }
    return kKeep;
}

Outcome Simplifier::rule_mul(Inst& inst) {
    if (constant_to_the_right(inst)) {
        return kChanged;
    }
    const ValueId x = inst.args[0], y = inst.args[1];
    if (!is_const(y)) {
        return kKeep;
    }
    const u64 c = def(y).imm;
    // x * 0  ->  0;  x * 1  ->  x;  x * 2^n  ->  x << n;  x * -1  ->  0 - x
    if (c == 0) {
        return become_const(inst, 0);
    }
    if (c == 1) {
        return replaced(x);
    }
    if (std::has_single_bit(c)) {
        const auto n = static_cast<u64>(std::countr_zero(c));
        return become(inst, Opcode::Shl, {x, constant(inst.type, n)});
    }
    if (c == ones(bit_width(inst.type))) {
        return become(inst, Opcode::Neg, {x});
    }
    return kKeep;
}

Outcome Simplifier::rule_divide(Inst& inst) {
    const ValueId x = inst.args[0], y = inst.args[1];
    if (!is_const(y)) {
        return kKeep;
    }
    const u64 c = def(y).imm;
    // x / 0  ->  0 (Arm division is total);  x / 1  ->  x;  unsigned x / 2^n  ->  x >> n
    if (c == 0) {
        return become_const(inst, 0);
    }
    if (c == 1) {
        return replaced(x);
    }
    if (inst.op == Opcode::UDiv && std::has_single_bit(c)) {
        const auto n = static_cast<u64>(std::countr_zero(c));
        return become(inst, Opcode::Shr, {x, constant(inst.type, n)});
    }
    return kKeep;
}

Outcome Simplifier::rule_and(Inst& inst) {
    if (constant_to_the_right(inst)) {
        return kChanged;
    }
    const ValueId x = inst.args[0], y = inst.args[1];
    // x & x  ->  x
    if (x == y) {
        return replaced(x);
    }
    if (is_const(y)) {
        const u64 c = def(y).imm;
        // x & 0  ->  0
        if (c == 0) {
            return become_const(inst, 0);
        }
        // x & c  ->  x, when c keeps every bit that x can have
        const u64 possible = ones(active_bits(x));
        if ((c & possible) == possible) {
            return replaced(x);
        }
        // (x & a) & b  ->  x & (a & b)
        if (is_op(x, Opcode::And) && is_const(def(x).args[1]) && single_use(x)) {
            const Inst inner = def(x);
            const u64 mask = def(inner.args[1]).imm & c;
            return become(inst, Opcode::And, {inner.args[0], constant(inst.type, mask)});
        }
        // x & 0xffffffff  ->  zext(trunc x): no 64-bit immediate, and later rules know it
        if (c == 0xffff'ffff && inst.type == Type::I64) {
            return become(inst, Opcode::ZExt, {emit(Opcode::Trunc, Type::I32, {x})});
        }
        return kKeep;
    }
    // x & not y  ->  andnot x, y (there is none for i1)
    if (inst.type != Type::I1) {
        if (is_op(y, Opcode::Not) && single_use(y)) {
            return become(inst, Opcode::AndNot, {x, def(y).args[0]});
        }
        if (is_op(x, Opcode::Not) && single_use(x)) {
            return become(inst, Opcode::AndNot, {y, def(x).args[0]});
        }
    }
    return kKeep;
}

Outcome Simplifier::rule_or(Inst& inst) {
    if (constant_to_the_right(inst)) {
        return kChanged;
    }
    const ValueId x = inst.args[0], y = inst.args[1];
    // x | x  ->  x;  x | 0  ->  x;  x | -1  ->  -1
    if (x == y || is_const(y, 0)) {
        return replaced(x);
    }
    if (is_const(y, ones(bit_width(inst.type)))) {
        return replaced(y);
    }
    return kKeep;
}

Outcome Simplifier::rule_xor(Inst& inst) {
    if (constant_to_the_right(inst)) {
        return kChanged;
    }
    const ValueId x = inst.args[0], y = inst.args[1];
    // x ^ x  ->  0;  x ^ 0  ->  x;  x ^ -1  ->  not x
    if (x == y) {
        return become_const(inst, 0);
    }
    if (is_const(y, 0)) {
        return replaced(x);
    }
    if (is_const(y, ones(bit_width(inst.type)))) {
        return become(inst, Opcode::Not, {x});
    }
    // (x ^ a) ^ b  ->  x ^ (a ^ b)
    if (is_const(y) && is_op(x, Opcode::Xor) && is_const(def(x).args[1]) && single_use(x)) {
        const Inst inner = def(x);
        const u64 c = def(inner.args[1]).imm ^ def(y).imm;
        return become(inst, Opcode::Xor, {inner.args[0], constant(inst.type, c)});
    }
    return kKeep;
}

Outcome Simplifier::rule_andnot(Inst& inst) {
    const ValueId x = inst.args[0], y = inst.args[1];
    // x & ~x  ->  0;  0 & ~y  ->  0
    if (x == y || is_const(x, 0)) {
        return become_const(inst, 0);
    }
    // x & ~c  ->  x & (~c)
    if (is_const(y)) {
        return become(inst, Opcode::And, {x, constant(inst.type, ~def(y).imm)});
    }
    // x & ~~y  ->  x & y
    if (is_op(y, Opcode::Not)) {
        return become(inst, Opcode::And, {x, def(y).args[0]});
    }
    return kKeep;
}

Outcome Simplifier::rule_not(Inst& inst) {
    const Inst& x = arg(inst, 0);
    // not not x  ->  x
    if (x.op == Opcode::Not) {
        return replaced(x.args[0]);
    }
    // not icmp c  ->  icmp !c;  not testbit  ->  testbit clear;  not testcond c  ->  testcond !c
    if (x.op == Opcode::ICmp) {
        return become_icmp(inst, negate(x.cond()), x.args[0], x.args[1]);
    }
    if (x.op == Opcode::TestBit) {
        return become(inst, Opcode::TestBit, {x.args[0]}, x.imm ^ testbit::kClear);
    }
    if (x.op == Opcode::TestCond && x.cond() < Cond::AL) {
        return become(inst, Opcode::TestCond, {x.args[0]}, 0, static_cast<u16>(negate(x.cond())));
    }
    return kKeep;
}

Outcome Simplifier::rule_neg(Inst& inst) {
    const Inst& x = arg(inst, 0);
    // 0 - (0 - x)  ->  x
    if (x.op == Opcode::Neg) {
        return replaced(x.args[0]);
    }
    // 0 - (x - y)  ->  y - x
    if (x.op == Opcode::Sub && single_use(inst.args[0])) {
        return become(inst, Opcode::Sub, {x.args[1], x.args[0]});
    }
    return kKeep;
}

Outcome Simplifier::rule_shift(Inst& inst) {
    const ValueId x = inst.args[0], y = inst.args[1];
    const unsigned width = bit_width(inst.type);
    // x op (y & (width - 1))  ->  x op y: amounts are taken modulo the width
    if (is_op(y, Opcode::And) && is_const(def(y).args[1]) &&
        (def(def(y).args[1]).imm & (width - 1)) == width - 1) {
        set_arg(inst, 1, def(y).args[0]);
        return kChanged;
    }
    // 0 op y  ->  0
    if (is_const(x, 0)) {
        return become_const(inst, 0);
    }
    if (!is_const(y)) {
        return kKeep;
    }
    const auto n = static_cast<unsigned>(def(y).imm);
    // x op n  ->  x op (n mod width);  x op 0  ->  x
    if (n >= width) {
        set_arg(inst, 1, constant(inst.type, n & (width - 1)));
        return kChanged;
    }
    if (n == 0) {
        return replaced(x);
    }
    // x >> n  ->  0, when all bits of x are below n
    if (inst.op == Opcode::Shr && active_bits(x) <= n) {
        return become_const(inst, 0);
    }
    // (x op a) op b  ->  x op (a + b); what leaves the width is 0, or the sign for sar; ror wraps
    if (is_op(x, inst.op) && is_const(def(x).args[1]) && single_use(x)) {
        const Inst inner = def(x);
        unsigned sum = static_cast<unsigned>(def(inner.args[1]).imm & (width - 1)) + n;
        if (sum >= width) {
            if (inst.op == Opcode::Shl || inst.op == Opcode::Shr) {
                return become_const(inst, 0);
            }
            sum = inst.op == Opcode::Sar ? width - 1 : sum - width;
        }
        return become(inst, inst.op, {inner.args[0], constant(inst.type, sum)});
    }
    return kKeep;
}

Outcome Simplifier::rule_extr(Inst& inst) {
    const ValueId hi = inst.args[0], lo = inst.args[1];
    const u64 n = inst.imm;
    // extr hi, lo, 0  ->  lo
    if (n == 0) {
        return replaced(lo);
    }
    // extr x, x, n  ->  ror x, n
    if (hi == lo) {
        return become(inst, Opcode::Ror, {lo, constant(inst.type, n)});
    }
    // extr 0, lo, n  ->  lo >> n;  extr hi, 0, n  ->  hi << (width - n)
    if (is_const(hi, 0)) {
        return become(inst, Opcode::Shr, {lo, constant(inst.type, n)});
    }
    if (is_const(lo, 0)) {
        return become(inst, Opcode::Shl, {hi, constant(inst.type, bit_width(inst.type) - n)});
    }
    return kKeep;
}

Outcome Simplifier::rule_clz(Inst& inst) {
    // clz(rbit x)  ->  ctz x
    const ValueId x = inst.args[0];
    if (is_op(x, Opcode::Rbit) && single_use(x)) {
        return become(inst, Opcode::Ctz, {def(x).args[0]});
    }
    return kKeep;
}

Outcome Simplifier::rule_adc(Inst& inst) {
    const ValueId x = inst.args[0], y = inst.args[1], carry = inst.args[2];
    // x + y + 0  ->  x + y
    if (is_const(carry, 0)) {
        return become(inst, Opcode::Add, {x, y});
    }
    // x + not y + 1  ->  x - y
    if (is_const(carry, 1) && is_op(y, Opcode::Not)) {
        return become(inst, Opcode::Sub, {x, def(y).args[0]});
    }
    return kKeep;
}

Outcome Simplifier::rule_zext(Inst& inst) {
    const Inst& x = arg(inst, 0);
    // zext zext x  ->  zext x
    if (x.op == Opcode::ZExt) {
        set_arg(inst, 0, x.args[0]);
        return kChanged;
    }
    // zext(trunc x)  ->  x, or zext x, when trunc dropped nothing but zeros
    if (x.op == Opcode::Trunc && active_bits(x.args[0]) <= bit_width(x.type)) {
        if (arg_type(x, 0) == inst.type) {
            return replaced(x.args[0]);
        }
        if (bit_width(arg_type(x, 0)) < bit_width(inst.type)) {
            set_arg(inst, 0, x.args[0]);
            return kChanged;
        }
    }
    return kKeep;
}

Outcome Simplifier::rule_sext(Inst& inst) {
    const Inst& x = arg(inst, 0);
    // sext sext x  ->  sext x
    if (x.op == Opcode::SExt) {
        set_arg(inst, 0, x.args[0]);
        return kChanged;
    }
    // sext zext x  ->  zext x: the sign bit is zero
    if (x.op == Opcode::ZExt) {
        return become(inst, Opcode::ZExt, {x.args[0]});
    }
    if (x.op == Opcode::Trunc && arg_type(x, 0) == inst.type) {
        // sext(trunc x)  ->  x, when x has no bit from the narrow sign bit up
        if (active_bits(x.args[0]) < bit_width(x.type)) {
            return replaced(x.args[0]);
        }
        // sext(trunc(sext y))  ->  sext y, when y is no wider than the trunc
        const Inst& wide = arg(x, 0);
        if (wide.op == Opcode::SExt && bit_width(arg_type(wide, 0)) <= bit_width(x.type)) {
            return replaced(x.args[0]);
        }
    }
    return kKeep;
}

Outcome Simplifier::rule_trunc(Inst& inst) {
    const Inst& x = arg(inst, 0);
    // trunc trunc x  ->  trunc x
    if (x.op == Opcode::Trunc) {
        set_arg(inst, 0, x.args[0]);
        return kChanged;
    }
    if (x.op != Opcode::ZExt && x.op != Opcode::SExt) {
        return kKeep;
    }
    // trunc(ext y)  ->  y, trunc y or ext y, by the widths
    const Type narrow = arg_type(x, 0);
    if (narrow == inst.type) {
        return replaced(x.args[0]);
    }
    if (bit_width(narrow) > bit_width(inst.type)) {
        set_arg(inst, 0, x.args[0]);
        return kChanged;
    }
    // A condition is not made into a number twice.
    const bool made_anyway = narrow == Type::I1 && !single_use(inst.args[0]);
    if (inst.type == Type::I32 && !made_anyway) { // extensions to i8 and i16 do not exist
        return become(inst, x.op, {x.args[0]});
    }
    return kKeep;
}

// Moves there and back.
Outcome Simplifier::rule_move(Inst& inst) {
    const Inst& x = arg(inst, 0);
    switch (inst.op) {
    case Opcode::VToF: // vtof(ftov x)  ->  x
        if (x.op == Opcode::FToV && arg_type(x, 0) == inst.type) {
            return replaced(x.args[0]);
        }
        break;
    case Opcode::FToI: // ftoi(itof x)  ->  x, when no bit is lost or added
        if (x.op == Opcode::IToF && arg_type(x, 0) == inst.type &&
            bit_width(x.type) == bit_width(inst.type)) {
            return replaced(x.args[0]);
        }
        break;
    case Opcode::IToF: // itof(ftoi x)  ->  x
        if (x.op == Opcode::FToI && arg_type(x, 0) == inst.type) {
            return replaced(x.args[0]);
        }
        break;
    case Opcode::NzcvPack: // nzcvpack(nzcvunpack x)  ->  x
        if (x.op == Opcode::NzcvUnpack) {
            return replaced(x.args[0]);
        }
        break;
    default: // nzcvunpack(nzcvpack x)  ->  x & 0xf0000000
        if (x.op == Opcode::NzcvPack) {
            const ValueId word = x.args[0];
            return become(inst, Opcode::And, {word, constant(Type::I32, 0xf000'0000)});
        }
        break;
    }
    return kKeep;
}

} // namespace ulna::ir::opt
