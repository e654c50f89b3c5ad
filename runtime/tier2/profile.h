// Where the guest spends its time: safe points at which a thread was asked where it is. Under the
// translation lock.
#pragma once

#include <unordered_map>
#include <vector>

#include "ir/block_key.h"

namespace ulna::runtime {

// One safe point that a thread was at.
struct Sample {
    ir::BlockKey key;       // of the block it went on with
    GuestAddr site = 0;     // of the block whose indirect branch led there; 0: a direct edge
    bool in_region = false; // it came there in code of tier 2
};

class HotProfile {
  public:
    // Returns how often the block was seen.
    u32 add(const Sample& sample);

    // Where the indirect branch of a block goes nearly always, the likeliest first. Nothing when
    // too little is known of it, or when it goes to many places: the host predicts such a branch
    // better than comparisons.
    [[nodiscard]] std::vector<GuestAddr> likely_targets(GuestAddr site) const;

  private:
    struct Target {
        GuestAddr pc;
        u32 samples;
    };
    static constexpr std::size_t kMostBlocks = 1u << 16; // then it begins anew
    static constexpr std::size_t kMostTargets = 16;      // of a site
    static constexpr u32 kRare = 16;                     // less often than one in so many
    static constexpr u32 kSamplesPerTarget = 4;
    static constexpr std::size_t kMostLikely = 8;

    struct Hash {
        std::size_t operator()(ir::BlockKey key) const {
            return (key.pc >> 2 ^ u64{key.mode.bits} << 40 ^ key.page << 20) *
                       0x9e37'79b9'7f4a'7c15u >>
                   16;
        }
    };
    std::unordered_map<ir::BlockKey, u32, Hash> samples_;
    std::unordered_map<GuestAddr, std::vector<Target>> targets_; // by site
};

} // namespace ulna::runtime
