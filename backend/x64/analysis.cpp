// What is known about a block before its first byte is emitted: which values are the same register,
// which conditions are evaluated where they are consumed, when every value is used next, and which
// results can be computed directly in their pinned register.
#include "backend/x64/condition_ops.h"
#include "backend/x64/pinned.h"

namespace ulna::backend::x64 {

using ir::kNoValue;
using ir::Type;

void Emitter::analyse() {
    find_aliases_and_value_needs();
    plan_flags();
    find_uses_and_hints();
}

// An nzcv producer that a TestCond can evaluate where it stands.
bool Emitter::is_fusable_flags(ValueId flags) const {
    const Inst& inst = block_->insts[flags];
    switch (inst.op) {
    case Opcode::AddFlags:
    case Opcode::SubFlags:
    case Opcode::LogicFlags:
        return true;
    case Opcode::FCmp:
        return type_of(inst.args[0]) == Type::F16 ? !mode().fz16() : !mode().fz();
    default:
        return false;
    }
}

void Emitter::find_aliases_and_value_needs() {
    const auto& insts = block_->insts;
    const unsigned count = static_cast<unsigned>(insts.size());
    values_.resize(count);
    plan_.assign(count + 1, 0);
    ValueId slot_value[ir::kSlotCount];
    std::fill(std::begin(slot_value), std::end(slot_value), kNoValue);

    for (unsigned i = 0; i < count; ++i) {
        const Inst& inst = insts[i];
        ValueState& value = values_[i];
        value = {static_cast<ValueId>(i), kNoUse, kNoMemory, kNoReg, kNoReg, 0, kNoReg};
        if (inst.dead) {
            value.flags = kSkip;
            continue;
        }
        if (ir::in_vector_register(inst.type)) {
            value.flags |= kVector;
        }
        const auto alias = [&](ValueId to) {
            value.rep = values_[to].rep;
            value.flags |= kSkip;
        };
        const int condition = condition_argument(inst);
        for (unsigned k = 0; k < inst.arg_count; ++k) {
            const ValueId arg = inst.args[k];
            if (arg == kNoValue) {
                continue;
            }
            const Type type = insts[arg].type;
            const bool fused =
                (type == Type::I1 &&
                 (static_cast<int>(k) == condition || inst.op == Opcode::ZExt)) ||
                (type == Type::Nzcv && inst.op == Opcode::TestCond && is_fusable_flags(rep(arg)));
            if ((type == Type::I1 || type == Type::Nzcv) && !fused) {
                values_[rep(arg)].flags |= kNeedsValue;
            }
        }
        switch (inst.op) {
        case Opcode::Get:
            if (ValueId& known = slot_value[inst.imm]; known != kNoValue) {
                alias(known);
            } else {
                known = static_cast<ValueId>(i);
            }
            break;
        case Opcode::Set:
            slot_value[inst.imm] = rep(inst.args[0]);
            break;
        case Opcode::CallHelper:
            slot_value[static_cast<unsigned>(ir::Slot::FPCR)] = kNoValue;
            break;
        case Opcode::Trunc:
        case Opcode::VToF:
            alias(inst.args[0]);
            break;
        case Opcode::ZExt:
            // Values made by 32-bit operations have zero upper halves; truncated ones need a move.
            if (type_of(inst.args[0]) == Type::I32 && type_of(rep(inst.args[0])) == Type::I32) {
                alias(inst.args[0]);
            }
            break;
        default:
            break;
        }
    }
}

template <class F> void Emitter::for_each_leaf_of_condition(ValueId condition, F&& use) const {
    const Inst& inst = block_->insts[condition];
    switch (inst.op) {
    case Opcode::ICmp:
        use(inst.args[0]);
        use(inst.args[1]);
        break;
    case Opcode::TestBit:
        use(inst.args[0]);
        break;
    case Opcode::TestCond: {
        const ValueId flags = rep(inst.args[0]);
        if (!is_fusable_flags(flags) || (values_[flags].flags & kNeedsValue)) {
            use(flags);
            break;
        }
        const Inst& producer = block_->insts[flags];
        for (unsigned k = 0; k < producer.arg_count; ++k) {
            use(producer.args[k]);
        }
        break;
    }
    default:
        use(condition);
        break;
    }
}

// What a consumer of i1 value `condition` reads: the value if it exists, else what it is computed
// from.
template <class F> void Emitter::for_each_condition_use(ValueId condition, F&& use) const {
    condition = rep(condition);
    if (values_[condition].flags & kNeedsValue) {
        use(condition);
    } else {
        for_each_leaf_of_condition(condition, use);
    }
}

// Calls use(value) for every value that the code emitted for instruction `index` (or the exit)
// reads.
template <class F> void Emitter::for_each_use(unsigned index, F&& use) const {
    if (index < block_->insts.size()) {
        const Inst& plain = block_->insts[index];
        if (use_kind(plain.op) == UseKind::Plain) {
            for (unsigned k = 0; k < plain.arg_count; ++k) {
                if (plain.args[k] != kNoValue) {
                    use(plain.args[k]);
                }
            }
            return;
        }
    }
    const bool has_flags = plan_[index] & kHasFlags;
    if (index == block_->insts.size()) {
        if (const ValueId v = block_->exit_value(); v != kNoValue) {
            if (!std::holds_alternative<ir::ExitCond>(block_->exit)) {
                use(v);
            } else if (!has_flags) {
                for_each_condition_use(v, use);
            }
        }
        return;
    }
    const Inst& inst = block_->insts[index];
    if (is_condition_op(inst.op)) { // made into a value here
        if (!has_flags) {
            for_each_leaf_of_condition(static_cast<ValueId>(index), use);
        }
        return;
    }
    int condition = condition_argument(inst);
    if (inst.op == Opcode::ZExt && type_of(inst.args[0]) == Type::I1) {
        condition = 0;
    }
    if (has_flags && is_fusable_flags(static_cast<ValueId>(index))) {
        return;
    }
    for (unsigned k = 0; k < inst.arg_count; ++k) {
        if (inst.args[k] == kNoValue) {
            continue;
        }
        if (static_cast<int>(k) != condition) {
            use(inst.args[k]);
        } else if (!has_flags) {
            for_each_condition_use(inst.args[k], use);
        }
    }
}

void Emitter::add_use(ValueId v, unsigned at) {
    ValueState& value = values_[rep(v)];
    if (value.uses != kNoUse && uses_[value.uses].at == at) {
        return;
    }
    uses_.push_back({static_cast<u16>(at), value.uses});
    value.uses = static_cast<u16>(uses_.size() - 1);
}

void Emitter::find_uses_and_hints() {
    const auto& insts = block_->insts;
    const unsigned count = static_cast<unsigned>(insts.size());
    uses_.clear();

    // A Set below, with nothing in between that must see the slot's old value.
    ValueId pending_gpr[16], pending_xmm[16];
    const auto clear_pending = [&] {
        std::fill(std::begin(pending_gpr), std::end(pending_gpr), kNoValue);
        std::fill(std::begin(pending_xmm), std::end(pending_xmm), kNoValue);
    };
    clear_pending();
    const auto pending = [&](u8 reg, bool vector) -> ValueId& {
        return vector ? pending_xmm[reg] : pending_gpr[reg];
    };

    for_each_use(count, [&](ValueId v) { add_use(v, count); });
    if (const ValueId v = block_->exit_value();
        v != kNoValue && !std::holds_alternative<ir::ExitCond>(block_->exit)) {
        values_[rep(v)].hint = static_cast<u8>(kPcReg);
    }
    if (const auto* exit = std::get_if<ir::ExitCond>(&block_->exit)) {
        mark_fused_condition(rep(exit->condition));
    }

    for (unsigned i = count; i-- > 0;) {
        const Inst& inst = insts[i];
        ValueState& value = values_[i];
        if (value.flags & kSkip) {
            continue;
        }
        const ir::Effects effects = ir::info(inst.op).effects;
        if (value.uses == kNoUse && !(plan_[i] & kSetsFlags)) {
            const bool idle_condition = is_condition_op(inst.op) ||
                                        (inst.type == Type::Nzcv && effects == ir::Effects::Pure);
            const bool idle_fcmp = inst.op == Opcode::FCmp && (value.flags & kFused);
            if (effects == ir::Effects::Pure || effects == ir::Effects::ReadState ||
                idle_condition || idle_fcmp) {
                value.flags |= kSkip;
                continue;
            }
        }
        const bool vector = value.flags & kVector;
        // Definition reached: its hint holds if the Set is still pending.
        bool hinted = false;
        if (value.hint != kNoReg && inst.type != Type::Void) {
            const bool pinned = vector ? is_pinned_xmm(value.hint) : is_pinned_gpr(value.hint);
            if (pinned && pending(value.hint, vector) != i) {
                value.hint = kNoReg;
            }
            hinted = pinned && value.hint != kNoReg;
        }
        switch (effects) {
        case ir::Effects::Load:
        case ir::Effects::Store:
        case ir::Effects::Exit:
            clear_pending();
            break;
        default:
            break;
        }
        switch (inst.op) {
        case Opcode::Get:
        case Opcode::Set: {
            const u8 gpr = kGprOfSlot[inst.imm], xmm = kXmmOfSlot[inst.imm];
            if (gpr == kNoReg && xmm == kNoReg) {
                break;
            }
            const bool vector_slot = xmm != kNoReg;
            const u8 reg = vector_slot ? xmm : gpr;
            if (inst.op == Opcode::Get) {
                pending(reg, vector_slot) = kNoValue;
            } else {
                const ValueId v = rep(inst.args[0]);
                pending(reg, vector_slot) = v;
                if (((values_[v].flags & kVector) != 0) == vector_slot) {
                    values_[v].hint = reg;
                }
            }
            break;
        }
        case Opcode::FToV: // the scalar becomes the vector in place
            if (hinted) {
                const ValueId scalar = rep(inst.args[0]);
                if (values_[scalar].uses == kNoUse && (values_[scalar].flags & kVector)) {
                    pending(value.hint, true) = scalar;
                    values_[scalar].hint = value.hint;
                }
            }
            break;
        default:
            break;
        }
        for_each_use(i, [&](ValueId v) { add_use(v, i); });
        mark_fused(i);
    }
}

// Remembers which FP compares a consumer evaluates, so that they are not made a second time.
void Emitter::mark_fused(unsigned index) {
    const Inst& inst = block_->insts[index];
    if (use_kind(inst.op) == UseKind::Plain) {
        return;
    }
    const int argument = condition_argument(inst);
    ValueId condition = kNoValue;
    if (is_condition_op(inst.op)) {
        condition = static_cast<ValueId>(index);
    } else if (argument >= 0) {
        condition = rep(inst.args[argument]);
    } else if (inst.op == Opcode::ZExt && type_of(inst.args[0]) == Type::I1) {
        condition = rep(inst.args[0]);
    }
    mark_fused_condition(condition);
}

void Emitter::mark_fused_condition(ValueId condition) {
    if (condition != kNoValue && block_->insts[condition].op == Opcode::TestCond) {
        values_[rep(block_->insts[condition].args[0])].flags |= kFused;
    }
}

// --- emission: what an instruction's code has used is used up

bool Emitter::needs_value(const Inst& inst) const {
    return values_[&inst - block_->insts.data()].flags & kNeedsValue;
}

bool Emitter::is_used(const Inst& inst) const {
    return values_[&inst - block_->insts.data()].uses != kNoUse;
}

void Emitter::finish_instruction(unsigned index) {
    for_each_use(index, [&](ValueId v) {
        ValueState& value = values_[rep(v)];
        while (value.uses != kNoUse && uses_[value.uses].at <= index) {
            value.uses = uses_[value.uses].next;
        }
        if (value.uses == kNoUse) {
            release(rep(v));
        }
    });
    if (index < block_->insts.size() && values_[index].uses == kNoUse) {
        release(static_cast<ValueId>(index));
    }
    if (!borrowed_.empty()) {
        return_borrowed();
    }
    gpr_locked_ = xmm_locked_ = 0;
}

} // namespace ulna::backend::x64
