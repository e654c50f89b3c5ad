// What is known about a block before its first byte is emitted: which values are the same register,
// which conditions are evaluated where they are consumed, when every value is used next, and which
// results can be computed directly in their pinned register.
#include "backend/x64/condition_ops.h"
#include "backend/x64/pinned.h"
#include "ir/support/pick.h"

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
    const Inst& inst = insts_[flags];
    switch (inst.op) {
    case Opcode::AddFlags:
    case Opcode::SubFlags:
    case Opcode::LogicFlags:
        return true;
    case Opcode::FCmp:
        if (mode().ah()) {
            return table_ == &alternate_ && type_of(inst.args[0]) != Type::F16;
        }
        return type_of(inst.args[0]) == Type::F16 ? !mode().fz16()
                                                  : !mode().fz() || mode().traps_flushes();
    default:
        return false;
    }
}

namespace {

// The argument that mostly becomes the result where it is, or kNoValue: a scalar its vector, and
// what an AES round has made its successors' (emit_crypto.cpp).
ValueId made_in_place(const Inst* insts, const Inst& inst) {
    const auto is_of_aes = [&](ValueId v) {
        const Opcode op = insts[v].op;
        return op == Opcode::AesE || op == Opcode::AesD || op == Opcode::AesMc ||
               op == Opcode::AesImc;
    };
    switch (inst.op) {
    case Opcode::FToV:
    case Opcode::AesMc:
    case Opcode::AesImc:
        return inst.args[0];
    case Opcode::VXor:
        return is_of_aes(inst.args[0])   ? inst.args[0]
               : is_of_aes(inst.args[1]) ? inst.args[1]
                                         : kNoValue;
    default:
        return kNoValue;
    }
}

// Operations that may have an i1 or nzcv argument, whatever their own type.
constexpr auto kMayTakeBits = [] {
    std::array<bool, ir::kOpcodeCount> table{};
    for (unsigned i = 0; i < ir::kOpcodeCount; ++i) {
        for (const char* letter = ir::kOpInfo[i].args; *letter != 0; ++letter) {
            table[i] |= *letter == '1' || *letter == 'n' || *letter == 'I' || *letter == 'A';
        }
    }
    table[static_cast<unsigned>(Opcode::Store)] = false; // of memory's types
    return table;
}();

constexpr bool is_bits(Type type) {
    constexpr u32 kBits =
        1u << static_cast<unsigned>(Type::I1) | 1u << static_cast<unsigned>(Type::Nzcv);
    return (kBits >> static_cast<unsigned>(type) & 1) != 0;
}

// The table of a property of operations.
template <class F> constexpr auto opcode_table(F property) {
    std::array<bool, ir::kOpcodeCount> table{};
    for (unsigned i = 0; i < ir::kOpcodeCount; ++i) {
        table[i] = property(static_cast<Opcode>(i));
    }
    return table;
}

// Must see pinned registers as they are.
constexpr auto kSeesPinned = opcode_table([](Opcode op) {
    return ir::has_effect(op, ir::Effects::Load, ir::Effects::Store, ir::Effects::Exit,
                          ir::Effects::Raise);
});
// Even without uses of its value.
constexpr auto kIsNeeded =
    opcode_table([](Opcode op) { return !ir::is_removable(op) && op != Opcode::FCmp; });

// The bit of a slot's pinned register, if it has one; and of a slot that does not exist.
constexpr u64 kUnpinned = ir::kSlotCount;
constexpr auto kPinBitOfSlot = [] {
    std::array<u32, ir::kSlotCount + 1> table{};
    for (unsigned slot = 0; slot < ir::kSlotCount; ++slot) {
        table[slot] = kPinOfSlot[slot] == kNoReg ? 0 : 1u << kPinOfSlot[slot];
    }
    return table;
}();

} // namespace

void Emitter::find_aliases_and_value_needs() {
    const Inst* const insts = insts_;
    const unsigned count = count_;
    if (values_.size() < count) {
        values_.resize(count);
    }
    plan_.assign(count + 1, 0);
    sets_nzcv_ = false;
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
        if (takes_bits(inst)) {
            note_needed_bits(inst);
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
            sets_nzcv_ |= inst.slot() == ir::Slot::NZCV;
            break;
        case Opcode::CallHelper:
            slot_value[static_cast<unsigned>(ir::Slot::FPCR)] = kNoValue;
            compare_before_call(i);
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

// Helpers read and write FPSR: FP compares above must not be made below.
void Emitter::compare_before_call(unsigned call) {
    for (unsigned i = 0; i < call; ++i) {
        if (insts_[i].op == Opcode::FCmp) {
            values_[i].flags |= kNeedsValue;
        }
    }
}

// Has it an argument that is a condition or flags? Few have, and none of them can be told by the
// operation alone.
inline bool Emitter::takes_bits(const Inst& inst) const {
    const auto is = [&](ValueId arg) -> unsigned {
        const bool exists = arg != kNoValue;
        return exists & is_bits(insts_[pick(exists, arg, ValueId{0})].type);
    };
    const unsigned third = (inst.arg_count > 2) & kMayTakeBits[static_cast<unsigned>(inst.op)];
    return (is(inst.args[0]) | is(inst.args[1]) | third) != 0;
}

// Conditions and flags that this operation cannot evaluate where it stands.
void Emitter::note_needed_bits(const Inst& inst) {
    const int condition = condition_argument(inst);
    for (unsigned k = 0; k < inst.arg_count; ++k) {
        const ValueId arg = inst.args[k];
        if (arg == kNoValue || !is_bits(insts_[arg].type)) {
            continue;
        }
        const bool fused = insts_[arg].type == Type::I1
                               ? static_cast<int>(k) == condition || inst.op == Opcode::ZExt
                               : inst.op == Opcode::TestCond && is_fusable_flags(rep(arg));
        if (!fused) {
            values_[rep(arg)].flags |= kNeedsValue;
        }
    }
}

template <class F> void Emitter::for_each_leaf_of_condition(ValueId condition, F&& use) const {
    const Inst& inst = insts_[condition];
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
        const Inst& producer = insts_[flags];
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
    const bool has_flags = plan_[index] & kHasFlags;
    if (index == count_) {
        if (const ValueId v = block_->exit_value(); v != kNoValue) {
            if (!std::holds_alternative<ir::ExitCond>(block_->exit)) {
                use(v);
            } else if (!has_flags) {
                for_each_condition_use(v, use);
            }
        }
        return;
    }
    const Inst& inst = insts_[index];
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

// The record is written in any case, and counts if it says something new: arithmetic instead of
// branches, which are hard to predict. Without a value, any will do to look at.
inline void Emitter::add_use(ValueId v, unsigned at, bool exists) {
    const ValueId r = rep(pick(exists, v, ValueId{0}));
    ValueState& value = values_[r];
    uses_[use_count_] = {static_cast<u16>(at), value.uses, r};
    const bool counts = exists & (uses_[value.uses].at != at);
    value.uses = pick(counts, static_cast<u16>(use_count_), value.uses);
    use_count_ += counts;
}

void Emitter::find_uses_and_hints() {
    const Inst* const insts = insts_;
    const unsigned count = count_;
    // An operation's arguments, one of which may be a condition with two of its own.
    constexpr unsigned kMostUses = 2 * ir::kMaxArgs;
    if (uses_.size() < (count + 2) * kMostUses) {
        uses_.resize((count + 2) * kMostUses);
    }
    uses_[kNoUse] = {kNever, kNoUse, kNoValue};
    use_count_ = 1;

    // The value that a Set below puts into a pinned register, with nothing in between that must see
    // the register's old contents.
    ValueId pending[kPinCount];
    u32 is_pending = 0;
    const auto pending_in = [&](u8 pin) { return is_pending >> pin & 1 ? pending[pin] : kNoValue; };
    const auto set_pending = [&](u8 pin, ValueId v) {
        pending[pin] = v;
        is_pending |= 1u << pin;
    };

    for_each_use(count, [&](ValueId v) { add_use(v, count); });
    if (const ValueId v = block_->exit_value();
        v != kNoValue && !std::holds_alternative<ir::ExitCond>(block_->exit)) {
        values_[rep(v)].hint = static_cast<u8>(kPcReg);
    }
    mark_fused(count);

    for (unsigned i = count; i-- > 0;) {
        const Inst& inst = insts[i];
        ValueState& value = values_[i];
        if (value.flags & kSkip) {
            continue;
        }
        static_assert(kNoUse == 0);
        if ((unsigned{value.uses} | (plan_[i] & kSetsFlags) |
             kIsNeeded[static_cast<unsigned>(inst.op)]) == 0 &&
            is_idle(i)) {
            value.flags |= kSkip;
            continue;
        }
        // Definition reached: its hint holds if the Set is still pending.
        const u8 vector = value.flags & kVector ? kFirstVectorPin : 0;
        bool hinted = false;
        if (value.hint != kNoReg && inst.type != Type::Void) {
            const bool pinned = vector ? is_pinned_xmm(value.hint) : is_pinned_gpr(value.hint);
            if (pinned && pending_in(value.hint + vector) != i) {
                value.hint = kNoReg;
            }
            hinted = pinned && value.hint != kNoReg;
        }
        const bool is_get = inst.op == Opcode::Get;
        const u32 seen = kPinBitOfSlot[pick(is_get, inst.imm, kUnpinned)];
        is_pending &= ~(seen | (0u - u32{kSeesPinned[static_cast<unsigned>(inst.op)]}));
        switch (inst.op) {
        case Opcode::Set:
            if (const u8 pin = kPinOfSlot[inst.imm]; pin != kNoReg) {
                const ValueId v = rep(inst.args[0]);
                set_pending(pin, v);
                if (((values_[v].flags & kVector) != 0) == (pin >= kFirstVectorPin)) {
                    values_[v].hint = pin & (kFirstVectorPin - 1);
                }
            }
            break;
        default:
            if (hinted) {
                const ValueId made = made_in_place(insts, inst);
                const ValueId same = made == kNoValue ? made : rep(made);
                // Later uses of a scalar become its register's (attach_uses).
                if (same != kNoValue && (values_[same].flags & kVector) &&
                    (inst.op == Opcode::FToV || values_[same].uses == kNoUse)) {
                    set_pending(value.hint + kFirstVectorPin, same);
                    values_[same].hint = value.hint;
                }
            }
            break;
        }
        if (use_kind(inst.op) == UseKind::Plain) {
            for (unsigned k = 0; k < inst.arg_count; ++k) {
                add_use(inst.args[k], i, inst.args[k] != kNoValue);
            }
        } else {
            for_each_use(i, [&](ValueId v) { add_use(v, i); });
            mark_fused(i);
        }
    }
}

// Nobody needs the code of an instruction without uses.
bool Emitter::is_idle(unsigned index) const {
    const Inst& inst = insts_[index];
    return ir::is_removable(inst.op) ||
           (inst.op == Opcode::FCmp && (values_[index].flags & kFused) != 0 &&
            is_made_unseen(index));
}

// The condition that instruction `index` (or the exit) evaluates where it stands, or kNoValue.
ValueId Emitter::condition_made_by(unsigned index) const {
    if (index == count_) {
        const auto* exit = std::get_if<ir::ExitCond>(&block_->exit);
        return exit == nullptr ? kNoValue : rep(exit->condition);
    }
    const Inst& inst = insts_[index];
    if (use_kind(inst.op) == UseKind::Plain || (values_[index].flags & kSkip)) {
        return kNoValue;
    }
    const int argument = condition_argument(inst);
    if (is_condition_op(inst.op)) {
        return static_cast<ValueId>(index);
    }
    if (argument >= 0) {
        return rep(inst.args[argument]);
    }
    return inst.op == Opcode::ZExt && type_of(inst.args[0]) == Type::I1 ? rep(inst.args[0])
                                                                        : kNoValue;
}

// The flags that evaluating it computes or reads, or kNoValue: AL and NV look at nothing.
ValueId Emitter::flags_of_condition(ValueId condition) const {
    const bool looks = condition != kNoValue && insts_[condition].op == Opcode::TestCond &&
                       !is_always(insts_[condition]);
    return looks ? rep(insts_[condition].args[0]) : kNoValue;
}

// Remembers which FP compares a consumer evaluates, so that they are not made a second time.
void Emitter::mark_fused(unsigned index) {
    if (const ValueId flags = flags_of_condition(condition_made_by(index)); flags != kNoValue) {
        values_[flags].flags |= kFused;
    }
}

// Does a consumer make this FP compare before anyone can see FPSR?
bool Emitter::is_made_unseen(unsigned fcmp) const {
    for (unsigned i = fcmp + 1; i < count_; ++i) {
        const ValueId condition = condition_made_by(i);
        if (flags_of_condition(condition) == fcmp &&
            (condition == i || !(values_[condition].flags & kNeedsValue))) {
            return true;
        }
        if (!insts_[i].dead &&
            ir::has_effect(insts_[i].op, ir::Effects::Load, ir::Effects::Store, ir::Effects::Exit,
                           ir::Effects::Raise, ir::Effects::Call)) {
            return false;
        }
    }
    return true; // by the exit
}

// --- emission: what an instruction's code has used is used up

bool Emitter::needs_value(const Inst& inst) const {
    return values_[&inst - insts_].flags & kNeedsValue;
}

bool Emitter::is_used(const Inst& inst) const { return values_[&inst - insts_].uses != kNoUse; }

// Returns the uses behind the one at hand; none where they are another value's, too, or where a
// value is remade for each use.
u16 Emitter::detach_later_uses(ValueId part) {
    ValueState& value = values_[part];
    if (value.rep != part || is_remade(part)) {
        return kNoUse;
    }
    DCHECK(uses_[value.uses].at == index_);
    return std::exchange(uses_[value.uses].next, kNoUse);
}

// Merges two lists in the order of their uses: later ones have lower numbers.
void Emitter::attach_uses(const Inst& inst, ValueId part, u16 uses) {
    if (uses == kNoUse) {
        return;
    }
    const ValueId whole = id_of(inst);
    u16* link = &values_[whole].uses;
    while (uses != kNoUse) {
        while (*link > uses) {
            link = &uses_[*link].next;
        }
        UseRecord& record = uses_[uses];
        record.value = whole;
        uses = std::exchange(record.next, std::exchange(*link, uses));
        link = &record.next;
    }
    values_[part].rep = whole;
}

// The uses of the instructions before it are gone already, so its own are on top of the stack and
// at the head of their values' lists.
void Emitter::finish_instruction(unsigned index) {
    const UseRecord* top = uses_.data() + use_count_ - 1;
    for (; top->at == index; --top) {
        values_[top->value].uses = top->next;
        release_if(top->value, top->next == kNoUse);
    }
    use_count_ = static_cast<unsigned>(top - uses_.data()) + 1;
    release_if(static_cast<ValueId>(index), values_[index].uses == kNoUse);
    if (!borrowed_.empty()) {
        return_borrowed();
    }
    gpr_locked_ = xmm_locked_ = 0;
}

} // namespace ulna::backend::x64
