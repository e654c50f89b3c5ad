// The walk forward. Every instruction is renamed; reads and writes of state are forwarded here, the
// rest goes to the rules and to value numbering as its operation's treatment says.
#include "ir/opt/dead_writes.h"
#include "ir/opt/foldable.h"
#include "ir/opt/passes.h"
#include "ir/opt/simplifier.h"

namespace ulna::ir::opt {

namespace {

// What the walk forward does with an operation.
enum class Treatment : u8 {
    Const,
    Get,
    Set,
    Call,
    Effect, // appended as it is
    Value,  // merged with an equal one, else appended
    Rules,  // offered to the rules, then as Value (or Effect)
};
constexpr auto kTreatments = [] {
    std::array<Treatment, kOpcodeCount> table{};
    for (unsigned i = 0; i < kOpcodeCount; ++i) {
        const auto op = static_cast<Opcode>(i);
        table[i] = kFoldable[i]       ? Treatment::Rules
                   : is_mergeable(op) ? Treatment::Value
                                      : Treatment::Effect;
    }
    const auto set = [&](Opcode op, Treatment treatment) {
        table[static_cast<unsigned>(op)] = treatment;
    };
    set(Opcode::Const, Treatment::Const);
    set(Opcode::Get, Treatment::Get);
    set(Opcode::Set, Treatment::Set);
    set(Opcode::CallHelper, Treatment::Call);
    for (const Opcode op :
         {Opcode::VToF,     Opcode::FToI,        Opcode::IToF,     Opcode::VAnd,
          Opcode::VOr,      Opcode::VXor,        Opcode::VAdd,     Opcode::VZip1,
          Opcode::VZip2,    Opcode::VRev,        Opcode::VInsLane, Opcode::Select,
          Opcode::ExitIf,   Opcode::RaiseIf,     Opcode::Load,     Opcode::Store,
          Opcode::Prefetch, Opcode::HostAddress, Opcode::MemCopy,  Opcode::MemSet}) {
        set(op, Treatment::Rules);
    }
    return table;
}();

// State forwarding. Within a block only Set and one helper change a slot, so each slot's value is
// known after its first Get or Set.
class Rewriter {
  public:
    Rewriter(Block& block, Scratch& memory)
        : block_{block}, memory_{memory}, simplifier_{block, memory.values} {
        known_.fill(kNoValue);
        stored_.fill(kNoValue);
    }

    void run() {
        memory_.values.clear();
        memory_.insts.clear();
        memory_.insts.swap(block_.insts);
        block_.insts.reserve(memory_.insts.size() + memory_.insts.size() / 2);
        for (std::size_t i = 0; i < memory_.insts.size(); ++i) {
            memory_.renames.set(i, visit(memory_.insts[i]));
        }
        memory_.renames.apply_to_exit(block_);
        simplifier_.simplify_exit();
    }

  private:
    ValueId visit(const Inst& old) {
        const Treatment treatment = kTreatments[static_cast<unsigned>(old.op)];
        if (old.dead && treatment != Treatment::Set) {
            return kNoValue;
        }
        switch (treatment) {
        case Treatment::Const: {
            Inst inst = old;
            inst.imm &= ones(bit_width(inst.type)); // one spelling: no bits above the type
            return simplifier_.append_value(inst);
        }
        case Treatment::Get:
            return get(old);
        case Treatment::Set:
            return set(old);
        case Treatment::Call:
            call();
            return simplifier_.append(renamed(old));
        case Treatment::Effect:
            return simplifier_.append(renamed(old));
        case Treatment::Value:
            return simplifier_.append_value(renamed(old));
        case Treatment::Rules:
            break;
        }
        return simplifier_.add(renamed(old));
    }

    [[nodiscard]] Inst renamed(const Inst& old) const {
        Inst inst;
        memory_.renames.copy(old, inst);
        return inst;
    }

    // get after set x  ->  x;  second get  ->  the first. (The walk back counted their uses
    // together.)
    ValueId get(const Inst& old) {
        ValueId& value = known_[old.imm];
        if (value == kNoValue) {
            value = stored_[old.imm] = simplifier_.append(old);
        }
        return value;
    }

    // A dead Set still says what the slot's Gets see.
    ValueId set(const Inst& old) {
        const ValueId value = memory_.renames[old.args[0]];
        known_[old.imm] = value;
        if (old.dead) {
            return kNoValue;
        }
        if (stored_[old.imm] == value) { // the slot holds it already
            simplifier_.count_uses(value, -1);
            return kNoValue;
        }
        stored_[old.imm] = value;
        return simplifier_.append(renamed(old));
    }

    void call() {
        // WriteFpcr changes this slot; no helper changes another.
        constexpr auto kFpcr = static_cast<unsigned>(Slot::FPCR);
        known_[kFpcr] = stored_[kFpcr] = kNoValue;
        // WriteFpsr clears cumulative bits: an equal Sticky operation must set them again.
        memory_.values.clear();
    }

    Block& block_;
    Scratch& memory_;
    Simplifier simplifier_;
    std::array<ValueId, kSlotCount> known_;  // what a Get of the slot gives, if known
    std::array<ValueId, kSlotCount> stored_; // what the slot holds: dead Sets do not change it
};

} // namespace

void rewrite(Block& block) {
    // Rules add instructions; a block this large (translation stops far below) is left alone.
    constexpr std::size_t kMaxInsts = kNoValue / 4;
    if (block.insts.size() > kMaxInsts) {
        return;
    }
    mark_dead_writes(block);
    Rewriter{block, scratch()}.run();
}

} // namespace ulna::ir::opt
