#include "runtime/tier2/profile.h"

#include <algorithm>

namespace ulna::runtime {

u32 HotProfile::add(const Sample& sample) {
    if (samples_.size() >= kMostBlocks || targets_.size() >= kMostBlocks) {
        samples_.clear();
        targets_.clear();
    }
    if (sample.site != 0) {
        std::vector<Target>& targets = targets_[sample.site];
        const auto known = std::find_if(targets.begin(), targets.end(), [&](const Target& target) {
            return target.pc == sample.key.pc;
        });
        if (known != targets.end()) {
            ++known->samples;
        } else if (targets.size() < kMostTargets) {
            targets.push_back({sample.key.pc, 1});
        }
    }
    return ++samples_[sample.key];
}

std::vector<GuestAddr> HotProfile::likely_targets(GuestAddr site) const {
    const auto found = targets_.find(site);
    if (found == targets_.end()) {
        return {};
    }
    std::vector<Target> targets = found->second;
    std::sort(targets.begin(), targets.end(),
              [](const Target& a, const Target& b) { return a.samples > b.samples; });
    u32 all = 0;
    for (const Target& target : targets) {
        all += target.samples;
    }
    std::vector<GuestAddr> likely;
    u32 covered = 0;
    for (const Target& target : targets) {
        if (target.samples * kRare >= all) {
            likely.push_back(target.pc);
            covered += target.samples;
        }
    }
    const bool is_known = all >= kSamplesPerTarget * targets.size();
    const bool is_covered = (all - covered) * kRare <= all && likely.size() <= kMostLikely;
    return is_known && is_covered ? likely : std::vector<GuestAddr>{};
}

} // namespace ulna::runtime
