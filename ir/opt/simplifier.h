// What the rewrite rules of simplify_*.cpp work on.
//
// The pass rebuilds the block: every instruction of the old one is renamed and offered to `add`,
// which applies rules until none fits and appends what is left. A rule may append helper
// instructions of its own with `emit`, which simplifies them in turn; so a rule only ever looks at
// operands in simplest form.
#pragma once

#include <algorithm>

#include "ir/block.h"
#include "ir/opt/scratch.h"
#include "ir/support/bits.h"

namespace ulna::ir::opt {

// What a rule did with an instruction.
struct Outcome {
    enum class Kind : u8 { Keep, Changed, Replaced };
    Kind kind = Kind::Keep;
    ValueId id = kNoValue; // Replaced: the value that takes the instruction's place
};
inline constexpr Outcome kKeep{};
inline constexpr Outcome kChanged{Outcome::Kind::Changed};
[[nodiscard]] constexpr Outcome replaced(ValueId id) { return {Outcome::Kind::Replaced, id}; }

class Simplifier {
  public:
    Simplifier(Block& block, ValueTable& values) : block_{block}, values_{values} {}
    ValueId add(Inst inst);
    // For operations that no rule looks at.
    ValueId append(const Inst& inst) {
        block_.insts.push_back(inst);
        return static_cast<ValueId>(block_.insts.size() - 1);
    }
    // An earlier equal value, or the instruction appended.
    ValueId append_value(const Inst& inst) {
        const auto id = static_cast<ValueId>(block_.insts.size());
        const ValueId equal = values_.find_or_enter(block_.insts, inst, id);
        if (equal == kNoValue) {
            return append(inst);
        }
        count_uses(equal, inst.use_count);
        count_uses_of_args(inst, -1);
        return equal;
    }
    void simplify_exit();
    // One value gains or loses uses.
    void count_uses(ValueId id, int change) {
        if (id == kNoValue) {
            return;
        }
        Inst& inst = block_.insts[id];
        const bool was_used = inst.use_count != 0;
        inst.use_count = static_cast<u16>(std::max(inst.use_count + change, 0));
        if (was_used && inst.use_count == 0 && is_removable(inst.op)) {
            count_uses_of_args(inst, -1); // it will go, and with it its uses
        }
    }

  private:
    // --- rules, by operation; true rewrites of the instruction in place are Changed
    Outcome apply_rules(Inst& inst);
    Outcome fold_constants(Inst& inst);
    // simplify_int.cpp
    Outcome rule_add(Inst& inst);
    Outcome rule_sub(Inst& inst);
    Outcome rule_mul(Inst& inst);
    Outcome rule_divide(Inst& inst);
    Outcome rule_and(Inst& inst);
    Outcome rule_or(Inst& inst);
    Outcome rule_xor(Inst& inst);
    Outcome rule_andnot(Inst& inst);
    Outcome rule_not(Inst& inst);
    Outcome rule_neg(Inst& inst);
    Outcome rule_shift(Inst& inst);
    Outcome rule_extr(Inst& inst);
    Outcome rule_clz(Inst& inst);
    Outcome rule_adc(Inst& inst);
    Outcome rule_zext(Inst& inst);
    Outcome rule_sext(Inst& inst);
    Outcome rule_trunc(Inst& inst);
    Outcome rule_move(Inst& inst);
    // simplify_vector.cpp
    Outcome rule_vector_logic(Inst& inst);
    Outcome rule_vector_add(Inst& inst);
    Outcome rule_zip(Inst& inst);
    Outcome rule_vector_reverse(Inst& inst);
    Outcome rule_insert_lane(Inst& inst);
    // simplify_flags.cpp
    Outcome rule_select(Inst& inst);
    Outcome rule_absolute(Inst& inst);
    Outcome rule_icmp(Inst& inst);
    Outcome rule_icmp_zero(Inst& inst);
    Outcome rule_testbit(Inst& inst);
    Outcome rule_flags(Inst& inst);
    Outcome rule_nzcv_select(Inst& inst);
    Outcome rule_testcond(Inst& inst);
    Outcome rule_exit_if(Inst& inst);
    Outcome testcond_of_addflags(Inst& inst, const Inst& flags);
    Outcome testcond_of_logicflags(Inst& inst, const Inst& flags);
    Outcome testcond_of_pack(Inst& inst, const Inst& flags);
    // simplify_memory.cpp
    Outcome rule_address(Inst& inst);
    Outcome rule_string(Inst& inst);

    // --- reading operands
    [[nodiscard]] const Inst& def(ValueId id) const { return block_.insts[id]; }
    [[nodiscard]] const Inst& arg(const Inst& inst, unsigned i) const { return def(inst.args[i]); }
    [[nodiscard]] Type arg_type(const Inst& inst, unsigned i) const { return arg(inst, i).type; }
    [[nodiscard]] bool is_op(ValueId id, Opcode op) const { return def(id).op == op; }
    [[nodiscard]] bool is_const(ValueId id) const { return def(id).op == Opcode::Const; }
    [[nodiscard]] bool is_const(ValueId id, u64 value) const {
        return is_const(id) && def(id).imm == value;
    }
    // Rules that keep an operand's operand alive longer only pay when the operand itself goes away.
    // A hint, never needed for correctness: counts may stay too high when whole chains die.
    [[nodiscard]] bool single_use(ValueId id) const { return def(id).use_count <= 1; }
    // True when `op` with the same arguments stands close to `place`: the other half of ADDS, SUBS.
    [[nodiscard]] bool has_twin(Opcode op, ValueId a, ValueId b, std::size_t place) const;
    // Bits at and above this position are known to be zero.
    [[nodiscard]] unsigned active_bits(ValueId id, unsigned depth = 3) const;

    // --- making things
    ValueId
    emit(Opcode op, Type type, std::initializer_list<ValueId> args, u16 aux = 0, u64 imm = 0);
    ValueId constant(Type type, u64 value) {
        return emit(Opcode::Const, type, {}, 0, value & ones(bit_width(type)));
    }
    // Rewrite `inst` in place, keeping use counts in step.
    Outcome
    become(Inst& inst, Opcode op, std::initializer_list<ValueId> args, u64 imm = 0, u16 aux = 0);
    void set_arg(Inst& inst, unsigned i, ValueId id) {
        count_uses(inst.args[i], -1);
        inst.args[i] = id;
        count_uses(id, 1);
    }
    void count_uses_of_args(const Inst& inst, int change) {
        for (unsigned i = 0; i < inst.arg_count; ++i) {
            count_uses(inst.args[i], change);
        }
    }
    Outcome become_const(Inst& inst, u64 value) {
        return become(inst, Opcode::Const, {}, value & ones(bit_width(inst.type)));
    }
    Outcome become_icmp(Inst& inst, Cond cond, ValueId a, ValueId b) {
        return become(inst, Opcode::ICmp, {a, b}, 0, static_cast<u16>(cond));
    }
    // Commutative operations: constants go right.
    bool constant_to_the_right(Inst& inst);

    Block& block_;
    ValueTable& values_;
    u16 guest_index_ = 0;
};

} // namespace ulna::ir::opt
