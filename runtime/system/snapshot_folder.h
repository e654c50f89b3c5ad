// Where snapshots are: files of a folder, by name.
#pragma once

#include <string>

#include "runtime/devices/state_visitor.h"

namespace ulna::system {

// What a list tells of a snapshot.
struct SnapshotAbout {
    static constexpr const char* kSection = "about";
    static constexpr u32 kVersion = 1;
    u64 made_s = 0;  // since 1970
    u64 guest_s = 0; // since the guest was switched on
    void visit_state(devices::StateVisitor& visit) {
        visit(made_s, guest_s);
        visit.finish();
    }
};

// `folder` may be empty: the current one. Empty, with a line, for what is no name.
[[nodiscard]] std::string
snapshot_path(const std::string& folder, const std::string& name, std::string& why_not);
// Why not, in a line, or nothing.
[[nodiscard]] std::string remove_snapshot(const std::string& folder, const std::string& name);
[[nodiscard]] std::string list_snapshots(const std::string& folder); // a table

} // namespace ulna::system
