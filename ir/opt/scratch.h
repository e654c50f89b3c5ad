// Memory that passes reuse from block to block, so that optimising allocates nothing in the steady
// state. One per host thread.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "ir/block.h"
#include "ir/opt/value_table.h"

namespace ulna::ir::opt {

// New name of every value already visited by a forward walk.
class Renames {
  public:
    void set(std::size_t old_id, ValueId new_id) { map_[old_id] = new_id; }
    [[nodiscard]] ValueId operator[](ValueId old_id) const { return map_[old_id]; }

    // `to` becomes `from` renamed. All four arguments at once: unused ones are kNoValue, which maps
    // to itself, and a loop over arg_count would mispredict for every other instruction. Stored as
    // two halves, as whatever copies the result will load it: after a narrower store that load
    // would have to wait until the store has reached the cache.
    void copy(const Inst& from, Inst& to) const {
        using Half = u64 __attribute__((vector_size(16)));
        u64 words[2];
        Half tail;
        std::memcpy(words, &from, sizeof(words));
        std::memcpy(&tail, reinterpret_cast<const char*>(&from) + sizeof(words), sizeof(tail));
        const u64 args = u64{map_[words[1] & 0xffff]} | u64{map_[words[1] >> 16 & 0xffff]} << 16 |
                         u64{map_[words[1] >> 32 & 0xffff]} << 32 | u64{map_[words[1] >> 48]} << 48;
        const Half head = {words[0], args};
        std::memcpy(&to, &head, sizeof(head));
        std::memcpy(reinterpret_cast<char*>(&to) + sizeof(head), &tail, sizeof(tail));
    }
    static_assert(kMaxArgs == 4 && sizeof(ValueId) == 2 && sizeof(Inst) == 32 &&
                  offsetof(Inst, args) == 8);
    void apply_to_exit(Block& block) const {
        if (const ValueId id = block.exit_value(); id != kNoValue) {
            block.set_exit_value(map_[id]);
        }
    }

  private:
    friend struct Scratch;
    std::array<ValueId, std::size_t{kNoValue} + 1> map_; // only visited entries are meaningful
};

// Use counts by value. Arguments 0 and 1 are counted without a branch, each with a cell of its own
// for kNoValue: one cell that every instruction increments would be a chain through memory.
class UseCounts {
  public:
    void clear(std::size_t values) { std::fill_n(counts_.begin(), values, u16{0}); }
    void add_args(const Inst& inst, bool live) {
        counts_[inst.args[0]] = static_cast<u16>(counts_[inst.args[0]] + live);
        u16& second = counts_[inst.args[1] + (inst.args[1] == kNoValue)];
        second = static_cast<u16>(second + live);
        for (unsigned i = 2; i < inst.arg_count; ++i) {
            counts_[inst.args[i]] = static_cast<u16>(counts_[inst.args[i]] + live);
        }
    }
    u16& operator[](std::size_t id) { return counts_[id]; }

  private:
    std::array<u16, std::size_t{kNoValue} + 2> counts_;
};

// Marks by value; kNoValue has one too, of no meaning.
class Marks {
  public:
    void clear(std::size_t values) { std::fill_n(marks_.begin(), values, false); }
    void set(ValueId id) { marks_[id] = true; }
    void set_args(const Inst& inst, bool live) {
        u64 ids;
        std::memcpy(&ids, inst.args, sizeof(ids));
        ids |= u64{live} - 1; // kNoValue four times for a dead one
        marks_[ids & 0xffff] = marks_[ids >> 16 & 0xffff] = marks_[ids >> 32 & 0xffff] =
            marks_[ids >> 48] = true;
    }
    [[nodiscard]] bool operator[](std::size_t id) const { return marks_[id]; }

  private:
    std::array<bool, std::size_t{kNoValue} + 1> marks_;
};

struct Scratch {
    Scratch() { renames.map_[kNoValue] = kNoValue; }
    Renames renames;
    UseCounts uses;
    Marks live;
    std::vector<Inst> insts;
    ValueTable values;
};

[[nodiscard]] inline Scratch& scratch() {
    thread_local const std::unique_ptr<Scratch> instance = std::make_unique<Scratch>();
    return *instance;
}

} // namespace ulna::ir::opt
