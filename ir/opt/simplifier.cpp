// The frame of simplification: constant folding, dispatch to the rules, and what rules build on.
#include "ir/opt/simplifier.h"

#include "ir/eval.h"
#include "ir/opt/foldable.h"

namespace ulna::ir::opt {

Outcome Simplifier::fold_constants(Inst& inst) {
    if (!kFoldable[static_cast<unsigned>(inst.op)] ||
        !(is_int(inst.type) || inst.type == Type::Nzcv)) {
        return kKeep;
    }
    for (unsigned i = 0; i < inst.arg_count; ++i) {
        if (!is_const(inst.args[i])) {
            return kKeep;
        }
    }
    V128 args[kMaxArgs];
    for (unsigned i = 0; i < inst.arg_count; ++i) {
        args[i] = {def(inst.args[i]).imm, 0};
    }
    u32 fpsr_bits = 0;
    return become_const(inst, eval(params_of(block_, inst), args, fpsr_bits).lo);
}

Outcome Simplifier::apply_rules(Inst& inst) {
    switch (inst.op) {
    case Opcode::Const: // one spelling: no bits above the type
        inst.imm &= ones(bit_width(inst.type));
        return kKeep;
    case Opcode::Add:
        return rule_add(inst);
    case Opcode::Sub:
        return rule_sub(inst);
    case Opcode::Mul:
        return rule_mul(inst);
    case Opcode::UDiv:
    case Opcode::SDiv:
        return rule_divide(inst);
    case Opcode::And:
        return rule_and(inst);
    case Opcode::Or:
        return rule_or(inst);
    case Opcode::Xor:
        return rule_xor(inst);
    case Opcode::AndNot:
        return rule_andnot(inst);
    case Opcode::Not:
        return rule_not(inst);
    case Opcode::Neg:
        return rule_neg(inst);
    case Opcode::Shl:
    case Opcode::Shr:
    case Opcode::Sar:
    case Opcode::Ror:
        return rule_shift(inst);
    case Opcode::Extr:
        return rule_extr(inst);
    case Opcode::Clz:
        return rule_clz(inst);
    case Opcode::Adc:
        return rule_adc(inst);
    case Opcode::ZExt:
        return rule_zext(inst);
    case Opcode::SExt:
        return rule_sext(inst);
    case Opcode::Trunc:
        return rule_trunc(inst);
    case Opcode::VToF:
    case Opcode::FToI:
    case Opcode::IToF:
    case Opcode::NzcvPack:
    case Opcode::NzcvUnpack:
        return rule_move(inst);
    case Opcode::VAnd:
    case Opcode::VOr:
    case Opcode::VXor:
        return rule_vector_logic(inst);
    case Opcode::VAdd:
        return rule_vector_add(inst);
    case Opcode::VZip1:
    case Opcode::VZip2:
        return rule_zip(inst);
    case Opcode::VRev:
        return rule_vector_reverse(inst);
    case Opcode::VInsLane:
        return rule_insert_lane(inst);
    case Opcode::Select:
        return rule_select(inst);
    case Opcode::ICmp:
        return rule_icmp(inst);
    case Opcode::TestBit:
        return rule_testbit(inst);
    case Opcode::AddFlags:
    case Opcode::AdcFlags:
        return rule_flags(inst);
    case Opcode::NzcvSelect:
        return rule_nzcv_select(inst);
    case Opcode::TestCond:
        return rule_testcond(inst);
    case Opcode::ExitIf:
    case Opcode::RaiseIf:
        return rule_exit_if(inst);
    case Opcode::MemCopy:
    case Opcode::MemSet:
        return rule_string(inst);
    case Opcode::Load:
    case Opcode::Store:
    case Opcode::Prefetch:
    case Opcode::HostAddress:
        return rule_address(inst);
    default:
        return kKeep;
    }
}

ValueId Simplifier::add(Inst inst) {
    guest_index_ = inst.guest_index;
    for (;;) {
        Outcome outcome = fold_constants(inst);
        if (outcome.kind == Outcome::Kind::Keep) {
            outcome = apply_rules(inst);
        }
        if (outcome.kind == Outcome::Kind::Replaced) {
            count_uses(outcome.id, inst.use_count);
            count_uses_of_args(inst, -1);
            return outcome.id;
        }
        if (outcome.kind == Outcome::Kind::Keep) {
            break;
        }
    }
    return is_mergeable(inst.op) ? append_value(inst) : append(inst);
}

ValueId
Simplifier::emit(Opcode op, Type type, std::initializer_list<ValueId> args, u16 aux, u64 imm) {
    Inst inst{op, type, 0, 0, guest_index_, {}, 0, 0, false};
    become(inst, op, args, imm, aux);
    return add(inst);
}

Outcome
Simplifier::become(Inst& inst, Opcode op, std::initializer_list<ValueId> args, u64 imm, u16 aux) {
    const Inst old = inst;
    inst.op = op;
    inst.aux = aux;
    inst.imm = imm;
    inst.arg_count = static_cast<u8>(args.size());
    std::fill(std::begin(inst.args), std::end(inst.args), kNoValue);
    std::copy(args.begin(), args.end(), inst.args);
    count_uses_of_args(inst, 1);
    count_uses_of_args(old, -1);
    return kChanged;
}

bool Simplifier::constant_to_the_right(Inst& inst) {
    if (!is_const(inst.args[0]) || is_const(inst.args[1])) {
        return false;
    }
    std::swap(inst.args[0], inst.args[1]);
    return true;
}

bool Simplifier::has_twin(Opcode op, ValueId a, ValueId b, std::size_t place) const {
    constexpr std::size_t kWindow = 4; // flags, set, constant, result
    const std::size_t last = std::min(place + kWindow, block_.insts.size());
    for (std::size_t i = place > kWindow ? place - kWindow : 0; i < last; ++i) {
        const Inst& inst = block_.insts[i];
        if (inst.op == op && inst.args[0] == a && inst.args[1] == b) {
            return true;
        }
    }
    return false;
}

unsigned Simplifier::active_bits(ValueId id, unsigned depth) const {
    const Inst& inst = def(id);
    const unsigned width = bit_width(inst.type);
    if (depth == 0) {
        return width;
    }
    switch (inst.op) {
    case Opcode::Const:
        return 64 - static_cast<unsigned>(std::countl_zero(inst.imm));
    case Opcode::ZExt:
        return active_bits(inst.args[0], depth - 1);
    case Opcode::Trunc:
        return std::min(width, active_bits(inst.args[0], depth - 1));
    case Opcode::And:
        return std::min(active_bits(inst.args[0], depth - 1), active_bits(inst.args[1], depth - 1));
    case Opcode::Or:
    case Opcode::Xor:
        return std::max(active_bits(inst.args[0], depth - 1), active_bits(inst.args[1], depth - 1));
    case Opcode::Select:
        return std::max(active_bits(inst.args[1], depth - 1), active_bits(inst.args[2], depth - 1));
    case Opcode::Shr:
        if (is_const(inst.args[1])) {
            const unsigned bits = active_bits(inst.args[0], depth - 1);
            const auto shift = static_cast<unsigned>(def(inst.args[1]).imm & (width - 1));
            return bits > shift ? bits - shift : 0;
        }
        return width;
    case Opcode::Load:
        return inst.mem().sign ? width : std::min(width, inst.mem().bytes() * 8);
    case Opcode::VGetLane:
        return bit(inst.imm, 8) ? width : std::min(width, inst.shape().lane_bits());
    case Opcode::Clz:
    case Opcode::Ctz:
    case Opcode::Popcnt:
    case Opcode::Cls:
        return 7;
    default:
        return width;
    }
}

void Simplifier::simplify_exit() {
    guest_index_ = block_.insts.empty() ? u16{0} : block_.insts.back().guest_index;
    auto* const cond = std::get_if<ExitCond>(&block_.exit);
    if (cond == nullptr) {
        return;
    }
    // exit cond not x, a, b  ->  exit cond x, b, a
    while (is_op(cond->condition, Opcode::Not)) {
        *cond = {def(cond->condition).args[0], cond->not_taken, cond->taken};
    }
    // exit cond testbit clear x, a, b  ->  exit cond testbit x, b, a
    if (const Inst test = def(cond->condition);
        test.op == Opcode::TestBit && (test.imm & testbit::kClear) != 0) {
        *cond = {emit(Opcode::TestBit, Type::I1, {test.args[0]}, 0, test.imm ^ testbit::kClear),
                 cond->not_taken, cond->taken};
    }
    // icmp eq (x & 2^n), 0 as a branch condition is a bit test with the sides exchanged
    const Inst& compare = def(cond->condition);
    if (compare.op == Opcode::ICmp && compare.cond() == Cond::EQ && is_const(compare.args[1], 0) &&
        is_op(compare.args[0], Opcode::And) && single_use(compare.args[0])) {
        const Inst& masked = def(compare.args[0]);
        if (is_const(masked.args[1]) && std::has_single_bit(def(masked.args[1]).imm)) {
            const auto n = static_cast<u64>(std::countr_zero(def(masked.args[1]).imm));
            *cond = {emit(Opcode::TestBit, Type::I1, {masked.args[0]}, 0, n), cond->not_taken,
                     cond->taken};
        }
    }
    // exit cond constant, a, b  ->  exit direct a or b
    if (is_const(cond->condition)) {
        block_.exit = ExitDirect{def(cond->condition).imm != 0 ? cond->taken : cond->not_taken};
    } else if (cond->taken == cond->not_taken) {
        block_.exit = ExitDirect{cond->taken};
    }
}

} // namespace ulna::ir::opt
