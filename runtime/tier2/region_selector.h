// Which blocks are compiled together with a hot one.
#pragma once

#include <optional>

#include "runtime/jit/translation_cache.h"
#include "runtime/tier2/profile.h"

namespace ulna::runtime {

struct SelectedRegion {
    ir::BlockKey head;
    std::vector<TranslationCache::BlockView> blocks; // the head first
    std::vector<GuestAddr> pages;                    // that they were made from
    GuestExtent extent;
    bool masks_tags = false;
};

enum class Scope : u8 {
    Cycles,  // nothing when there is no cycle through the head
    Forward, // then some of what comes after it; over all exits to what is translated
};

// The blocks on cycles through `head` over exits that were taken, and small functions that they
// call. Nothing when `head` is no block of tier 1.
[[nodiscard]] std::optional<SelectedRegion> select_region(const TranslationLock& lock,
                                                          const TranslationCache& cache,
                                                          const HotProfile& profile,
                                                          ir::BlockKey head,
                                                          Scope scope);

} // namespace ulna::runtime
