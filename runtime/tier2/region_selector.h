// Which blocks are compiled together with a hot one.
#pragma once

#include <optional>

#include "frontend/frontend.h"
#include "runtime/jit/translation_cache.h"
#include "runtime/tier2/profile.h"

namespace ulna::runtime {

struct SelectedRegion {
    ir::BlockKey head;
    std::vector<TranslationCache::BlockView> blocks; // the head first
    std::vector<backend::CodePlace> pages;           // that they were made from
    GuestExtent extent;
    bool masks_tags = false;
};

enum class Scope : u8 {
    Cycles,  // nothing when there is no cycle through the head
    Forward, // then some of what comes after it; over all exits to what is translated
};

// The blocks on cycles through `head` over exits that were taken, and small functions that they
// call. Nothing when `head` is no block of tier 1. In a machine pages are where the calling virtual
// CPU finds them.
[[nodiscard]] std::optional<SelectedRegion> select_region(const TranslationLock& lock,
                                                          const TranslationCache& cache,
                                                          frontend::CodeSource& code,
                                                          const HotProfile& profile,
                                                          ir::BlockKey head,
                                                          Scope scope);

} // namespace ulna::runtime
