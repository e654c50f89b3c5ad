#include "runtime/jit/page_index.h"

namespace ulna::runtime {

void PageFilter::mark(GuestAddr address) {
    const unsigned bit = bit_of(address >> kPageBits);
    std::atomic<u64>& word = words_[bit / 64];
    const u64 mask = u64{1} << (bit % 64);
    if ((word.load(std::memory_order_relaxed) & mask) == 0) {
        word.fetch_or(mask, std::memory_order_relaxed);
    }
    // Against the fence in may_contain: either we read the guest's new code, or its writer sees the
    // mark.
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

bool PageFilter::may_contain(GuestAddr start, u64 bytes) const {
    if (bytes == 0) {
        return false;
    }
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const u64 first = start >> kPageBits;
    const u64 last = (start + bytes - 1) >> kPageBits;
    if (last - first >= kMostPagesTested) {
        return true;
    }
    for (u64 page = first; page <= last; ++page) {
        const unsigned bit = bit_of(page);
        if ((words_[bit / 64].load(std::memory_order_relaxed) >> (bit % 64) & 1) != 0) {
            return true;
        }
    }
    return false;
}

void PageIndex::add(GuestAddr page_address, BlockIndex block) {
    const auto [entry, fresh] = heads_.try_emplace(page_address >> kPageBits, kEnd);
    u32 at = free_nodes_;
    if (at == kEnd) {
        at = static_cast<u32>(nodes_.size());
        nodes_.push_back({});
    } else {
        free_nodes_ = nodes_[at].next;
    }
    nodes_[at] = {block, entry->second};
    entry->second = at;
}

} // namespace ulna::runtime
