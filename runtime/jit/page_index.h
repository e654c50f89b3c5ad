// Which blocks were translated from which guest pages, for invalidation.
//
// munmap, mprotect and instruction-cache maintenance are frequent and nearly always touch pages
// without any translation, so a filter that needs no lock answers first. It may say yes wrongly,
// never no: a page is marked before its code is read.
#pragma once

#include <array>
#include <atomic>
#include <unordered_map>
#include <vector>

#include "ir/support/types.h"

namespace ulna::runtime {

inline constexpr unsigned kPageBits = 12;
using BlockIndex = u32;
inline constexpr BlockIndex kNoBlock = ~u32{0};

// Shared by all generations: a translation marks its page before it is known where it will live.
class PageFilter {
  public:
    // Before the page's code is read.
    void mark(GuestAddr address);
    // After the guest's change to the range is visible. False: no block was made from it.
    [[nodiscard]] bool may_contain(GuestAddr start, u64 bytes) const;

  private:
    static constexpr unsigned kBits = 1u << 16;
    static constexpr u64 kMostPagesTested = 4096;
    [[nodiscard]] static unsigned bit_of(u64 page) {
        return static_cast<unsigned>((page ^ page >> 16 ^ page >> 32) % kBits);
    }
    std::array<std::atomic<u64>, kBits / 64> words_{};
};

// Guest page -> blocks. The caller holds the translation lock.
class PageIndex {
  public:
    void add(GuestAddr page_address, BlockIndex block);
    // Calls visit(block) for every block on pages that overlap the range; the block is removed from
    // the page's list when it returns true.
    template <class Visit> void for_overlapping(GuestAddr start, u64 bytes, Visit visit);

  private:
    struct Node {
        BlockIndex block;
        u32 next;
    };
    static constexpr u32 kEnd = ~u32{0};

    template <class Visit> void visit_list(u32& head, Visit visit);

    std::unordered_map<u64, u32> heads_; // page number -> first node
    std::vector<Node> nodes_;
    u32 free_nodes_ = kEnd;
};

template <class Visit> void PageIndex::visit_list(u32& head, Visit visit) {
    u32* link = &head;
    while (*link != kEnd) {
        const u32 at = *link;
        if (visit(nodes_[at].block)) {
            *link = nodes_[at].next;
            nodes_[at].next = free_nodes_;
            free_nodes_ = at;
        } else {
            link = &nodes_[at].next;
        }
    }
}

template <class Visit> void PageIndex::for_overlapping(GuestAddr start, u64 bytes, Visit visit) {
    if (bytes == 0) {
        return;
    }
    const u64 first = start >> kPageBits;
    const u64 last = (start + bytes - 1) >> kPageBits;
    if (last - first >= heads_.size()) { // a large range: fewer pages are known than asked for
        for (auto& [page, head] : heads_) {
            if (page >= first && page <= last) {
                visit_list(head, visit);
            }
        }
        return;
    }
    for (u64 page = first; page <= last; ++page) {
        if (const auto found = heads_.find(page); found != heads_.end()) {
            visit_list(found->second, visit);
        }
    }
}

} // namespace ulna::runtime
