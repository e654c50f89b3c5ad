// The monitor's commands about disks and drives.
#define FMT_HEADER_ONLY
#include <fmt/format.h>

#include "runtime/system/monitor.h"

namespace ulna::system {

namespace {

std::string as_line(const std::string& message) { return message.empty() ? "" : message + "\n"; }

std::string node_line(const NodeReport& node) {
    return fmt::format("{} ({}{})\n", node.bottom.path, node.options.driver_name(),
                       node.reads_only ? ", read-only" : "");
}

const char* cache_mode(const NodeReport& node) {
    const bool flushes = node.options.policy.flushes;
    return !flushes              ? "writeback, ignore flushes"
           : node.options.direct ? "writeback, direct"
                                 : "writeback";
}

std::string describe(const DriveReport& report, const NodeReport* medium) {
    const BlockDrive& drive = report.drive;
    const bool is_hidden = medium == nullptr || medium->is_hidden;
    const std::string& label = drive.name.empty() && !is_hidden ? drive.node : drive.label();
    std::string text = label;
    if (medium != nullptr && medium->options.name != label) {
        text += fmt::format(" ({})", medium->options.name);
    }
    text += ": " + (medium != nullptr ? node_line(*medium) : "[not inserted]\n");
    if (!drive.device.empty()) {
        text += fmt::format("    Attached to:      {}\n", drive.device);
    }
    if (drive.is_removable) {
        text +=
            fmt::format("    Removable device: {}locked, tray {}\n", report.is_locked ? "" : "not ",
                        report.tray_is_open ? "open" : "closed");
    }
    if (medium != nullptr) {
        text += fmt::format("    Cache mode:       {}\n", cache_mode(*medium));
    }
    return text;
}

std::string describe(const NodeReport& node) {
    return fmt::format("{}: {}    Cache mode:       {}\n", node.options.name, node_line(node),
                       cache_mode(node));
}

} // namespace

std::string Monitor::info_block(const Words& arguments) {
    const bool wants_nodes = !arguments.empty() && arguments[0] == "-n";
    const std::vector<NodeReport> nodes = control_.drives().nodes();
    std::vector<std::string> all;
    if (wants_nodes) {
        for (const NodeReport& node : nodes) {
            all.push_back(describe(node));
        }
    }
    for (const DriveReport& report : control_.drives().drives()) {
        const bool is_asked_for = arguments.empty() || arguments[0] == report.drive.label();
        if (!wants_nodes && is_asked_for) {
            const auto medium = std::ranges::find_if(nodes, [&](const NodeReport& node) {
                return node.options.name == report.drive.node;
            });
            all.push_back(describe(report, medium != nodes.end() ? &*medium : nullptr));
        }
    }
    return fmt::format("{}", fmt::join(all, "\n"));
}

std::string Monitor::eject(const Words& arguments) {
    using Force = BlockDrives::Force;
    const bool is_forced = arguments.size() == 2;
    if (is_forced && arguments[0] != "-f") {
        return "usage: eject [-f] DRIVE\n";
    }
    return as_line(control_.drives().eject(arguments.back(), is_forced ? Force::Yes : Force::No));
}

std::string Monitor::change(const Words& arguments) {
    const bool is_forced = arguments[0] == "-f";
    const Words rest{arguments.begin() + (is_forced ? 1 : 0), arguments.end()};
    const auto format = parse_block_format(rest.size() > 2 ? rest[2] : "");
    const auto access = parse_access(rest.size() > 3 ? rest[3] : "retain");
    if (rest.size() < 2 || !format || !access) {
        return "usage: change [-f] DRIVE FILE [raw|qcow2 [retain|read-only|read-write]]\n";
    }
    return as_line(control_.drives().change_medium(
        rest[0], {.path = rest[1], .format = *format}, *access,
        is_forced ? BlockDrives::Force::Yes : BlockDrives::Force::No));
}

} // namespace ulna::system
