// Events of a machine as QMP's clients read them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/system/machine_event.h"
#include "runtime/system/qmp/protocol.h"

namespace ulna::system::qmp {

// A line. `microseconds`: when it happened, since 1970.
[[nodiscard]] std::string event_line(const MachineEvent& event, u64 microseconds);

// All that there are, and what they come with.
struct EventDescription {
    std::string name;
    std::vector<Argument> data;
};
[[nodiscard]] std::vector<EventDescription> describe_events();

} // namespace ulna::system::qmp
