// A block: the IR of one straight run of guest instructions, in single-assignment form.
//
// A value is the index of the instruction that makes it; arguments always name earlier values.
// Guest state is read and written by Get and Set only, so no value lives across blocks. Invariants
// are listed in verifier.h and checked there.
#pragma once

#include <array>
#include <span>
#include <variant>
#include <vector>

#include "ir/block_key.h"
#include "ir/guest_state.h"
#include "ir/opcodes.h"
#include "ir/support/check.h"

namespace ulna::ir {

using ValueId = u16;
inline constexpr ValueId kNoValue = 0xffff;
inline constexpr unsigned kMaxArgs = 4;

// A typed reference to a value, as handlers and builders pass it around.
struct Value {
    ValueId id = kNoValue;
    Type type = Type::Void;
    [[nodiscard]] constexpr bool valid() const { return id != kNoValue; }
};

struct Inst {
    Opcode op;
    Type type; // of the result
    u8 arg_count;
    u16 aux;         // meaning: info(op).param
    u16 guest_index; // index into Block::guest_pcs
    ValueId args[kMaxArgs];
    u64 imm;
    u16 use_count; // kept by passes that need it (recount_uses); not exact after them
    bool dead;     // deleted in place; skipped by everyone

    [[nodiscard]] Shape shape() const { return Shape::unpack(aux); }
    [[nodiscard]] MemInfo mem() const { return MemInfo::unpack(aux); }
    [[nodiscard]] Cond cond() const { return static_cast<Cond>(aux); }
    [[nodiscard]] Slot slot() const { return static_cast<Slot>(imm); }
};
static_assert(sizeof(Inst) == 32, "two instructions a cache line");

// Of an operation that is_indexed: the first byte is at base + (index << shift) + this.
[[nodiscard]] constexpr u64 displacement_of(const Inst& inst) {
    return inst.op == Opcode::HostRange
               ? static_cast<u64>(i64{RangeInfo::unpack(inst.imm).displacement})
               : inst.imm;
}

// Inst::aux of ExitIf: its target does not read NZCV before writing it; it leaves to the dispatcher
// with ContextSync, since the block's mode does not hold at the target.
inline constexpr u16 kExitIfNzcvDead = 1, kExitIfContextSync = 2;

// --- How a block ends. Every exit leaves state canonical; `target`, `next` are guest addresses.
// A back end without a trick for an exit stores the PC and leaves with ExitReason::Lookup.

// Where it synchronizes (ISB), the target is fetched afresh: nothing is known of the code there.
struct ExitDirect { // B, or falling off the end
    GuestAddr target;
    bool synchronizes = false;
};
struct ExitCond { // B.cond, CBZ, TBZ: both sides are linked directly
    ValueId condition;
    GuestAddr taken;
    GuestAddr not_taken;
};
// btype: PSTATE.BTYPE at the target; 0 when nothing there looks at it.
struct ExitIndirect { // BR
    ValueId target;
    u8 btype = 0;
};
struct ExitCall { // BL: X30 is already set to return_to; may become a host call
    GuestAddr target;
    GuestAddr return_to;
};
struct ExitCallIndirect { // BLR
    ValueId target;
    GuestAddr return_to;
    u8 btype = 0;
};
struct ExitReturn { // RET: may become a host return
    ValueId target;
};
struct ExitTo { // leave to the dispatcher with a reason; pc as ExitReason documents
    ExitReason reason;
    GuestAddr pc;
    ValueId arg = kNoValue; // exit_arg: this value when given,
    u64 imm = 0;            // else this constant
};
using Exit = std::
    variant<ExitDirect, ExitCond, ExitIndirect, ExitCall, ExitCallIndirect, ExitReturn, ExitTo>;

struct Block {
    BlockKey key;
    std::vector<Inst> insts;
    std::vector<GuestAddr> guest_pcs; // PC of each guest instruction, in order
    std::vector<u32> guest_words;     // and its encoding
    Exit exit = ExitDirect{0};
    bool nzcv_live_out = true; // false: no successor reads NZCV before writing it

    void reset(BlockKey new_key) {
        key = new_key;
        insts.clear();
        guest_pcs.clear();
        guest_words.clear();
        exit = ExitDirect{0};
        nzcv_live_out = true;
    }
    [[nodiscard]] Inst& operator[](ValueId id) {
        DCHECK(id < insts.size());
        return insts[id];
    }
    [[nodiscard]] const Inst& operator[](ValueId id) const {
        DCHECK(id < insts.size());
        return insts[id];
    }
    // The value an exit consumes (condition or target), or kNoValue.
    [[nodiscard]] ValueId exit_value() const;
    void set_exit_value(ValueId id);
    // Recomputes every use_count, the exit's use included.
    void recount_uses();
    [[nodiscard]] bool is_const(ValueId id) const {
        return id != kNoValue && insts[id].op == Opcode::Const;
    }
};

} // namespace ulna::ir
