// Flags before emission: whose EFLAGS serve which condition, and which NZCV is stored only on a way
// out.
#include <algorithm>

#include "backend/x64/condition_ops.h"

namespace ulna::backend::x64 {

using ir::Cond;
using ir::kNoValue;
using ir::Type;

namespace {

// Every successor of the flags of a - 0 that does not look at C or V as the addition left them.
bool only_nz(Cond cond) {
    return cond == Cond::EQ || cond == Cond::NE || cond == Cond::MI || cond == Cond::PL;
}
bool no_carry(Cond cond) {
    return cond != Cond::HS && cond != Cond::LO && cond != Cond::HI && cond != Cond::LS;
}

} // namespace

// Most flags that anyone outside the block can see are seen on one rarely taken way out: a side
// exit, or the exit of a one-block loop, whose next iteration sets flags before it reads any. Such
// a Set of NZCV is made on that way out only, provided that EFLAGS hold the flags there and nothing
// in between can fault.
void Emitter::plan_flags() {
    find_sinkable_flags();
    for (;;) {
        for (const SunkFlags& sunk : sunk_) {
            mark_observers(sunk);
        }
        link_flags();
        const auto gone = std::remove_if(sunk_.begin(), sunk_.end(), [&](const SunkFlags& sunk) {
            if (sunk.failed) { // back to where it stands
                values_[sunk.flags].flags |= kNeedsValue;
                values_[sunk.set].flags &= static_cast<u8>(~kSkip);
            }
            return sunk.failed;
        });
        if (gone == sunk_.end()) {
            return;
        }
        sunk_.erase(gone, sunk_.end());
        std::fill(plan_.begin(), plan_.end(), u8{0});
    }
}

// Side exits that show NZCV as set before them.
bool Emitter::shows_flags(unsigned index) const {
    const Inst& inst = insts_[index];
    return inst.op == Opcode::ExitIf && (inst.aux & ir::kExitIfNzcvDead) == 0;
}

void Emitter::mark_observers(const SunkFlags& sunk) {
    const unsigned count = count_;
    for (unsigned i = sunk.set + 1u; i < std::min<unsigned>(sunk.end, count); ++i) {
        if (!(values_[i].flags & kSkip) && shows_flags(i)) {
            plan_[i] |= kSinksFlags;
        }
    }
    if (sunk.end > count) {
        plan_[count] |= kSinksFlags;
    }
}

// True when the block branches to itself and sets NZCV before it reads or shows it.
bool Emitter::loop_overwrites_flags() const {
    const auto* exit = std::get_if<ir::ExitCond>(&block_->exit);
    if (exit == nullptr || exit->taken != block_->key.pc) {
        return false;
    }
    for (unsigned i = 0; i < count_; ++i) {
        const Inst& inst = insts_[i];
        if (values_[i].flags & kSkip) {
            continue;
        }
        if (is_nzcv_access(inst)) {
            return inst.op == Opcode::Set;
        }
        if (shows_flags(i) || inst.op == Opcode::RaiseIf) {
            return false;
        }
    }
    return false;
}

void Emitter::find_sinkable_flags() {
    sunk_.clear();
    if (!sets_nzcv_) {
        return;
    }
    const unsigned count = count_;
    const bool shown_at_exit =
        block_->nzcv_live_out || std::holds_alternative<ir::ExitTo>(block_->exit);
    const bool sink_at_exit = shown_at_exit && loop_overwrites_flags();
    unsigned end = sink_at_exit ? count + 1 : count; // behind the last observer's possible place
    bool possible = !shown_at_exit || sink_at_exit;
    bool observed = sink_at_exit;
    for (unsigned i = count; i-- > 0;) {
        if (values_[i].flags & kSkip) {
            continue;
        }
        observed |= shows_flags(i);
        const Inst& inst = insts_[i];
        // A fault in between may be resumed, and the way out then reads the cell.
        possible &= !(observed && ir::may_fault(inst.op)) && inst.op != Opcode::RaiseIf;
        if (!is_nzcv_access(inst)) {
            continue;
        }
        if (inst.op == Opcode::Set && possible && observed &&
            is_only_consumer(static_cast<ValueId>(i))) {
            const ValueId flags = rep(inst.args[0]);
            sunk_.push_back({static_cast<ValueId>(i), flags, end, false});
            values_[flags].flags &= static_cast<u8>(~kNeedsValue);
            values_[i].flags |= kSkip;
        }
        end = i;
        possible = true;
        observed = false;
    }
    std::reverse(sunk_.begin(), sunk_.end());
}

// The Set's value is an integer operation's flags, which nobody else needs as a value.
bool Emitter::is_only_consumer(ValueId set) const {
    const Inst* const insts = insts_;
    const ValueId flags = rep(insts[set].args[0]);
    const Opcode op = insts[flags].op;
    if (op != Opcode::SubFlags && op != Opcode::AddFlags && op != Opcode::LogicFlags) {
        return false;
    }
    for (unsigned i = flags + 1u; i < count_; ++i) {
        const Inst& inst = insts[i];
        if ((values_[i].flags & kSkip) || i == set || inst.op == Opcode::TestCond) {
            continue;
        }
        for (unsigned k = 0; k < inst.arg_count; ++k) {
            if (inst.args[k] != kNoValue && rep(inst.args[k]) == flags) {
                return false;
            }
        }
    }
    return true;
}

// After evaluating the condition at an observer: do EFLAGS hold the sunk flags?
void Emitter::check_sunk(unsigned index, const FlagsContent& have) {
    for (SunkFlags& sunk : sunk_) {
        if (sunk.set > index || index >= sunk.end) {
            continue;
        }
        const FlagsContent wanted = flags_of_source(insts_[sunk.flags]);
        // `cmp r, 0` leaves the flags of `test r, r`.
        const bool zero_test =
            wanted.kind == FlagsContent::Logic && have.kind == FlagsContent::Sub &&
            have.wide == wanted.wide && rep(have.a) == wanted.result &&
            type_of(have.a) == type_of(wanted.a) && is_const(have.b) && const_value(have.b) == 0;
        sunk.failed |= !zero_test && !same_flags(have, wanted);
    }
}

Opcode Emitter::sunk_op(unsigned index) const {
    for (const SunkFlags& sunk : sunk_) {
        if (sunk.set < index && index < sunk.end) {
            return insts_[sunk.flags].op;
        }
    }
    UNREACHABLE("only observers of sunk flags ask");
}

// CF at the observer is a borrow (Sub) or a carry.
bool Emitter::sunk_carry_is_borrow(unsigned index) const {
    return sunk_op(index) == Opcode::SubFlags;
}

// NZCV at an observer that is left when the result is zero; 0: more than that decides.
u32 Emitter::sunk_flags_of_zero(unsigned index) const {
    const Opcode op = sunk_op(index);
    return op == Opcode::SubFlags ? 0b0110 : op == Opcode::LogicFlags ? 0b0100 : 0;
}

bool Emitter::same_operand(ValueId a, ValueId b) const {
    return rep(a) == rep(b) || (is_const(a) && is_const(b) && const_value(a) == const_value(b));
}

// Does EFLAGS content serve condition `v`?
bool Emitter::flags_satisfy(const FlagsContent& flags, ValueId v) const {
    const Inst& inst = insts_[rep(v)];
    if (flags.kind == FlagsContent::Unknown || !is_condition_op(inst.op) ||
        inst.op == Opcode::TestBit || is_always(inst)) {
        return false;
    }
    const Inst& source = inst.op == Opcode::ICmp ? inst : insts_[rep(inst.args[0])];
    if (source.op != Opcode::ICmp && source.op != Opcode::SubFlags &&
        source.op != Opcode::AddFlags && source.op != Opcode::LogicFlags) {
        return false;
    }
    const bool wide = type_of(source.args[0]) == Type::I64;
    if (wide != flags.wide) {
        return false;
    }
    const Cond cond = inst.cond();
    const auto result_serves = [&](bool compared) {
        if (flags.result != rep(source.args[0]) ||
            type_of(flags.result) != type_of(source.args[0])) {
            return false;
        }
        return only_nz(cond) || (flags.kind == FlagsContent::Logic && (compared || no_carry(cond)));
    };
    if (source.op == Opcode::AddFlags) {
        return flags.kind == FlagsContent::Add && cond != Cond::HI && cond != Cond::LS &&
               ((same_operand(flags.a, source.args[0]) && same_operand(flags.b, source.args[1])) ||
                (same_operand(flags.a, source.args[1]) && same_operand(flags.b, source.args[0])));
    }
    if (source.op == Opcode::LogicFlags) {
        return result_serves(false);
    }
    if (flags.kind == FlagsContent::Sub && same_operand(flags.a, source.args[0]) &&
        same_operand(flags.b, source.args[1])) {
        return true;
    }
    if (!is_const(source.args[1])) {
        return false;
    }
    // a - c has the result of a + (-c), which is how passes spell it
    if (flags.kind == FlagsContent::Add && only_nz(cond) && same_operand(flags.a, source.args[0]) &&
        is_const(flags.b)) {
        const u64 sum = const_value(flags.b) + const_value(source.args[1]);
        return wide ? sum == 0 : static_cast<u32>(sum) == 0;
    }
    return const_value(source.args[1]) == 0 && result_serves(true);
}

// EFLAGS after evaluating condition v from scratch.
Emitter::FlagsContent Emitter::flags_after(ValueId v) const {
    const Inst& inst = insts_[rep(v)];
    FlagsContent content;
    if ((values_[rep(v)].flags & kNeedsValue) || !is_condition_op(inst.op) ||
        inst.op == Opcode::TestBit || is_always(inst)) {
        return content;
    }
    const Inst& source = inst.op == Opcode::ICmp ? inst : insts_[rep(inst.args[0])];
    if (inst.op == Opcode::TestCond && (values_[rep(inst.args[0])].flags & kNeedsValue)) {
        return content;
    }
    const bool complements_carry =
        source.op == Opcode::AddFlags && (inst.cond() == Cond::HI || inst.cond() == Cond::LS);
    return complements_carry ? content : flags_of_source(source);
}

Emitter::FlagsContent Emitter::flags_of_source(const Inst& source) const {
    FlagsContent content;
    switch (source.op) {
    case Opcode::ICmp:
    case Opcode::SubFlags:
        content.kind = FlagsContent::Sub;
        break;
    case Opcode::AddFlags:
        content.kind = FlagsContent::Add;
        break;
    case Opcode::LogicFlags:
        content.kind = FlagsContent::Logic;
        content.result = rep(source.args[0]);
        break;
    default:
        return content;
    }
    content.a = source.args[0];
    content.b = source.args[1];
    content.wide = type_of(source.args[0]) == Type::I64;
    return content;
}

bool Emitter::same_flags(const FlagsContent& have, const FlagsContent& wanted) const {
    if (have.kind != wanted.kind || have.kind == FlagsContent::Unknown ||
        have.wide != wanted.wide) {
        return false;
    }
    if (wanted.kind == FlagsContent::Logic) {
        return have.result == wanted.result && type_of(have.result) == type_of(wanted.a);
    }
    return same_operand(have.a, wanted.a) && same_operand(have.b, wanted.b);
}

// Of a load, store, prefetch or probe.
bool Emitter::keeps_flags(const Inst& access) const {
    if (access.op == Opcode::Probe) {
        return !options_->mask_tags;
    }
    const ir::MemInfo mem = access.mem();
    const bool plain_store = access.op != Opcode::Store || mem.order == ir::MemOrder::Plain ||
                             mem.order == ir::MemOrder::Acquire;
    return !mem.aligned && plain_store && mem.index_shift <= 3 && !options_->mask_tags;
}

// Pairs conditions with earlier instructions that leave the flags they need in EFLAGS anyway.
void Emitter::link_flags() {
    const Inst* const insts = insts_;
    const unsigned count = count_;
    FlagsContent known[2]; // [1] is the older one: additions between can be made by lea
    const auto forget = [&] { known[0].kind = known[1].kind = FlagsContent::Unknown; };

    // The code of instruction i needs EFLAGS for condition v; afterwards they hold them.
    const auto consume = [&](unsigned i, ValueId v) {
        for (unsigned k = 0; k < 2; ++k) {
            if (!flags_satisfy(known[k], v)) {
                continue;
            }
            plan_[i] |= kHasFlags;
            plan_[known[k].producer] |= kSetsFlags;
            for (unsigned between = known[k].producer + 1; between < i; ++between) {
                plan_[between] |= kFlagsReserved;
            }
            known[0] = known[k];
            known[1].kind = FlagsContent::Unknown;
            return;
        }
        known[0] = flags_after(v);
        known[0].producer = static_cast<u16>(i);
        known[1].kind = FlagsContent::Unknown;
    };
    const auto produce = [&](unsigned i, FlagsContent::Kind kind, bool can_keep) {
        const Inst& inst = insts[i];
        known[1] = can_keep ? known[0] : FlagsContent{};
        known[0] = {kind,
                    inst.args[0],
                    inst.args[1],
                    static_cast<ValueId>(i),
                    inst.type == Type::I64,
                    static_cast<u16>(i)};
    };

    // Flags that become an nzcv value: the flags themselves survive that.
    const auto make_value = [&](unsigned i) {
        const FlagsContent wanted = flags_of_source(insts[i]);
        for (unsigned k = 0; k < 2; ++k) {
            if (!same_flags(known[k], wanted)) {
                continue;
            }
            plan_[i] |= kHasFlags;
            plan_[known[k].producer] |= kSetsFlags;
            for (unsigned between = known[k].producer + 1; between < i; ++between) {
                plan_[between] |= kFlagsReserved;
            }
            known[0] = known[k];
            known[1].kind = FlagsContent::Unknown;
            return;
        }
        known[0] = wanted;
        known[0].producer = static_cast<u16>(i);
        known[1].kind = FlagsContent::Unknown;
    };

    for (unsigned i = 0; i < count; ++i) {
        const Inst& inst = insts[i];
        const ValueState& value = values_[i];
        if (value.flags & kSkip) {
            continue;
        }
        switch ((*table_)[inst.op].role) {
        case FlagRole::Keeps:
            break;
        case FlagRole::Destroys:
            forget();
            break;
        case FlagRole::Access:
            if (!keeps_flags(inst)) {
                forget();
            }
            break;
        case FlagRole::Condition:
            if (value.flags & kNeedsValue) {
                // As a consumer: it evaluates the condition itself.
                values_[i].flags &= static_cast<u8>(~kNeedsValue);
                consume(i, static_cast<ValueId>(i));
                values_[i].flags |= kNeedsValue;
            }
            break;
        case FlagRole::Select:
            consume(i, inst.args[0]);
            break;
        case FlagRole::ExitIf:
            consume(i, inst.args[0]);
            if (plan_[i] & kSinksFlags) {
                check_sunk(i, known[0]);
            }
            break;
        case FlagRole::Carry:
            consume(i, inst.args[condition_argument(inst)]);
            forget();
            break;
        case FlagRole::ZExt:
            if (type_of(inst.args[0]) == Type::I1) {
                consume(i, inst.args[0]);
            }
            break;
        case FlagRole::Flags:
            if (value.flags & kNeedsValue) {
                make_value(i);
            }
            break;
        case FlagRole::FCmp:
            value.flags& kNeedsValue ? make_value(i) : forget();
            break;
        case FlagRole::Sub:
            produce(i, FlagsContent::Sub,
                    is_const(inst.args[1]) && fits_imm32(-const_value(inst.args[1])));
            break;
        case FlagRole::Add:
            produce(i, FlagsContent::Add,
                    !is_const(inst.args[1]) || fits_imm32(const_value(inst.args[1])));
            break;
        case FlagRole::Logic:
            if (inst.type == Type::I1) {
                forget();
            } else {
                produce(i, FlagsContent::Logic, false);
            }
            break;
        }
    }
    if (const auto* exit = std::get_if<ir::ExitCond>(&block_->exit)) {
        consume(count, exit->condition);
        if (plan_[count] & kSinksFlags) {
            check_sunk(count, known[0]);
        }
    }
}

void add_flag_roles(EmitTable& table) {
    const auto set = [&](FlagRole role, std::initializer_list<Opcode> ops) {
        for (const Opcode op : ops) {
            table.set_role(op, role);
        }
    };
    set(FlagRole::Access, {Opcode::Load, Opcode::Store, Opcode::Prefetch, Opcode::Probe});
    set(FlagRole::Condition, {Opcode::ICmp, Opcode::TestBit, Opcode::TestCond});
    set(FlagRole::Select, {Opcode::Select, Opcode::RaiseIf});
    set(FlagRole::ExitIf, {Opcode::ExitIf});
    set(FlagRole::Carry, {Opcode::NzcvSelect, Opcode::Adc, Opcode::AdcFlags});
    set(FlagRole::ZExt, {Opcode::ZExt});
    set(FlagRole::Flags, {Opcode::AddFlags, Opcode::SubFlags, Opcode::LogicFlags});
    set(FlagRole::FCmp, {Opcode::FCmp});
    set(FlagRole::Sub, {Opcode::Sub});
    set(FlagRole::Add, {Opcode::Add});
    set(FlagRole::Logic, {Opcode::And, Opcode::AndNot, Opcode::Or, Opcode::Xor});
}

} // namespace ulna::backend::x64
