// The control flow of a region, and which parts of it become one LLVM function.
//
// A node is a block, or the copy of one in a call that is inlined. A function begins at an entry:
// the region's first block, and every block that a call returns to, because nothing lives in a host
// frame while the guest calls (the frame may be dropped). A node that two functions reach is an
// entry, too, so no block is compiled twice; state is canonical at entries, so going to one costs a
// jump.
//
// Inlined are calls of small functions that call nothing themselves and lie in the region whole, or
// with cold ways out. What returns from them is compared with the place to return to.
#pragma once

#include <span>
#include <unordered_map>
#include <vector>

#include "backend/llvm/tier2.h"

namespace ulna::backend::tier2 {

class RegionGraph {
  public:
    RegionGraph(const Region& region, bool inlines_calls);

    static constexpr int kNone = -1;

    // --- nodes; those of the region's blocks come first, in their order
    [[nodiscard]] unsigned node_count() const { return static_cast<unsigned>(nodes_.size()); }
    [[nodiscard]] int block_index(int node) const { return nodes_[index(node)].block; }
    [[nodiscard]] const ir::Block& block(int node) const {
        return *blocks_[index(block_index(node))];
    }

    struct InlinedCall {
        GuestAddr target;
        GuestAddr return_to;
        int caller, first; // nodes
    };
    // The call that the node is a part of; null: none.
    [[nodiscard]] const InlinedCall* inlined_call(int node) const;

    // --- edges: the node that a way leads to, kNone when it leaves the region
    [[nodiscard]] int node_at(int from, GuestAddr pc) const;
    // What synchronizes leaves the region: links and tables are what forgets old code at once.
    [[nodiscard]] int target_of(int from, const ir::ExitDirect& exit) const {
        return exit.synchronizes ? kNone : node_at(from, exit.target);
    }
    [[nodiscard]] int callee(int caller, GuestAddr target) const; // of an inlined call
    [[nodiscard]] int return_node(int from) const;                // from inside of one
    // The likely targets of an indirect exit that are in the region.
    [[nodiscard]] std::vector<GuestAddr> guesses(int node) const;
    // Whether there is more to be had than from tier 1: a loop through the first node, within one
    // function, in which calls are inlined or indirect branches guessed. Measured: other loops run
    // as fast there (int_sieve, int_hash, NEON), or faster (int_crc, xz), because LLVM keeps more
    // registers for what a fault must show; and a call that is not inlined ends a function.
    [[nodiscard]] bool is_worthwhile() const;
    // Whether a way to the node goes backward: every cycle has such a node.
    [[nodiscard]] bool is_loop_head(int node) const { return loop_heads_[index(node)]; }
    // Calls visit(node) for every node that the block's exit may lead to; not those that calls
    // return to.
    template <class Visit> void for_exits(int node, Visit visit) const;
    // The same with side exits.
    template <class Visit> void for_successors(int node, Visit visit) const;

    // --- functions, by the node that each begins with
    [[nodiscard]] const std::vector<int>& entries() const { return entries_; }
    [[nodiscard]] int function_of_entry(int node) const; // kNone when it is no entry
    // The nodes of a function, its entry first.
    [[nodiscard]] const std::vector<int>& nodes_of(int function) const {
        return functions_[index(function)];
    }

  private:
    struct Node {
        int block;
        int call; // into calls_; kNone: none
    };
    static std::size_t index(int n) { return static_cast<std::size_t>(n); }

    [[nodiscard]] int block_at(GuestAddr pc) const;
    [[nodiscard]] std::vector<int> inlinable_body(int first_block) const;
    void inline_calls();
    void inline_call(int caller, GuestAddr target, GuestAddr return_to);
    void find_loop_heads();
    void find_entries();
    [[nodiscard]] GuestAddr returns_to_entry(int node) const;
    bool assign_nodes();

    std::span<const ir::Block* const> blocks_;
    std::span<const IndirectGuess> guesses_;
    std::unordered_map<GuestAddr, int> by_pc_; // block
    std::vector<Node> nodes_;
    std::vector<InlinedCall> calls_;
    std::vector<std::vector<int>> calls_of_; // by node: into calls_
    unsigned inlined_instructions_ = 0;
    std::vector<bool> loop_heads_; // by node
    std::vector<int> entries_;
    std::vector<std::vector<int>> functions_;
};

template <class Visit> void RegionGraph::for_exits(int node, Visit visit) const {
    const ir::Exit& exit = block(node).exit;
    const auto to = [&](int next) {
        if (next != kNone) {
            visit(next);
        }
    };
    if (const auto* direct = std::get_if<ir::ExitDirect>(&exit)) {
        to(target_of(node, *direct));
    } else if (const auto* cond = std::get_if<ir::ExitCond>(&exit)) {
        to(node_at(node, cond->taken));
        to(node_at(node, cond->not_taken));
    } else if (std::holds_alternative<ir::ExitIndirect>(exit)) {
        for (const GuestAddr target : guesses(node)) {
            to(node_at(node, target));
        }
    } else if (std::holds_alternative<ir::ExitReturn>(exit)) {
        to(return_node(node));
    }
    for (const int call : calls_of_[index(node)]) {
        to(calls_[index(call)].first);
    }
}

template <class Visit> void RegionGraph::for_successors(int node, Visit visit) const {
    for (const ir::Inst& inst : block(node).insts) {
        if (!inst.dead && inst.op == ir::Opcode::ExitIf && inst.aux != ir::kExitIfContextSync) {
            if (const int next = node_at(node, inst.imm); next != kNone) {
                visit(next);
            }
        }
    }
    for_exits(node, visit);
}

} // namespace ulna::backend::tier2
