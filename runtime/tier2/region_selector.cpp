#include "runtime/tier2/region_selector.h"

#include <algorithm>

namespace ulna::runtime {

namespace {

using BlockView = TranslationCache::BlockView;

// Of tier-1 code: some 300 guest instructions. Compilation takes longer than in proportion.
constexpr u32 kMostCodeBytes = 6000;
// Of what leads to no cycle, less: most of it is left soon.
constexpr u32 kMostStraightBytes = 2000;
// The region is invalidated as a whole when anything between its ends changes.
constexpr u64 kMostSpan = 256u << 10;
// An indirect branch's targets that were seen less often than one in so many stay outside.
constexpr u32 kRareTarget = 16;

class Graph {
  public:
    Graph(const TranslationLock& lock, const TranslationCache& cache, const HotProfile& profile)
        : lock_{lock}, cache_{cache}, profile_{profile} {}

    // Breadth first from the head, until there is enough.
    [[nodiscard]] bool grow(ir::BlockKey head) {
        head_ = head;
        if (!add(head.pc)) {
            return false;
        }
        for (std::size_t next = 0; next < nodes_.size(); ++next) {
            add_successors(next);
        }
        return true;
    }

    // Those that lead back to the head.
    [[nodiscard]] std::vector<BlockView> cycles() const {
        std::vector<bool> returns(nodes_.size());
        std::vector<std::size_t> work;
        const auto mark_predecessors = [&](std::size_t of) {
            for (const std::size_t from : nodes_[of].predecessors) {
                if (!returns[from]) {
                    returns[from] = true;
                    work.push_back(from);
                }
            }
        };
        mark_predecessors(0);
        while (!work.empty()) {
            const std::size_t next = work.back();
            work.pop_back();
            mark_predecessors(next);
        }
        std::vector<BlockView> blocks;
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            if (returns[i]) {
                blocks.push_back(nodes_[i].block);
            }
        }
        return blocks;
    }

    [[nodiscard]] std::vector<BlockView> nearest(u32 most_bytes) const {
        std::vector<BlockView> blocks;
        u32 bytes = 0;
        for (const Node& node : nodes_) {
            bytes += node.block.code_bytes;
            if (bytes > most_bytes && !blocks.empty()) {
                break;
            }
            blocks.push_back(node.block);
        }
        return blocks;
    }

  private:
    struct Node {
        BlockView block;
        std::vector<std::size_t> predecessors;
    };

    std::optional<std::size_t> find(GuestAddr pc) const {
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            if (nodes_[i].block.key.pc == pc) {
                return i;
            }
        }
        return {};
    }

    std::optional<std::size_t> add(GuestAddr pc) {
        if (const auto known = find(pc)) {
            return known;
        }
        const u64 distance = pc > head_.pc ? pc - head_.pc : head_.pc - pc;
        const auto block = cache_.tier1_block(lock_, {pc, head_.mode});
        if (!block || distance > kMostSpan / 2 ||
            (bytes_ + block->code_bytes > kMostCodeBytes && !nodes_.empty())) {
            return {};
        }
        bytes_ += block->code_bytes;
        nodes_.push_back({*block, {}});
        return nodes_.size() - 1;
    }

    void add_successors(std::size_t from) {
        const BlockView block = nodes_[from].block;
        const auto add_edge = [&](GuestAddr target) {
            if (const auto to = add(target)) {
                nodes_[*to].predecessors.push_back(from);
            }
        };
        cache_.for_each_exit(lock_, block, [&](GuestAddr target, bool was_taken) {
            if (was_taken) {
                add_edge(target);
            }
        });
        const auto targets = profile_.targets_of(block.key.pc);
        u32 all = 0;
        for (const HotProfile::Target& target : targets) {
            all += target.samples;
        }
        for (const HotProfile::Target& target : targets) {
            if (target.samples * kRareTarget >= all) {
                add_edge(target.pc);
            }
        }
    }

    const TranslationLock& lock_;
    const TranslationCache& cache_;
    const HotProfile& profile_;
    ir::BlockKey head_;
    std::vector<Node> nodes_;
    u32 bytes_ = 0;
};

void add_page(std::vector<GuestAddr>& pages, GuestAddr address) {
    const GuestAddr page = address >> kPageBits << kPageBits;
    if (std::find(pages.begin(), pages.end(), page) == pages.end()) {
        pages.push_back(page);
    }
}

} // namespace

std::optional<SelectedRegion> select_region(const TranslationLock& lock,
                                            const TranslationCache& cache,
                                            const HotProfile& profile,
                                            ir::BlockKey head) {
    Graph graph(lock, cache, profile);
    if (!graph.grow(head)) {
        return {};
    }
    SelectedRegion region;
    region.head = head;
    region.blocks = graph.cycles();
    if (region.blocks.empty()) {
        region.blocks = graph.nearest(kMostStraightBytes);
    }
    for (const BlockView& block : region.blocks) {
        for (GuestAddr at = block.low; at < block.high; at += u64{1} << kPageBits) {
            region.extent.add(at, std::min(block.high - at, u64{1} << kPageBits));
        }
        region.extent.add(block.high - 1, 1);
        add_page(region.pages, block.key.pc);
        region.masks_tags |= block.masks_tags;
    }
    return region;
}

} // namespace ulna::runtime
