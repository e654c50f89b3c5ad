// Events of a machine as QMP's clients read them.
#pragma once

#include <optional>
#include <string>

#include "runtime/system/machine_event.h"

namespace ulna::system::qmp {

// A line. `microseconds`: when it happened, since 1970.
[[nodiscard]] std::string event_line(const MachineEvent& event, u64 microseconds);

} // namespace ulna::system::qmp
