// Rules for vectors.
#include "ir/opt/simplifier.h"

namespace ulna::ir::opt {

// Whole registers only: shorter shapes also clear the upper half.
Outcome Simplifier::rule_vector_logic(Inst& inst) {
    if (inst.args[0] != inst.args[1] || inst.shape().bytes() != 16) {
        return kKeep;
    }
    // x ^ x  ->  0;  x & x, x | x  ->  x (MOV is an ORR)
    if (inst.op == Opcode::VXor) {
        return become(inst, Opcode::ConstVec, {}, 0, shape::D2.pack());
    }
    return replaced(inst.args[0]);
}

// Both halves of a register of bytes, extended and added (UADDL, UADDL2; of a difference UABDL2 and
// UABAL), are pairs of the two halves interleaved:
// uxtl(x) + uxtl(high(x))  ->  uaddlp(zip1(x, high(x)))
Outcome Simplifier::rule_vector_add(Inst& inst) {
    const auto is_of_bytes = [](const Inst& x) {
        return x.op == Opcode::VUxtl && x.shape() == shape::H8;
    };
    if (inst.shape() != shape::H8) {
        return kKeep;
    }
    for (const unsigned low : {0u, 1u}) {
        const Inst &a = arg(inst, low), &b = arg(inst, 1 - low);
        if (is_of_bytes(a) && is_of_bytes(b) && single_use(inst.args[0]) &&
            single_use(inst.args[1]) && is_op(b.args[0], Opcode::VHigh) &&
            def(b.args[0]).args[0] == a.args[0]) {
            const ValueId pairs =
                emit(Opcode::VZip1, Type::V128, {a.args[0], b.args[0]}, shape::B16.pack());
            return become(inst, Opcode::VUAddlP, {pairs}, 0, shape::H8.pack());
        }
    }
    return kKeep;
}

// Halves that were zipped and are zipped back: zip1(zip1(x, y), zip2(x, y))  ->  x, and zip2 of
// them  ->  y (the states of SHA256's rounds)
Outcome Simplifier::rule_zip(Inst& inst) {
    const Inst &low = arg(inst, 0), &high = arg(inst, 1);
    const auto is_zip = [](const Inst& x, Opcode op) {
        return x.op == op && x.shape() == shape::D2;
    };
    if (inst.shape() != shape::D2 || !is_zip(low, Opcode::VZip1) || !is_zip(high, Opcode::VZip2) ||
        low.args[0] != high.args[0] || low.args[1] != high.args[1]) {
        return kKeep;
    }
    return replaced(low.args[inst.op == Opcode::VZip1 ? 0 : 1]);
}

// rev(rev(x))  ->  x
Outcome Simplifier::rule_vector_reverse(Inst& inst) {
    const Inst& x = arg(inst, 0);
    const bool undoes = x.op == Opcode::VRev && x.shape() == inst.shape() && x.imm == inst.imm;
    return undoes && inst.shape().bytes() == 16 ? replaced(x.args[0]) : kKeep;
}

// A lane that comes from an integer register, or from memory as one:
// inslane(a, ftov(itof x)), lane 0  ->  setlane(a, x)
Outcome Simplifier::rule_insert_lane(Inst& inst) {
    const unsigned from = inst.imm >> 8, lane_bits = inst.shape().lane_bits();
    const Inst& whole = arg(inst, 1);
    if (from != 0 || whole.op != Opcode::FToV) {
        return kKeep;
    }
    const Inst scalar = def(whole.args[0]);
    if (scalar.op != Opcode::IToF || lane_bits > bit_width(scalar.type)) {
        return kKeep;
    }
    return become(inst, Opcode::VSetLane, {inst.args[0], scalar.args[0]}, inst.imm & 0xff,
                  inst.aux);
}

} // namespace ulna::ir::opt
