// Which blocks of a region become one LLVM function.
//
// A function begins at an entry: the region's first block, and every block that a call returns to,
// because nothing lives in a host frame while the guest calls (the frame may be dropped). A block
// that two functions reach is an entry, too, so no block is compiled twice; state is canonical at
// entries, so going to one costs a jump.
#pragma once

#include <span>
#include <unordered_map>
#include <vector>

#include "ir/block.h"

namespace ulna::backend::tier2 {

class RegionGraph {
  public:
    explicit RegionGraph(std::span<const ir::Block* const> blocks);

    static constexpr int kNone = -1;
    [[nodiscard]] int block_at(GuestAddr pc) const; // kNone when outside
    [[nodiscard]] const ir::Block& block(int index) const { return *blocks_[index]; }
    // Functions, by the block that each begins with.
    [[nodiscard]] const std::vector<int>& entries() const { return entries_; }
    [[nodiscard]] int function_of_entry(int block) const; // kNone when it is no entry
    // The blocks of a function, its entry first.
    [[nodiscard]] const std::vector<int>& blocks_of(int function) const {
        return functions_[static_cast<unsigned>(function)];
    }
    // Calls visit(block) for every block that `index` may go on to; not those that calls return to.
    template <class Visit> void for_successors(int index, Visit visit) const;

  private:
    void find_entries();
    bool assign_blocks();

    std::span<const ir::Block* const> blocks_;
    std::unordered_map<GuestAddr, int> by_pc_;
    std::vector<int> entries_;
    std::vector<std::vector<int>> functions_;
};

template <class Visit> void RegionGraph::for_successors(int index, Visit visit) const {
    const ir::Block& from = block(index);
    const auto to = [&](GuestAddr pc) {
        if (const int next = block_at(pc); next != kNone) {
            visit(next);
        }
    };
    for (const ir::Inst& inst : from.insts) {
        if (!inst.dead && inst.op == ir::Opcode::ExitIf && inst.aux != ir::kExitIfContextSync) {
            to(inst.imm);
        }
    }
    if (const auto* direct = std::get_if<ir::ExitDirect>(&from.exit)) {
        to(direct->target);
    } else if (const auto* cond = std::get_if<ir::ExitCond>(&from.exit)) {
        to(cond->taken);
        to(cond->not_taken);
    }
}

} // namespace ulna::backend::tier2
