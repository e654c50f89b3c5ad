// A jump cache with its victim cache, which translated code looks at (ir/guest_state.h).
#pragma once

#include "ir/guest_state.h"

namespace ulna::runtime {

// What is at an index of a table where no target is. A branch to address 0 looks at the first
// entry, one to kNoPc at the last one.
[[nodiscard]] constexpr ir::JumpCacheEntry no_jump(u64 index) {
    return {index == 0 ? ir::kNoPc : 0, 0};
}

struct JumpCache {
    ir::JumpCacheEntry* entries; // kJumpCacheEntries of them
    ir::JumpCacheEntry* victims; // what other targets have displaced
    u64 victim_mask;             // how many may be there, less one

    // True: that displaced another target.
    bool enter(GuestAddr pc, u64 host) {
        ir::JumpCacheEntry& entry = entry_of(pc);
        const bool displaces = entry.host_pc != 0 && entry.guest_pc != pc;
        if (displaces) {
            victim_of(entry.guest_pc) = entry;
        }
        entry = {pc, host};
        return displaces;
    }
    void forget(GuestAddr pc) {
        if (entry_of(pc).guest_pc == pc) {
            entry_of(pc) = no_jump(index_of(pc));
        }
        if (victim_of(pc).guest_pc == pc) {
            victim_of(pc) = {}; // nobody looks for address 0 there
        }
    }

  private:
    [[nodiscard]] static u64 index_of(GuestAddr pc) {
        return pc >> 2 & (ir::kJumpCacheEntries - 1);
    }
    [[nodiscard]] ir::JumpCacheEntry& entry_of(GuestAddr pc) const { return entries[index_of(pc)]; }
    [[nodiscard]] ir::JumpCacheEntry& victim_of(GuestAddr pc) const {
        return victims[ir::victim_index(pc) & victim_mask];
    }
};

} // namespace ulna::runtime
