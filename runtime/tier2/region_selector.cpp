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
// Of a machine, where pages may be anywhere.
constexpr std::size_t kMostPages = 8;
// A function that is compiled into its callers: some 30 guest instructions.
constexpr u32 kMostCalleeBytes = 700;

class Graph {
  public:
    Graph(const TranslationLock& lock,
          const TranslationCache& cache,
          frontend::CodeSource& code,
          const HotProfile& profile,
          Scope scope)
        : lock_{lock}, cache_{cache}, code_{code}, profile_{profile}, scope_{scope} {}

    // Breadth first from the head, until there is enough.
    [[nodiscard]] bool grow(ir::BlockKey head) {
        head_ = head;
        places_ = {backend::place_of(head)};
        if (!add(head.pc)) {
            return false;
        }
        for (std::size_t next = 0; next < nodes_.size(); ++next) {
            add_successors(next);
        }
        return true;
    }

    // Those that lead back to the head, and the small functions that they call. Nothing when they
    // have no calls or indirect branches: tier 2 would refuse them (RegionGraph::is_worthwhile),
    // and a server that is started for that takes cache and time.
    [[nodiscard]] std::vector<BlockView> cycles() const {
        std::vector<bool> chosen = reach({0}, &Node::predecessors);
        if (!chosen[0]) {
            return {};
        }
        const std::vector<bool> on_cycles = chosen;
        bool crosses_branches = false;
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            if (on_cycles[i]) {
                for (const std::size_t callee : nodes_[i].callees) {
                    crosses_branches = true;
                    add_callee(callee, chosen);
                }
            }
        }
        return crosses_branches ? views(chosen) : std::vector<BlockView>{};
    }

    [[nodiscard]] std::vector<BlockView> nearest(u32 most_bytes) const {
        std::vector<bool> chosen(nodes_.size());
        u32 bytes = 0;
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            bytes += nodes_[i].block.code_bytes;
            chosen[i] = bytes <= most_bytes || i == 0;
        }
        return views(chosen);
    }

  private:
    struct Node {
        BlockView block;
        std::vector<std::size_t> successors, predecessors; // calls among them
        std::vector<std::size_t> callees;
    };

    // What can be reached from these in one step and more.
    [[nodiscard]] std::vector<bool> reach(std::vector<std::size_t> work,
                                          std::vector<std::size_t> Node::*edges) const {
        std::vector<bool> reached(nodes_.size());
        while (!work.empty()) {
            const std::size_t from = work.back();
            work.pop_back();
            for (const std::size_t to : nodes_[from].*edges) {
                if (!reached[to]) {
                    reached[to] = true;
                    work.push_back(to);
                }
            }
        }
        return reached;
    }

    void add_callee(std::size_t callee, std::vector<bool>& chosen) const {
        std::vector<bool> body = reach({callee}, &Node::successors);
        body[callee] = true;
        u32 bytes = 0;
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            bytes += body[i] ? nodes_[i].block.code_bytes : 0;
        }
        for (std::size_t i = 0; i < nodes_.size() && bytes <= kMostCalleeBytes; ++i) {
            chosen[i] = chosen[i] || body[i];
        }
    }

    [[nodiscard]] std::vector<BlockView> views(const std::vector<bool>& chosen) const {
        std::vector<BlockView> blocks;
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            if (chosen[i]) {
                blocks.push_back(nodes_[i].block);
            }
        }
        return blocks;
    }

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
        const auto key = key_at(pc);
        const auto block = key ? cache_.tier1_block(lock_, *key) : std::nullopt;
        if (!block || (bytes_ + block->code_bytes > kMostCodeBytes && !nodes_.empty())) {
            return {};
        }
        bytes_ += block->code_bytes;
        nodes_.push_back({*block, {}, {}, {}});
        return nodes_.size() - 1;
    }

    // Of a block that may be in the region.
    [[nodiscard]] std::optional<ir::BlockKey> key_at(GuestAddr pc) {
        const u64 distance = pc > head_.pc ? pc - head_.pc : head_.pc - pc;
        if (!head_.mode.system()) {
            return distance <= kMostSpan / 2 ? std::optional{ir::BlockKey{pc, head_.mode}}
                                             : std::nullopt;
        }
        const GuestAddr page = backend::place_of({pc}).page;
        for (const backend::CodePlace& place : places_) {
            if (place.page == page) {
                return ir::BlockKey{pc, head_.mode, place.number};
            }
        }
        const bool has_room = places_.size() < kMostPages &&
                              std::none_of(places_.begin() + 1, places_.end(), [&](const auto& p) {
                                  return backend::CodePlaces::collide(p.page, page);
                              });
        const auto number = has_room ? code_.page_of(pc) : std::nullopt;
        if (!number) {
            return {};
        }
        places_.push_back({page, *number});
        return ir::BlockKey{pc, head_.mode, *number};
    }

    void add_edge(std::size_t from, GuestAddr target, bool is_call) {
        if (const auto to = add(target)) {
            nodes_[from].successors.push_back(*to);
            nodes_[*to].predecessors.push_back(from);
            if (is_call) {
                nodes_[from].callees.push_back(*to);
            }
        }
    }

    void add_successors(std::size_t from) {
        const BlockView block = nodes_[from].block;
        cache_.for_each_exit(lock_, block, [&](GuestAddr target, bool was_taken, bool is_call) {
            if (was_taken || scope_ == Scope::Forward) { // before it is executed, none was taken
                add_edge(from, target, is_call);
            }
        });
        for (const GuestAddr target : profile_.likely_targets(block.key.pc)) {
            constexpr bool kMayBeCall = true;
            add_edge(from, target, kMayBeCall);
        }
    }

    const TranslationLock& lock_;
    const TranslationCache& cache_;
    frontend::CodeSource& code_;
    const HotProfile& profile_;
    const Scope scope_;
    ir::BlockKey head_;
    std::vector<backend::CodePlace> places_; // of a machine; the head's first
    std::vector<Node> nodes_;
    u32 bytes_ = 0;
};

void add_page(std::vector<backend::CodePlace>& pages, const ir::BlockKey& key) {
    const backend::CodePlace place = backend::place_of(key);
    if (std::find(pages.begin(), pages.end(), place) == pages.end()) {
        pages.push_back(place);
    }
}

} // namespace

std::optional<SelectedRegion> select_region(const TranslationLock& lock,
                                            const TranslationCache& cache,
                                            frontend::CodeSource& code,
                                            const HotProfile& profile,
                                            ir::BlockKey head,
                                            Scope scope) {
    Graph graph(lock, cache, code, profile, scope);
    if (!graph.grow(head)) {
        return {};
    }
    SelectedRegion region;
    region.head = head;
    region.blocks = graph.cycles();
    if (region.blocks.empty() && scope == Scope::Cycles) {
        return {};
    }
    if (region.blocks.empty()) {
        region.blocks = graph.nearest(kMostStraightBytes);
    }
    for (const BlockView& block : region.blocks) {
        for (GuestAddr at = block.low; at < block.high; at += u64{1} << kPageBits) {
            region.extent.add(at, std::min(block.high - at, u64{1} << kPageBits));
        }
        region.extent.add(block.high - 1, 1);
        add_page(region.pages, block.key);
        region.masks_tags |= block.masks_tags;
    }
    return region;
}

} // namespace ulna::runtime
