// What --tier2 says of programs and machines.
#pragma once

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>

#include "runtime/engine.h"
#include "runtime/tier2/launch.h"

namespace ulna::runtime {

enum class TierTwo : u8 {
    Off,
    Server, // hot code, in the compile server
    Sync,   // all code, and wait for it: tests
    Twice,  // likewise, each region twice
};
inline constexpr const char* kTierTwoNames[] = {"off", "server", "sync", "twice"};

[[nodiscard]] constexpr const char* tier_two_name(TierTwo tier2) {
    return kTierTwoNames[static_cast<unsigned>(tier2)];
}
[[nodiscard]] inline std::optional<TierTwo> tier_two_named(std::string_view name) {
    const auto* const found = std::find(std::begin(kTierTwoNames), std::end(kTierTwoNames), name);
    return found != std::end(kTierTwoNames)
               ? std::optional{static_cast<TierTwo>(found - std::begin(kTierTwoNames))}
               : std::nullopt;
}

[[nodiscard]] constexpr bool waits_for_tier2(TierTwo tier2) {
    return tier2 == TierTwo::Sync || tier2 == TierTwo::Twice;
}
[[nodiscard]] constexpr TierTwoPolicy policy_of(TierTwo tier2) {
    return tier2 == TierTwo::Sync    ? TierTwoPolicy::Always
           : tier2 == TierTwo::Twice ? TierTwoPolicy::Twice
                                     : TierTwoPolicy::Hot;
}
[[nodiscard]] constexpr ServerKind server_kind(TierTwo tier2) {
    return tier2 == TierTwo::Sync    ? ServerKind::Waited
           : tier2 == TierTwo::Twice ? ServerKind::Twice
                                     : ServerKind::Background;
}

} // namespace ulna::runtime
