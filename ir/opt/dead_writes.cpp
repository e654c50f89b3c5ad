// Who observes guest state: side exits and the end of the block, and whatever may show it to the
// runtime (faulting accesses, helpers). NZCV has fewer observers, because flags are set far more
// often than read and materialising them is expensive: a faulting access counts only when the block
// reads these flags after it, since a signal handler that resumes there starts a block which takes
// them from the slot. Otherwise a handler sees in PSTATE.NZCV a value that the interrupted code
// could never have read, and resuming is exact.
//
// The exclusive monitor is state, too: side exits, the end of the block, helpers and StoreExcl
// observe it. A fault does not: an exception return clears the monitor (DDI 0487 B2.9.2).
#include "ir/opt/dead_writes.h"

#include "ir/opt/scratch.h"
#include "ir/support/pick.h"

namespace ulna::ir::opt {

namespace {

// The guest instruction that a fault resumes looks at the flags first: C says which option it is.
constexpr bool reads_flags_again(Opcode op) {
    return op == Opcode::MemCopy || op == Opcode::MemSet;
}

// Slots that a later Set overwrites before anything observes them.
class Overwritten {
  public:
    explicit Overwritten(bool nzcv) { set(Slot::NZCV, nzcv); }

    // Arithmetic instead of branches: what an instruction observes is hard to predict.
    // `flags_read`: an instruction below reads the flags that are current here.
    void observe(const Inst& inst, bool flags_read) {
        const unsigned observer = kObservers[static_cast<unsigned>(inst.op)];
        const unsigned everything =
            (observer >> 1 & ~unsigned{inst.aux}) | (observer >> 2 & flags_read);
        const u64 kept = u64{observer & 1} - 1; // all ones when nothing is observed
        words_[0] &= kept;
        words_[1] &= (kept | kNzcvBit) & (u64{everything & 1} - 1);
    }
    // True when the slot was overwritten already.
    bool overwrite(u64 slot) {
        u64& word = words_[slot / 64];
        const u64 bit = u64{1} << (slot % 64);
        const bool was = (word & bit) != 0;
        word |= bit;
        return was;
    }

  private:
    // Bit 0: observes all but NZCV. Bit 1: NZCV too, unless kExitIfNzcvDead says otherwise. Bit 2:
    // NZCV too, when an instruction below reads it.
    static constexpr auto kObservers = [] {
        std::array<u8, kOpcodeCount> table{};
        for (unsigned i = 0; i < kOpcodeCount; ++i) {
            const auto op = static_cast<Opcode>(i);
            table[i] = static_cast<u8>(
                (may_fault(op) || has_effect(op, Effects::Exit, Effects::Call)) |
                (op == Opcode::ExitIf || has_effect(op, Effects::Raise) || reads_flags_again(op))
                    << 1 |
                may_fault(op) << 2);
        }
        return table;
    }();
    static_assert(kExitIfNzcvDead == 1);

    static constexpr unsigned kNzcv = static_cast<unsigned>(Slot::NZCV);
    static constexpr u64 kNzcvBit = u64{1} << (kNzcv % 64);
    static_assert(kNzcv / 64 == 1 && kSlotCount <= 128);

    void set(Slot slot, bool value) {
        const auto n = static_cast<unsigned>(slot);
        words_[n / 64] |= u64{value} << (n % 64);
    }
    u64 words_[2] = {};
};

// loadexcl [a]  ->  load [a]
void make_plain_load(Inst& inst) {
    inst.op = Opcode::Load;
    inst.arg_count = 2;
    inst.args[1] = kNoValue;
}
static_assert(static_cast<unsigned>(Opcode::ClearExcl) - static_cast<unsigned>(Opcode::LoadExcl) ==
                  2,
              "LoadExcl, StoreExcl, ClearExcl are what touches the monitor");

} // namespace

void mark_dead_writes(Block& block) {
    UseCounts& uses = scratch().uses;
    uses.clear(block.insts.size());
    if (const ValueId id = block.exit_value(); id != kNoValue) {
        uses[id] = 1;
    }
    // Leaving to the dispatcher shows the state to system calls and debuggers.
    Overwritten overwritten{!block.nzcv_live_out && !std::holds_alternative<ExitTo>(block.exit)};
    bool monitor_cleared = false; // before anything below sees what it holds here
    std::array<u16, kSlotCount + 1>
        get_uses{}; // of the Gets below that see what the slot holds here
    for (std::size_t i = block.insts.size(); i-- > 0;) {
        Inst& inst = block.insts[i];
        DCHECK(!inst.dead);
        if (inst.op == Opcode::Set) {
            inst.dead = overwritten.overwrite(inst.imm);
            uses[inst.args[0]] =
                static_cast<u16>(uses[inst.args[0]] + get_uses[inst.imm] + !inst.dead);
            get_uses[inst.imm] = 0;
            continue;
        }
        // Of what is no Get, a slot that does not exist.
        const bool is_get = inst.op == Opcode::Get;
        u16& slot_uses = get_uses[pick(is_get, inst.imm, u64{kSlotCount})];
        slot_uses = static_cast<u16>(slot_uses + uses[i]);
        inst.use_count = pick(is_get, slot_uses, uses[i]);
        if (inst.op == Opcode::CallHelper) {
            get_uses[static_cast<unsigned>(Slot::FPCR)] = 0; // WriteFpcr
        }
        monitor_cleared &= !has_effect(inst.op, Effects::Exit, Effects::Call);
        if (inst.op >= Opcode::LoadExcl && inst.op <= Opcode::ClearExcl) {
            if (inst.op == Opcode::LoadExcl && monitor_cleared) {
                make_plain_load(inst);
            }
            monitor_cleared = inst.op != Opcode::StoreExcl;
        }
        overwritten.observe(inst, get_uses[static_cast<unsigned>(Slot::NZCV)] != 0);
        inst.dead = (unsigned{inst.use_count == 0} & unsigned{is_removable(inst.op)}) != 0;
        uses.add_args(inst, !inst.dead);
    }
}

} // namespace ulna::ir::opt
