// Mappings that are not global: each ASID may have its own. The same tables under another ASID
// mostly have the same ones, as where a kernel isolates its tables, but a TLB may not take that for
// granted: tables may change without maintenance for an ASID that has not used them. So each
// mapping is looked up again under each ASID before what depends on it is used there.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "ir/support/bits.h"
#include "ir/support/types.h"
#include "runtime/devices/device.h"

namespace ulna::system {

// What stage 1 of a translation says, of code.
struct CodeMapping {
    GuestAddr start = 0;
    u64 ipa = 0; // of `start`
    devices::Space space = devices::Space::NonSecure;
    u8 log2 = 12; // of its size
    bool guarded = false;
    friend bool operator==(const CodeMapping&, const CodeMapping&) = default;
};

class AsidMappings {
  public:
    static constexpr std::size_t kMost = 512;

    // Of an ASID under which all others hold. False: they are kMost.
    [[nodiscard]] bool add(const CodeMapping& mapping, u16 asid) {
        if (std::ranges::find(mappings_, mapping) != mappings_.end()) {
            return true;
        }
        if (mappings_.size() == kMost) {
            return false;
        }
        mappings_.push_back(mapping);
        known_of(asid) = {asid, mappings_.size()};
        return true;
    }
    // True: all hold under the ASID. Calls holds(mapping) for those of which it is not known.
    template <class Holds> [[nodiscard]] bool confirm(u16 asid, Holds holds) {
        Known& known = known_of(asid);
        std::size_t count = known.asid == asid ? known.mappings : 0;
        while (count < mappings_.size() && holds(mappings_[count])) {
            ++count;
        }
        known = {asid, count};
        return count == mappings_.size();
    }
    // Only the low eight bits count where TCR_ELx.AS is 0.
    void forget(u16 asid) {
        for (Known& known : known_) {
            if ((known.asid ^ asid) % 256 == 0) {
                known.mappings = 0;
            }
        }
    }
    void reset() {
        mappings_.clear();
        known_ = {};
    }

  private:
    struct Known {
        u16 asid = 0;
        std::size_t mappings = 0; // the first ones hold
    };
    Known& known_of(u16 asid) { return known_[asid % known_.size()]; }

    std::vector<CodeMapping> mappings_;
    std::array<Known, 64> known_ = {};
};

} // namespace ulna::system
