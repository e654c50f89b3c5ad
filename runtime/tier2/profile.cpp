#include "runtime/tier2/profile.h"

#include <algorithm>

namespace ulna::runtime {

u32 HotProfile::add(const Sample& sample) {
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

std::span<const HotProfile::Target> HotProfile::targets_of(GuestAddr site) const {
    const auto found = targets_.find(site);
    return found == targets_.end() ? std::span<const Target>{} : found->second;
}

} // namespace ulna::runtime
