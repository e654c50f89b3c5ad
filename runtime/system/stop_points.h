// What stops a machine's CPUs.
#pragma once

#include <vector>

#include "runtime/debug/stop_points.h"

namespace ulna::system {

using runtime::debug::StopPoints;

struct WatchedRange {
    GuestAddr start = 0;
    u64 bytes = 0;
    bool reads = false, writes = false;

    [[nodiscard]] bool overlaps(GuestAddr at, u64 count) const {
        return at - start < bytes || start - at < count;
    }
    friend bool operator==(const WatchedRange&, const WatchedRange&) = default;
};

// A debugger's own, which every CPU heeds. Changed while all are parked only.
struct DebuggerPoints {
    std::vector<GuestAddr> breakpoints;
    std::vector<WatchedRange> watched;
};

} // namespace ulna::system
