#include "backend/llvm/region_graph.h"

#include <algorithm>

namespace ulna::backend::tier2 {

namespace {
// Guest instructions of a callee, and of all inlined calls of a region.
constexpr std::size_t kMostInlined = 40;
constexpr unsigned kMostInlinedInRegion = 200;
} // namespace

namespace {
bool sets_btype(const ir::Exit& exit) {
    const auto* const branch = std::get_if<ir::ExitIndirect>(&exit);
    const auto* const call = std::get_if<ir::ExitCallIndirect>(&exit);
    return (branch != nullptr && branch->btype != 0) || (call != nullptr && call->btype != 0);
}
} // namespace

RegionGraph::RegionGraph(const Region& region, bool inlines_calls)
    : blocks_{region.blocks}, guesses_{region.guesses} {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
        by_pc_.emplace(blocks_[i]->key.pc, static_cast<int>(i));
        nodes_.push_back({static_cast<int>(i), kNone});
    }
    calls_of_.resize(nodes_.size());
    if (inlines_calls) {
        inline_calls();
    }
    find_loop_heads();
    find_entries();
    while (!assign_nodes()) {
    }
}

int RegionGraph::block_at(GuestAddr pc) const {
    const auto found = by_pc_.find(pc);
    return found == by_pc_.end() ? kNone : found->second;
}

const RegionGraph::InlinedCall* RegionGraph::inlined_call(int node) const {
    const int call = nodes_[index(node)].call;
    return call == kNone ? nullptr : &calls_[index(call)];
}

int RegionGraph::node_at(int from, GuestAddr pc) const {
    const int to = block_at(pc);
    const int call = nodes_[index(from)].call;
    if (to == kNone || call == kNone) {
        return to; // a block's own node has its number
    }
    for (auto node = index(calls_[index(call)].first);
         node < nodes_.size() && nodes_[node].call == call; ++node) {
        if (nodes_[node].block == to) {
            return static_cast<int>(node);
        }
    }
    return kNone;
}

int RegionGraph::callee(int caller, GuestAddr target) const {
    for (const int call : calls_of_[index(caller)]) {
        if (calls_[index(call)].target == target) {
            return calls_[index(call)].first;
        }
    }
    return kNone;
}

int RegionGraph::return_node(int from) const {
    const InlinedCall* const call = inlined_call(from);
    return call == nullptr ? kNone : block_at(call->return_to);
}

std::vector<GuestAddr> RegionGraph::guesses(int node) const {
    std::vector<GuestAddr> targets;
    if (sets_btype(block(node).exit)) {
        return targets; // which targets look at
    }
    for (const IndirectGuess& guess : guesses_) {
        if (guess.block == block(node).key.pc && block_at(guess.target) != kNone &&
            std::find(targets.begin(), targets.end(), guess.target) == targets.end()) {
            targets.push_back(guess.target);
        }
    }
    return targets;
}

int RegionGraph::function_of_entry(int node) const {
    const auto found = std::find(entries_.begin(), entries_.end(), node);
    return found == entries_.end() ? kNone : static_cast<int>(found - entries_.begin());
}

// --- inlined calls

// The blocks of a callee; empty when it is not to be inlined.
std::vector<int> RegionGraph::inlinable_body(int first_block) const {
    std::vector<int> body = {first_block};
    std::size_t instructions = 0;
    bool returns = false;
    for (std::size_t next = 0; next < body.size(); ++next) {
        const ir::Exit& exit = blocks_[index(body[next])]->exit;
        const bool is_return = std::holds_alternative<ir::ExitReturn>(exit);
        instructions += std::max<std::size_t>(1, blocks_[index(body[next])]->guest_pcs.size());
        returns = returns || is_return;
        if (instructions > kMostInlined ||
            !(is_return || std::holds_alternative<ir::ExitDirect>(exit) ||
              std::holds_alternative<ir::ExitCond>(exit))) {
            return {};
        }
        for_successors(body[next], [&](int to) {
            if (std::find(body.begin(), body.end(), to) == body.end()) {
                body.push_back(to);
            }
        });
    }
    return returns ? body : std::vector<int>{};
}

void RegionGraph::inline_calls() {
    for (int caller = 0; caller < static_cast<int>(blocks_.size()); ++caller) {
        const ir::Exit& exit = block(caller).exit;
        if (const auto* call = std::get_if<ir::ExitCall>(&exit)) {
            inline_call(caller, call->target, call->return_to);
        } else if (const auto* indirect = std::get_if<ir::ExitCallIndirect>(&exit)) {
            for (const GuestAddr target : guesses(caller)) {
                inline_call(caller, target, indirect->return_to);
            }
        }
    }
}

void RegionGraph::inline_call(int caller, GuestAddr target, GuestAddr return_to) {
    const int first = block_at(target);
    if (first == kNone || block_at(return_to) == kNone) {
        return;
    }
    const std::vector<int> body = inlinable_body(first);
    unsigned instructions = 0;
    for (const int block : body) {
        instructions += static_cast<unsigned>(blocks_[index(block)]->guest_pcs.size());
    }
    if (body.empty() || inlined_instructions_ + instructions > kMostInlinedInRegion) {
        return;
    }
    inlined_instructions_ += instructions;
    const int call = static_cast<int>(calls_.size());
    calls_.push_back({target, return_to, caller, static_cast<int>(nodes_.size())});
    for (const int block : body) {
        nodes_.push_back({block, call});
    }
    calls_of_.resize(nodes_.size());
    calls_of_[index(caller)].push_back(call);
}

// --- loops

// Of a block's ways on. Inside an inlined call only its own count, and a call with its return is
// one way from the caller to where it returns to.
void RegionGraph::find_loop_heads() {
    loop_heads_.assign(nodes_.size(), false);
    for (int node = 0; node < static_cast<int>(nodes_.size()); ++node) {
        const ir::Block& from = block(node);
        const int caller = std::holds_alternative<ir::ExitReturn>(from.exit) && inlined_call(node)
                               ? inlined_call(node)->caller
                               : node;
        const ir::Block& origin = block(caller);
        const GuestAddr last = origin.guest_pcs.empty() ? origin.key.pc : origin.guest_pcs.back();
        for_successors(node, [&](int to) {
            const bool is_call = nodes_[index(to)].call != nodes_[index(caller)].call;
            if (!is_call && block(to).key.pc <= last) {
                loop_heads_[index(to)] = true;
            }
        });
    }
}

bool RegionGraph::is_worthwhile() const {
    bool crosses_branches = !calls_.empty();
    std::vector<bool> seen(nodes_.size());
    std::vector<int> work = {0};
    while (!work.empty()) {
        const int from = work.back();
        work.pop_back();
        const bool is_indirect = std::holds_alternative<ir::ExitIndirect>(block(from).exit);
        for_successors(from, [&](int to) {
            const int entry = function_of_entry(to);
            crosses_branches = crosses_branches || is_indirect;
            if (!seen[index(to)] && (entry == kNone || entry == 0)) {
                seen[index(to)] = true;
                work.push_back(to);
            }
        });
    }
    return seen[0] && crosses_branches;
}

// --- functions

// Where a call that leaves the function returns to; 0: none. An indirect call whose likely targets
// are inlined leaves the region when it goes elsewhere, and stays outside.
GuestAddr RegionGraph::returns_to_entry(int node) const {
    if (!calls_of_[index(node)].empty()) {
        return 0;
    }
    const ir::Exit& exit = block(node).exit;
    if (const auto* call = std::get_if<ir::ExitCall>(&exit)) {
        return call->return_to;
    }
    const auto* const indirect = std::get_if<ir::ExitCallIndirect>(&exit);
    return indirect == nullptr ? 0 : indirect->return_to;
}

// The first block, and what is returned to from calls that can be reached.
void RegionGraph::find_entries() {
    entries_ = {0};
    std::vector<bool> seen(nodes_.size());
    std::vector<int> work = {0};
    const auto reach = [&](int node) {
        if (!seen[index(node)]) {
            seen[index(node)] = true;
            work.push_back(node);
        }
    };
    seen[0] = true;
    while (!work.empty()) {
        const int node = work.back();
        work.pop_back();
        for_successors(node, reach);
        const GuestAddr return_to = returns_to_entry(node);
        if (const int back = return_to == 0 ? kNone : block_at(return_to); back != kNone) {
            reach(back);
            if (function_of_entry(back) == kNone) {
                entries_.push_back(back);
            }
        }
    }
}

// Gives each node to the function that reaches it; false when a node turned out to be an entry.
bool RegionGraph::assign_nodes() {
    functions_.assign(entries_.size(), {});
    std::vector<int> owner(nodes_.size(), kNone);
    for (std::size_t f = 0; f < entries_.size(); ++f) {
        std::vector<int>& nodes = functions_[f];
        nodes.push_back(entries_[f]);
        for (std::size_t next = 0; next < nodes.size(); ++next) {
            int shared = kNone;
            for_successors(nodes[next], [&](int to) {
                if (function_of_entry(to) != kNone) {
                    return;
                }
                int& its_owner = owner[index(to)];
                if (its_owner == kNone) {
                    its_owner = static_cast<int>(f);
                    nodes.push_back(to);
                } else if (its_owner != static_cast<int>(f)) {
                    shared = to;
                }
            });
            if (shared != kNone) {
                entries_.push_back(shared);
                return false;
            }
        }
    }
    return true;
}

} // namespace ulna::backend::tier2
