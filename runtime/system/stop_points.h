// What stops a machine's CPUs.
#pragma once

#include <vector>

#include "ir/watchpoints.h"
#include "runtime/debug/stop_points.h"

namespace ulna::system {

using ir::WatchedRange;
using runtime::debug::StopPoints;

// A debugger's own, which every CPU heeds. Changed while all are parked only.
struct DebuggerPoints {
    std::vector<GuestAddr> breakpoints;
    std::vector<WatchedRange> watched;
};

} // namespace ulna::system
