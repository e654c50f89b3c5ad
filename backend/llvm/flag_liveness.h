// Where in a region NZCV is read before it is written. Flags that are not need not be kept: no
// instruction can tell, and what a fault shows of them may be stale (ir/README.md).
//
// The frontend looks ahead into two blocks; a region knows all of its own.
#pragma once

#include <vector>

#include "backend/llvm/region_graph.h"

namespace ulna::backend::tier2 {

class FlagLiveness {
  public:
    explicit FlagLiveness(const RegionGraph& graph);

    // Where the node begins.
    [[nodiscard]] bool at(int node) const { return at_start_[static_cast<std::size_t>(node)]; }
    // After each instruction of its block.
    [[nodiscard]] std::vector<bool> after_instructions(int node) const;

  private:
    [[nodiscard]] bool beyond(int from, GuestAddr target) const;
    [[nodiscard]] bool at_end(int node) const;
    [[nodiscard]] bool before(int node, const ir::Inst& inst, bool live_after) const;

    const RegionGraph& graph_;
    std::vector<bool> at_start_; // by node
};

} // namespace ulna::backend::tier2
