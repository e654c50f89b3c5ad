// A jump cache with its victim cache, which translated code looks at (ir/guest_state.h).
#pragma once

#include "ir/guest_state.h"

namespace ulna::runtime {

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
        for (ir::JumpCacheEntry* entry : {&entry_of(pc), &victim_of(pc)}) {
            if (entry->guest_pc == pc) {
                *entry = {ir::kNoPc, 0};
            }
        }
    }

  private:
    [[nodiscard]] ir::JumpCacheEntry& entry_of(GuestAddr pc) const {
        return entries[pc >> 2 & (ir::kJumpCacheEntries - 1)];
    }
    [[nodiscard]] ir::JumpCacheEntry& victim_of(GuestAddr pc) const {
        return victims[ir::victim_index(pc) & victim_mask];
    }
};

} // namespace ulna::runtime
