// What machines have as disks.
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/system/qmp/commands.h"

namespace ulna::system::qmp {

namespace {

using devices::virtio::BlockCounters;
using Nodes = std::vector<NodeReport>;

const NodeReport* find(const Nodes& nodes, const std::string& name) {
    const auto found = std::ranges::find_if(
        nodes, [&](const NodeReport& node) { return node.options.name == name; });
    return found == nodes.end() ? nullptr : &*found;
}

Json image_info(const NodeReport& node) {
    constexpr i64 kBlockBytes = 512; // of st_blocks
    struct stat info;
    const std::string& file = node.bottom.path;
    const bool is_file = !file.empty() && stat(file.c_str(), &info) == 0;
    Json image = {{"filename", file},
                  {"format", node.options.driver_name()},
                  {"virtual-size", node.bytes},
                  {"dirty-flag", false}};
    if (is_file) {
        image["actual-size"] = info.st_blocks * kBlockBytes;
        if (!node.options.is_format()) {
            image["virtual-size"] =
                S_ISREG(info.st_mode) ? static_cast<u64>(info.st_size) : node.bytes;
        }
    }
    return image;
}

// Without limits of speed.
Json node_info(const NodeReport& node) {
    Json info = {{"file", node.bottom.path},
                 {"node-name", node.options.name},
                 {"drv", node.options.driver_name()},
                 {"ro", node.reads_only},
                 {"active", true},
                 {"encrypted", false},
                 {"detect_zeroes", "off"},
                 {"backing_file_depth", 0},
                 {"write_threshold", 0}};
    for (const char* const limit : {"bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"}) {
        info[limit] = 0;
    }
    info["cache"] = {{"writeback", true},
                     {"direct", node.options.direct},
                     {"no-flush", !node.options.policy.flushes}};
    info["image"] = image_info(node);
    return info;
}

Json statistics(const BlockCounters* counters) {
    Json all = {{"timed_stats", Json::array()},
                {"account_invalid", true},
                {"account_failed", true},
                {"wr_highest_offset", counters != nullptr ? counters->write_end() : 0}};
    constexpr struct {
        const char* name;
        BlockCounters::Kind kind;
    } kKinds[] = {{"rd", BlockCounters::Read},
                  {"wr", BlockCounters::Write},
                  {"flush", BlockCounters::Flush},
                  {"unmap", BlockCounters::Unmap}};
    for (const auto& [name, kind] : kKinds) {
        const std::string of = name;
        const auto counts = counters != nullptr ? counters->of(kind) : BlockCounters::Counts{};
        all[of + "_operations"] = counts.operations;
        all[of + "_total_time_ns"] = counts.ns;
        all["failed_" + of + "_operations"] = counts.failed;
        all["invalid_" + of + "_operations"] = 0;
        if (kind != BlockCounters::Flush) {
            all[of + "_bytes"] = counts.bytes;
            all[of + "_merged"] = 0;
        }
    }
    for (const char* const none :
         {"zone_append_bytes", "zone_append_operations", "zone_append_total_time_ns",
          "zone_append_merged", "failed_zone_append_operations",
          "invalid_zone_append_operations"}) {
        all[none] = 0;
    }
    return all;
}

const BlockCounters* counters_of(const NodeReport* node) {
    return node != nullptr && node->image != nullptr ? &node->image->counters() : nullptr;
}

// Of a node and those below it.
Json node_statistics(const Nodes& nodes, const NodeReport& node) {
    Json one = {{"node-name", node.options.name}, {"stats", statistics(counters_of(&node))}};
    if (const NodeReport* const below = find(nodes, node.options.child)) {
        one["parent"] = node_statistics(nodes, *below);
    }
    return one;
}

} // namespace

Result query_drives(const MachineParts& parts, const Json&) {
    BlockDrives& drives = parts.board.drives();
    const Nodes nodes = drives.nodes();
    Json all = Json::array();
    for (const DriveReport& report : drives.drives()) {
        const BlockDrive& drive = report.drive;
        Json one = {{"device", drive.name},
                    {"type", "unknown"},
                    {"removable", drive.is_removable},
                    {"locked", report.is_locked},
                    {"io-status", "ok"}};
        if (!drive.device.empty()) {
            one["qdev"] = drive.device;
        }
        if (drive.is_removable) {
            one["tray_open"] = report.tray_is_open;
        }
        if (const NodeReport* const node = find(nodes, drive.node)) {
            one["inserted"] = node_info(*node);
        }
        all.push_back(std::move(one));
    }
    return all;
}

// The images of a node's lower ones are not in it, `flat` or not.
Result query_nodes(const MachineParts& parts, const Json&) {
    Json all = Json::array();
    for (const NodeReport& node : parts.board.drives().nodes()) {
        all.push_back(node_info(node));
    }
    return all;
}

Result query_block_statistics(const MachineParts& parts, const Json& arguments) {
    BlockDrives& drives = parts.board.drives();
    const Nodes nodes = drives.nodes();
    Json all = Json::array();
    if (arguments.value("query-nodes", false)) {
        for (const NodeReport& node : nodes) {
            all.push_back(node_statistics(nodes, node));
        }
        return all;
    }
    for (const DriveReport& report : drives.drives()) {
        const NodeReport* const node = find(nodes, report.drive.node);
        Json one =
            node != nullptr ? node_statistics(nodes, *node) : Json{{"stats", statistics(nullptr)}};
        one["device"] = report.drive.name;
        if (!report.drive.device.empty()) {
            one["qdev"] = report.drive.device;
        }
        all.push_back(std::move(one));
    }
    return all;
}

} // namespace ulna::system::qmp
