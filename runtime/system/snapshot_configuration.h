// What a machine is made of, as a snapshot says it.
#pragma once

#include "runtime/system/snapshots.h"

namespace ulna::system {

inline constexpr const char* kConfigurationSection = "configuration";
inline constexpr u32 kConfigurationVersion = 1;

// Of what is not a device: devices say themselves what they are.
[[nodiscard]] Snapshots::Configuration snapshot_configuration(const SystemOptions& options);
void visit_configuration(Snapshots::Configuration& configuration, devices::StateVisitor& visit);
// The first one, in a line; empty: they are equal.
[[nodiscard]] std::string difference(const Snapshots::Configuration& snapshot,
                                     const Snapshots::Configuration& machine);

} // namespace ulna::system
