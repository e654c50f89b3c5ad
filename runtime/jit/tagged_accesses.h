// Which instructions have used tagged pointers. Translations take addresses as they are; one with a
// tag faults, and what has the instruction is translated again to strip tags.
#pragma once

#include <algorithm>
#include <span>
#include <unordered_set>

#include "ir/support/types.h"

namespace ulna::runtime {

// Under the translation lock.
class TaggedAccesses {
  public:
    void add(GuestAddr pc) { pcs_.insert(pc); }
    [[nodiscard]] bool empty() const { return pcs_.empty(); }
    // A translation of these instructions has to strip tags.
    [[nodiscard]] bool concern(std::span<const GuestAddr> pcs) const {
        return !pcs_.empty() && (pcs_.size() >= kAll || std::ranges::any_of(pcs, [&](GuestAddr pc) {
                                     return pcs_.contains(pc);
                                 }));
    }

  private:
    // After so many, every translation does.
    static constexpr std::size_t kAll = 64;
    std::unordered_set<GuestAddr> pcs_;
};

} // namespace ulna::runtime
