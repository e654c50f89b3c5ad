// Value numbering: equal Pure and Sticky operations have one value. Loads are never merged: another
// thread may write between them.
#pragma once

#include <utility>

#include "ir/block.h"

namespace ulna::ir::opt {

[[nodiscard]] constexpr bool is_commutative(Opcode op) {
    switch (op) {
    case Opcode::Add:
    case Opcode::Mul:
    case Opcode::UMulH:
    case Opcode::SMulH:
    case Opcode::And:
    case Opcode::Or:
    case Opcode::Xor:
    case Opcode::AddFlags:
    case Opcode::VAnd:
    case Opcode::VOr:
    case Opcode::VXor:
    case Opcode::VAdd:
    case Opcode::VMul:
        return true;
    default:
        return false;
    }
}
inline constexpr auto kCommutative = [] {
    std::array<bool, kOpcodeCount> table{};
    for (unsigned i = 0; i < kOpcodeCount; ++i) {
        table[i] = is_commutative(static_cast<Opcode>(i));
    }
    return table;
}();

// Everything that determines an operation's result; arguments of commutative ones in order.
struct ValueKey {
    u64 head; // operation, type, aux
    u64 args;
    u64 imm;
    friend bool operator==(const ValueKey&, const ValueKey&) = default;

    explicit ValueKey(const Inst& inst)
        : head{static_cast<u64>(inst.op) | static_cast<u64>(inst.type) << 16 | u64{inst.aux} << 32},
          imm{inst.imm} {
        std::memcpy(&args, inst.args, sizeof(args));
        if (kCommutative[static_cast<unsigned>(inst.op)] && inst.args[0] > inst.args[1]) {
            args = (args & ~u64{0xffff'ffff}) | u64{inst.args[0]} << 16 | inst.args[1];
        }
    }
    [[nodiscard]] u32 hash() const {
        const u64 h = (args ^ head * 0x9e37'79b9'7f4a'7c15) * 0xff51'afd7'ed55'8ccd;
        return static_cast<u32>((h ^ imm * 0xc4ce'b9fe'1a85'ec53) >> 40);
    }
};

// Open hash table with a few probes; a full neighbourhood forgets a value, which only loses a
// merge.
class ValueTable {
  public:
    void clear() { ++stamp_; }

    // The value of an equal earlier instruction, or kNoValue after noting that `inst` will be `id`.
    ValueId find_or_enter(const std::vector<Inst>& insts, const Inst& inst, ValueId id) {
        const ValueKey key{inst};
        const u32 home = key.hash();
        for (unsigned probe = 0; probe < kProbes; ++probe) {
            Entry& entry = entries_[(home + probe) % kEntries];
            if (entry.stamp != stamp_) {
                entry = {stamp_, id};
                return kNoValue;
            }
            if (ValueKey{insts[entry.id]} == key) {
                return entry.id;
            }
        }
        entries_[home % kEntries].id = id;
        return kNoValue;
    }

  private:
    static constexpr unsigned kEntries = 512, kProbes = 4;
    struct Entry {
        u32 stamp = 0; // counts when it is the table's
        ValueId id = kNoValue;
    };
    std::array<Entry, kEntries> entries_;
    u32 stamp_ = 0;
};

} // namespace ulna::ir::opt
