// A tracer's watchpoints as registers, which threads and slots of ptrace(2) have.
#pragma once

#include <array>

#include "ir/support/types.h"

namespace ulna::user {

struct TraceWatchpoint {
    u64 address = 0; // of eight bytes
    u32 control = 0; // as DBGWCR: enabled, privilege, accesses, bytes

    friend bool operator==(const TraceWatchpoint&, const TraceWatchpoint&) = default;
};
inline constexpr unsigned kTraceWatchpoints = 4;
using TraceWatchpoints = std::array<TraceWatchpoint, kTraceWatchpoints>;

} // namespace ulna::user
