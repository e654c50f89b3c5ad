#include "backend/llvm/region_graph.h"

#include <algorithm>

namespace ulna::backend::tier2 {

RegionGraph::RegionGraph(std::span<const ir::Block* const> blocks) : blocks_{blocks} {
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        by_pc_.emplace(blocks[i]->key.pc, static_cast<int>(i));
    }
    find_entries();
    while (!assign_blocks()) {
    }
}

int RegionGraph::block_at(GuestAddr pc) const {
    const auto found = by_pc_.find(pc);
    return found == by_pc_.end() ? kNone : found->second;
}

int RegionGraph::function_of_entry(int block) const {
    const auto found = std::find(entries_.begin(), entries_.end(), block);
    return found == entries_.end() ? kNone : static_cast<int>(found - entries_.begin());
}

// The first block, and what is returned to from calls that can be reached.
void RegionGraph::find_entries() {
    entries_ = {0};
    std::vector<bool> seen(blocks_.size());
    std::vector<int> work = {0};
    const auto reach = [&](int index) {
        if (!seen[static_cast<unsigned>(index)]) {
            seen[static_cast<unsigned>(index)] = true;
            work.push_back(index);
        }
    };
    seen[0] = true;
    while (!work.empty()) {
        const int index = work.back();
        work.pop_back();
        for_successors(index, reach);
        GuestAddr return_to = 0;
        if (const auto* call = std::get_if<ir::ExitCall>(&block(index).exit)) {
            return_to = call->return_to;
        } else if (const auto* indirect = std::get_if<ir::ExitCallIndirect>(&block(index).exit)) {
            return_to = indirect->return_to;
        } else {
            continue;
        }
        if (const int back = block_at(return_to); back != kNone) {
            reach(back);
            if (function_of_entry(back) == kNone) {
                entries_.push_back(back);
            }
        }
    }
}

// Gives each block to the function that reaches it; false when a block turned out to be an entry.
bool RegionGraph::assign_blocks() {
    functions_.assign(entries_.size(), {});
    std::vector<int> owner(blocks_.size(), kNone);
    for (std::size_t f = 0; f < entries_.size(); ++f) {
        std::vector<int>& blocks = functions_[f];
        blocks.push_back(entries_[f]);
        for (std::size_t next = 0; next < blocks.size(); ++next) {
            int shared = kNone;
            for_successors(blocks[next], [&](int to) {
                if (function_of_entry(to) != kNone) {
                    return;
                }
                int& its_owner = owner[static_cast<unsigned>(to)];
                if (its_owner == kNone) {
                    its_owner = static_cast<int>(f);
                    blocks.push_back(to);
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
