// Rewrite rules of conditions and flags: a condition on a known producer becomes a comparison, so
// that the flags themselves are often never made.
#include "ir/opt/simplifier.h"

namespace ulna::ir::opt {

namespace {

// The condition that holds for (b, a) when `cond` holds for (a, b); NV when there is none.
constexpr Cond swapped(Cond cond) {
    switch (cond) {
    case Cond::EQ:
    case Cond::NE:
        return cond;
    case Cond::HS:
        return Cond::LS;
    case Cond::LS:
        return Cond::HS;
    case Cond::LO:
        return Cond::HI;
    case Cond::HI:
        return Cond::LO;
    case Cond::GE:
        return Cond::LE;
    case Cond::LE:
        return Cond::GE;
    case Cond::LT:
        return Cond::GT;
    case Cond::GT:
        return Cond::LT;
    default:
        return Cond::NV;
    }
}

} // namespace

Outcome Simplifier::rule_select(Inst& inst) {
    const ValueId c = inst.args[0], x = inst.args[1], y = inst.args[2];
    // select(constant, x, y)  ->  x or y;  select(c, x, x)  ->  x
    if (is_const(c)) {
        return replaced(def(c).imm != 0 ? x : y);
    }
    if (x == y) {
        return replaced(x);
    }
    // select(not c, x, y)  ->  select(c, y, x)
    if (is_op(c, Opcode::Not)) {
        return become(inst, Opcode::Select, {def(c).args[0], y, x});
    }
    if (inst.type == Type::I1) {
        // select(c, x, 0)  ->  c & x;  select(c, 1, y)  ->  c | y
        if (is_const(y, 0)) {
            return become(inst, Opcode::And, {c, x});
        }
        if (is_const(x, 1)) {
            return become(inst, Opcode::Or, {c, y});
        }
        // select(c, 0, y)  ->  not c & y;  select(c, x, 1)  ->  not c | x
        if (is_const(x, 0)) {
            return become(inst, Opcode::And, {emit(Opcode::Not, Type::I1, {c}), y});
        }
        if (is_const(y, 1)) {
            return become(inst, Opcode::Or, {emit(Opcode::Not, Type::I1, {c}), x});
        }
        return kKeep;
    }
    if (inst.type != Type::I32 && inst.type != Type::I64) {
        return kKeep;
    }
    // select(c, 1, 0)  ->  zext c;  select(c, 0, 1)  ->  zext(not c)
    if (is_const(x, 1) && is_const(y, 0)) {
        return become(inst, Opcode::ZExt, {c});
    }
    if (is_const(x, 0) && is_const(y, 1)) {
        return become(inst, Opcode::ZExt, {emit(Opcode::Not, Type::I1, {c})});
    }
    return rule_absolute(inst);
}

// select(x >= 0, x, -x)  ->  abs x;  select(x < 0, -x, x)  ->  abs x; and the sign of x = a - b may
// be that of flags (SUBS and CNEG).
Outcome Simplifier::rule_absolute(Inst& inst) {
    const Inst &condition = arg(inst, 0), &first = arg(inst, 1), &second = arg(inst, 2);
    const auto is_negative_of = [](const Inst& negative, ValueId x) {
        return negative.op == Opcode::Neg && negative.args[0] == x;
    };
    const bool exchanged = is_negative_of(first, inst.args[2]);
    if (condition.op != Opcode::ICmp || (!exchanged && !is_negative_of(second, inst.args[1]))) {
        return kKeep;
    }
    const ValueId x = inst.args[exchanged ? 2 : 1];
    const Cond cond = exchanged ? negate(condition.cond()) : condition.cond();
    const bool with_zero = condition.args[0] == x && is_const(condition.args[1], 0);
    const bool of_difference = is_op(x, Opcode::Sub) && def(x).args[0] == condition.args[0] &&
                               def(x).args[1] == condition.args[1];
    const bool says_sign = (cond == Cond::PL && (with_zero || of_difference)) ||
                           (with_zero && (cond == Cond::GE || cond == Cond::GT));
    return says_sign ? become(inst, Opcode::Abs, {x}) : kKeep;
}

// Comparisons with zero.
Outcome Simplifier::rule_icmp_zero(Inst& inst) {
    const ValueId id = inst.args[0], zero = inst.args[1];
    const Inst x = def(id);
    if (x.op == Opcode::Trunc && is_op(x.args[0], Opcode::ZExt) &&
        arg_type(def(x.args[0]), 0) == Type::I1) { // no narrower than what it narrows (rule_trunc)
        return become_icmp(inst, inst.cond(), x.args[0], constant(Type::I64, 0));
    }
    switch (inst.cond()) {
    case Cond::LO:
    case Cond::VS:
        return become_const(inst, 0); // no borrow and no overflow from x - 0
    case Cond::HS:
    case Cond::VC:
        return become_const(inst, 1);
    // unsigned x > 0  ->  x != 0;  x <= 0  ->  x == 0
    case Cond::HI:
        return become_icmp(inst, Cond::NE, id, zero);
    case Cond::LS:
        return become_icmp(inst, Cond::EQ, id, zero);
    // x < 0, x >= 0  ->  the sign of x - 0: what an earlier operation's flags serve best
    case Cond::LT:
        return become_icmp(inst, Cond::MI, id, zero);
    case Cond::GE:
        return become_icmp(inst, Cond::PL, id, zero);
    case Cond::EQ:
    case Cond::NE:
        break;
    default:
        return kKeep;
    }
    const bool wants_nonzero = inst.cond() == Cond::NE;
    // (x - y) == 0  ->  x == y;  (x ^ y) == 0  ->  x == y
    if ((x.op == Opcode::Sub || x.op == Opcode::Xor) && single_use(id)) {
        return become_icmp(inst, inst.cond(), x.args[0], x.args[1]);
    }
    if (x.op == Opcode::Add && is_const(x.args[1]) && single_use(id)) { // (x + c) == 0  ->  x == -c
        const ValueId negated = constant(x.type, u64{0} - def(x.args[1]).imm);
        return become_icmp(inst, inst.cond(), x.args[0], negated);
    }
    if (x.op == Opcode::ZExt) {
        // zext(i1 c) != 0  ->  c;  zext(i1 c) == 0  ->  not c
        if (arg_type(x, 0) == Type::I1) {
            return wants_nonzero ? replaced(x.args[0]) : become(inst, Opcode::Not, {x.args[0]});
        }
        // zext(i32 x) == 0  ->  x == 0
        if (arg_type(x, 0) == Type::I32) {
            return become_icmp(inst, inst.cond(), x.args[0], constant(Type::I32, 0));
        }
    }
    // (x & 2^n) != 0  ->  testbit x, n
    if (wants_nonzero && x.op == Opcode::And && single_use(id) && is_const(x.args[1]) &&
        std::has_single_bit(def(x.args[1]).imm)) {
        const auto n = static_cast<u64>(std::countr_zero(def(x.args[1]).imm));
        return become(inst, Opcode::TestBit, {x.args[0]}, n);
    }
    return kKeep;
}

Outcome Simplifier::rule_icmp(Inst& inst) {
    const ValueId a = inst.args[0], b = inst.args[1];
    const Cond cond = inst.cond();
    // x - x: Z and C set, N and V clear
    if (a == b) {
        return become_const(inst, cond_holds(cond, 0b0110));
    }
    // c cond x  ->  x swapped(cond) c
    if (is_const(a) && swapped(cond) != Cond::NV) {
        return become_icmp(inst, swapped(cond), b, a);
    }
    if (is_const(b, 0)) {
        return rule_icmp_zero(inst);
    }
    // zext(i32 x) == c  ->  x == c, when c fits
    if ((cond == Cond::EQ || cond == Cond::NE) && is_const(b) && is_op(a, Opcode::ZExt) &&
        arg_type(def(a), 0) == Type::I32 && def(b).imm <= 0xffff'ffff) {
        const ValueId narrow = def(a).args[0];
        return become_icmp(inst, cond, narrow, constant(Type::I32, def(b).imm));
    }
    return kKeep;
}

Outcome Simplifier::rule_testbit(Inst& inst) {
    const Inst& x = arg(inst, 0);
    const u64 n = inst.imm & testbit::kNumber, clear = inst.imm & testbit::kClear;
    switch (x.op) {
    case Opcode::ZExt: {
        // testbit(zext x, n)  ->  testbit(x, n), or 0 above x; an i1 is its own bit 0
        const Type narrow = arg_type(x, 0);
        if (n >= bit_width(narrow)) {
            return become_const(inst, clear != 0);
        }
        if (narrow == Type::I1) {
            return clear != 0 ? become(inst, Opcode::Not, {x.args[0]}) : replaced(x.args[0]);
        }
        break;
    }
    case Opcode::Trunc: // testbit(trunc x, n)  ->  testbit(x, n)
        set_arg(inst, 0, x.args[0]);
        return kChanged;
    case Opcode::And: // testbit(x & c, n)  ->  testbit(x, n) or 0
        if (is_const(x.args[1])) {
            if (!bit(def(x.args[1]).imm, static_cast<unsigned>(n))) {
                return become_const(inst, clear != 0);
            }
            set_arg(inst, 0, x.args[0]);
            return kChanged;
        }
        break;
    case Opcode::Shr: // testbit(x >> c, n)  ->  testbit(x, n + c), or 0 above
        if (is_const(x.args[1])) {
            const u64 source = n + def(x.args[1]).imm;
            if (source >= bit_width(x.type)) {
                return become_const(inst, clear != 0);
            }
            return become(inst, Opcode::TestBit, {x.args[0]}, source | clear);
        }
        break;
    default:
        break;
    }
    return kKeep;
}

Outcome Simplifier::rule_flags(Inst& inst) {
    const ValueId a = inst.args[0], b = inst.args[1];
    if (inst.op == Opcode::AddFlags) {
        // flags(c + x)  ->  flags(x + c)
        return constant_to_the_right(inst) ? kChanged : kKeep;
    }
    // flags(a + b + 0)  ->  flags(a + b);  flags(a + not b + 1)  ->  flags(a - b)
    if (is_const(inst.args[2], 0)) {
        return become(inst, Opcode::AddFlags, {a, b});
    }
    if (is_const(inst.args[2], 1) && is_op(b, Opcode::Not)) {
        return become(inst, Opcode::SubFlags, {a, def(b).args[0]});
    }
    return kKeep;
}

Outcome Simplifier::rule_nzcv_select(Inst& inst) {
    const ValueId c = inst.args[0], x = inst.args[1], y = inst.args[2];
    // as for select
    if (is_const(c)) {
        return replaced(def(c).imm != 0 ? x : y);
    }
    if (x == y) {
        return replaced(x);
    }
    if (is_op(c, Opcode::Not)) {
        return become(inst, Opcode::NzcvSelect, {def(c).args[0], y, x});
    }
    return kKeep;
}

Outcome Simplifier::testcond_of_addflags(Inst& inst, const Inst& flags) {
    const ValueId a = flags.args[0], b = flags.args[1];
    const Type type = def(a).type;
    const Cond cond = inst.cond();
    // Z and N are those of the sum
    if (cond == Cond::EQ || cond == Cond::NE || cond == Cond::MI || cond == Cond::PL) {
        if (!is_const(b) || has_twin(Opcode::Add, a, b, inst.args[0])) {
            const ValueId sum = emit(Opcode::Add, type, {a, b});
            return become_icmp(inst, cond, sum, constant(type, 0));
        }
    }
    // CMN x, c: x + c has the flags of x - (-c), except that 0 and the minimum have no negative:
    // with 0 the carry differs, with the minimum the overflow. (After ADDS the flags of the
    // addition serve better.)
    const u64 sign = u64{1} << (bit_width(type) - 1);
    if (is_const(b) && def(b).imm != 0 && def(b).imm != sign) {
        const ValueId negated = constant(type, u64{0} - def(b).imm);
        return become_icmp(inst, cond, a, negated);
    }
    return kKeep;
}

Outcome Simplifier::testcond_of_logicflags(Inst& inst, const Inst& flags) {
    const ValueId x = flags.args[0];
    switch (inst.cond()) {
    // C = V = 0
    case Cond::HS:
    case Cond::HI:
    case Cond::VS:
        return become_const(inst, 0);
    case Cond::LO:
    case Cond::LS:
    case Cond::VC:
        return become_const(inst, 1);
    // N, Z and V equal those of x - 0
    default:
        return become_icmp(inst, inst.cond(), x, constant(def(x).type, 0));
    }
}

// Flags that came as a word: N, Z, C and V are its bits 31 to 28.
Outcome Simplifier::testcond_of_pack(Inst& inst, const Inst& flags) {
    constexpr u8 kBitOfCond[] = {30, 29, 31, 28}; // EQ/NE, HS/LO, MI/PL, VS/VC
    const auto code = static_cast<unsigned>(inst.cond());
    if (code >= 8) {
        return kKeep;
    }
    const u64 n = kBitOfCond[code / 2];
    if ((code & 1) == 0) {
        return become(inst, Opcode::TestBit, {flags.args[0]}, n);
    }
    return become(inst, Opcode::Not, {emit(Opcode::TestBit, Type::I1, {flags.args[0]}, 0, n)});
}

Outcome Simplifier::rule_exit_if(Inst& inst) {
    // exitif 0, raiseif 0  ->  nothing
    return is_const(inst.args[0], 0) ? replaced(kNoValue) : kKeep;
}

Outcome Simplifier::rule_testcond(Inst& inst) {
    const Cond cond = inst.cond();
    // AL and NV always hold
    if (cond >= Cond::AL) {
        return become_const(inst, 1);
    }
    const Inst flags = arg(inst, 0);
    switch (flags.op) {
    // testcond c, flags(a - b)  ->  icmp c, a, b
    case Opcode::SubFlags:
        return become_icmp(inst, cond, flags.args[0], flags.args[1]);
    case Opcode::AddFlags:
        return testcond_of_addflags(inst, flags);
    case Opcode::LogicFlags:
        return testcond_of_logicflags(inst, flags);
    case Opcode::NzcvPack:
        return testcond_of_pack(inst, flags);
    case Opcode::NzcvSelect: {
        // testcond c, (p ? f : g)  ->  p ? testcond c, f : testcond c, g
        const ValueId f = emit(Opcode::TestCond, Type::I1, {flags.args[1]}, inst.aux);
        const ValueId g = emit(Opcode::TestCond, Type::I1, {flags.args[2]}, inst.aux);
        return become(inst, Opcode::Select, {flags.args[0], f, g});
    }
    default:
        return kKeep;
    }
}

} // namespace ulna::ir::opt
