// Flags, and the conditions that are made of them.
#include "backend/llvm/lowering.h"
#include "ir/support/check.h"

namespace ulna::backend::tier2 {

using ir::Cond;

namespace {

Value* arg(Lowering& l, const Inst& inst, unsigned k) { return l.value(inst.args[k]); }
Value* zero(Value* like) { return llvm::Constant::getNullValue(like->getType()); }
Value* negative(Lowering& l, Value* v) { return l.b.CreateICmpSLT(v, zero(v)); }

Value* overflows(Lowering& l, llvm::Intrinsic::ID id, Value* a, Value* b) {
    return l.b.CreateExtractValue(l.b.CreateBinaryIntrinsic(id, a, b), 1);
}

// a - b
Value* flag_of_sub(Lowering& l, Flag flag, Value* a, Value* b) {
    switch (flag) {
    case Flag::N:
        return negative(l, l.b.CreateSub(a, b));
    case Flag::Z:
        return l.b.CreateICmpEQ(a, b);
    case Flag::C:
        return l.b.CreateICmpUGE(a, b);
    case Flag::V:
        return overflows(l, llvm::Intrinsic::ssub_with_overflow, a, b);
    case Flag::Lt:
        return l.b.CreateICmpSLT(a, b);
    }
    UNREACHABLE("flag");
}

// a + b
Value* flag_of_add(Lowering& l, Flag flag, Value* a, Value* b) {
    Value* const sum = l.b.CreateAdd(a, b);
    switch (flag) {
    case Flag::N:
        return negative(l, sum);
    case Flag::Z:
        return l.b.CreateICmpEQ(sum, zero(sum));
    case Flag::C:
        return l.b.CreateICmpULT(sum, a);
    case Flag::V:
        return overflows(l, llvm::Intrinsic::sadd_with_overflow, a, b);
    case Flag::Lt:
        return l.b.CreateXor(flag_of_add(l, Flag::N, a, b), flag_of_add(l, Flag::V, a, b));
    }
    UNREACHABLE("flag");
}

// a + b + carry: carry and overflow are those of the top bit, from operands and sum.
Value* flag_of_adc(Lowering& l, Flag flag, Value* a, Value* b, Value* carry) {
    Value* const sum = l.b.CreateAdd(l.b.CreateAdd(a, b), l.b.CreateZExt(carry, a->getType()));
    switch (flag) {
    case Flag::N:
        return negative(l, sum);
    case Flag::Z:
        return l.b.CreateICmpEQ(sum, zero(sum));
    case Flag::C:
        return negative(l, l.b.CreateOr(l.b.CreateAnd(a, b),
                                        l.b.CreateAnd(l.b.CreateOr(a, b), l.b.CreateNot(sum))));
    case Flag::V:
        return negative(l, l.b.CreateAnd(l.b.CreateXor(a, sum), l.b.CreateXor(b, sum)));
    case Flag::Lt:
        return l.b.CreateXor(flag_of_adc(l, Flag::N, a, b, carry),
                             flag_of_adc(l, Flag::V, a, b, carry));
    }
    UNREACHABLE("flag");
}

Value* flag_of_result(Lowering& l, Flag flag, Value* a) {
    switch (flag) {
    case Flag::N:
    case Flag::Lt:
        return negative(l, a);
    case Flag::Z:
        return l.b.CreateICmpEQ(a, zero(a));
    case Flag::C:
    case Flag::V:
        return l.b.getFalse();
    }
    UNREACHABLE("flag");
}

} // namespace

Value* Lowering::flag(const Flags& flags, Flag flag) {
    switch (flags.source) {
    case Flags::Source::Values:
        return flags.all()[static_cast<unsigned>(flag)];
    case Flags::Source::Sub:
        return flag_of_sub(*this, flag, flags.a, flags.b);
    case Flags::Source::Add:
        return flag_of_add(*this, flag, flags.a, flags.b);
    case Flags::Source::Adc:
        return flag_of_adc(*this, flag, flags.a, flags.b, flags.condition);
    case Flags::Source::Result:
        return flag_of_result(*this, flag, flags.a);
    case Flags::Source::Select:
        return b.CreateSelect(flags.condition, this->flag(*flags.then, flag),
                              this->flag(*flags.otherwise, flag));
    }
    UNREACHABLE("source of flags");
}

std::array<Value*, Flags::kCount> Lowering::all_flags(const Flags& flags) {
    std::array<Value*, Flags::kCount> all;
    for (unsigned i = 0; i < Flags::kCount; ++i) {
        all[i] = flag(flags, static_cast<Flag>(i));
    }
    return all;
}

Value* Lowering::pack(const Flags& flags) {
    const auto at = [&](Flag which, unsigned bit) {
        return b.CreateShl(zext_to(flag(flags, which), 32), b.getInt32(bit));
    };
    return b.CreateOr(b.CreateOr(at(Flag::N, 3), at(Flag::Z, 2)),
                      b.CreateOr(at(Flag::C, 1), at(Flag::V, 0)));
}

Flags Lowering::unpack(Value* packed) {
    const auto bit = [&](unsigned n) {
        return b.CreateICmpNE(b.CreateAnd(packed, b.getInt32(1u << n)), b.getInt32(0));
    };
    Value* const n = bit(3);
    Value* const v = bit(0);
    return Flags::of({n, bit(2), bit(1), v, b.CreateXor(n, v)});
}

namespace {

Value* set(Lowering& l, const Inst& inst, Flags::Source source, Value* b, Value* carry) {
    Flags flags;
    flags.source = source;
    flags.a = arg(l, inst, 0), flags.b = b, flags.condition = carry;
    l.set_flags(inst, flags);
    return nullptr;
}
Value* lower_AddFlags(Lowering& l, const Inst& inst) {
    return set(l, inst, Flags::Source::Add, arg(l, inst, 1), nullptr);
}
Value* lower_SubFlags(Lowering& l, const Inst& inst) {
    return set(l, inst, Flags::Source::Sub, arg(l, inst, 1), nullptr);
}
Value* lower_AdcFlags(Lowering& l, const Inst& inst) {
    return set(l, inst, Flags::Source::Adc, arg(l, inst, 1), arg(l, inst, 2));
}
Value* lower_LogicFlags(Lowering& l, const Inst& inst) {
    return set(l, inst, Flags::Source::Result, nullptr, nullptr);
}
Value* lower_NzcvSelect(Lowering& l, const Inst& inst) {
    Flags flags;
    flags.source = Flags::Source::Select;
    flags.condition = arg(l, inst, 0);
    flags.then = &l.flags(inst.args[1]), flags.otherwise = &l.flags(inst.args[2]);
    l.set_flags(inst, flags);
    return nullptr;
}
Value* lower_NzcvPack(Lowering& l, const Inst& inst) {
    l.set_flags(inst, l.unpack(l.b.CreateLShr(arg(l, inst, 0), 28)));
    return nullptr;
}
Value* lower_NzcvUnpack(Lowering& l, const Inst& inst) {
    return l.b.CreateShl(l.pack(l.flags(inst.args[0])), 28);
}

// Conditions come in pairs: cond ^ 1 negates.
Value* holds(Lowering& l, Cond cond, const Flags& flags) {
    if (cond >= Cond::AL) {
        return l.b.getTrue();
    }
    if (cond == flags.known_condition) {
        return flags.known;
    }
    Value* positive = nullptr;
    switch (static_cast<Cond>(static_cast<u8>(cond) & ~1)) {
    case Cond::EQ:
        positive = l.flag(flags, Flag::Z);
        break;
    case Cond::HS:
        positive = l.flag(flags, Flag::C);
        break;
    case Cond::MI:
        positive = l.flag(flags, Flag::N);
        break;
    case Cond::VS:
        positive = l.flag(flags, Flag::V);
        break;
    case Cond::HI:
        positive = l.b.CreateAnd(l.flag(flags, Flag::C), l.b.CreateNot(l.flag(flags, Flag::Z)));
        break;
    case Cond::GE:
        positive = l.b.CreateNot(l.flag(flags, Flag::Lt));
        break;
    default:
        positive = l.b.CreateNot(l.b.CreateOr(l.flag(flags, Flag::Lt), l.flag(flags, Flag::Z)));
        break;
    }
    return static_cast<u8>(cond) & 1 ? l.b.CreateNot(positive) : positive;
}
Value* lower_TestCond(Lowering& l, const Inst& inst) {
    return holds(l, inst.cond(), l.flags(inst.args[0]));
}
Value* lower_ICmp(Lowering& l, const Inst& inst) {
    using llvm::CmpInst;
    Value* const a = arg(l, inst, 0);
    Value* const c = arg(l, inst, 1);
    switch (inst.cond()) {
    case Cond::EQ:
        return l.b.CreateICmpEQ(a, c);
    case Cond::NE:
        return l.b.CreateICmpNE(a, c);
    case Cond::HS:
        return l.b.CreateICmpUGE(a, c);
    case Cond::LO:
        return l.b.CreateICmpULT(a, c);
    case Cond::HI:
        return l.b.CreateICmpUGT(a, c);
    case Cond::LS:
        return l.b.CreateICmpULE(a, c);
    case Cond::GE:
        return l.b.CreateICmpSGE(a, c);
    case Cond::LT:
        return l.b.CreateICmpSLT(a, c);
    case Cond::GT:
        return l.b.CreateICmpSGT(a, c);
    case Cond::LE:
        return l.b.CreateICmpSLE(a, c);
    default: {
        Flags flags;
        flags.source = Flags::Source::Sub;
        flags.a = a, flags.b = c;
        return holds(l, inst.cond(), flags);
    }
    }
}
} // namespace

void add_flag_lowerings(LowerTable& table) {
    table[Opcode::AddFlags] = lower_AddFlags;
    table[Opcode::SubFlags] = lower_SubFlags;
    table[Opcode::AdcFlags] = lower_AdcFlags;
    table[Opcode::LogicFlags] = lower_LogicFlags;
    table[Opcode::NzcvPack] = lower_NzcvPack;
    table[Opcode::NzcvUnpack] = lower_NzcvUnpack;
    table[Opcode::NzcvSelect] = lower_NzcvSelect;
    table[Opcode::TestCond] = lower_TestCond;
    table[Opcode::ICmp] = lower_ICmp;
}

} // namespace ulna::backend::tier2
