// A tracer's hardware breakpoints and watchpoints as registers, which threads and slots of
// ptrace(2) have.
#pragma once

#include <array>

#include "ir/support/types.h"

namespace ulna::user {

struct HardwarePoint {
    u64 address = 0; // of eight bytes, or of an instruction
    u32 control = 0; // as DBGWCR, DBGBCR: enabled, privilege, accesses, bytes

    friend bool operator==(const HardwarePoint&, const HardwarePoint&) = default;
};
inline constexpr unsigned kTraceWatchpoints = 4, kTraceBreakpoints = 6; // as Neoverse N1
using TraceWatchpoints = std::array<HardwarePoint, kTraceWatchpoints>;
using TraceBreakpoints = std::array<HardwarePoint, kTraceBreakpoints>;

} // namespace ulna::user
