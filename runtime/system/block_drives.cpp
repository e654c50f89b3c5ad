#include "runtime/system/block_drives.h"

#include <algorithm>
#include <utility>

#include "ir/support/check.h"
#include "runtime/devices/virtio/scsi.h"

namespace ulna::system {

namespace virtio = devices::virtio;

std::optional<MediumAccess> parse_access(std::string_view text) {
    return text == "retain"       ? std::optional{MediumAccess::Retain}
           : text == "read-only"  ? std::optional{MediumAccess::ReadOnly}
           : text == "read-write" ? std::optional{MediumAccess::ReadWrite}
                                  : std::nullopt;
}

std::optional<virtio::BlockFormat> parse_block_format(std::string_view text) {
    return text.empty()      ? std::optional{virtio::BlockFormat::Detect}
           : text == "raw"   ? std::optional{virtio::BlockFormat::Raw}
           : text == "qcow2" ? std::optional{virtio::BlockFormat::Qcow2}
                             : std::nullopt;
}

// --- While devices are made, or after they have gone

std::string BlockDrives::add_nodes(std::vector<BlockNodeOptions> nodes, unsigned unnamed) {
    const std::lock_guard held{lock_};
    nodes_.unnamed() = unnamed;
    return nodes_.add(std::move(nodes));
}

std::string BlockDrives::add(BlockDrive drive, const virtio::BlockOptions& image) {
    const std::lock_guard held{lock_};
    std::vector<BlockNodeOptions> nodes = nodes_.describe(image);
    drive.node = nodes.back().name;
    if (std::string why_not = nodes_.add(std::move(nodes), true); !why_not.empty()) {
        return why_not;
    }
    nodes_.find(drive.node)->is_attached = true;
    drives_.push_back(std::move(drive));
    note_named(image);
    return "";
}

std::string BlockDrives::attach(BlockDrive drive) {
    const std::lock_guard held{lock_};
    if (!drive.node.empty()) {
        BlockNode* const node = nodes_.find(drive.node);
        if (node == nullptr) {
            return "there is no node '" + drive.node + "'";
        }
        if (!node->parent.empty() || node->is_attached || node->image == nullptr) {
            return "node '" + drive.node + "' is in use";
        }
        node->is_attached = true;
    }
    drives_.push_back(std::move(drive));
    return "";
}

void BlockDrives::detach(const std::string& device) {
    const std::lock_guard held{lock_};
    const auto drive = std::ranges::find(drives_, device, &BlockDrive::device);
    if (drive == drives_.end()) {
        return;
    }
    if (BlockNode* const node = drive->node.empty() ? nullptr : nodes_.find(drive->node)) {
        node->is_attached = false;
        if (node->is_hidden) {
            static_cast<void>(nodes_.remove(drive->node));
        }
    }
    drives_.erase(drive);
}

std::shared_ptr<virtio::BlockBackend> BlockDrives::last_image() {
    const std::lock_guard held{lock_};
    const std::string& node = drives_.back().node;
    return node.empty() ? nullptr : nodes_.find(node)->image;
}

void BlockDrives::set_bus(const std::string& device, virtio::Scsi& bus, devices::scsi::Address at) {
    const std::lock_guard held{lock_};
    const auto drive = std::ranges::find(drives_, device, &BlockDrive::device);
    CHECK(drive != drives_.end());
    drive->bus = &bus;
    drive->at = at;
    bus.call(at, [&](devices::scsi::LogicalUnit& unit) {
        unit.on_tray_moved([this, name = drive->name, device](bool is_open) {
            machine_.tell({.kind = MachineEvent::Kind::TrayMoved,
                           .drive = name,
                           .device = device,
                           .is_open = is_open});
        });
    });
}

// --- Nodes

std::string BlockDrives::add_node(Properties& properties) {
    const std::lock_guard held{lock_};
    std::vector<BlockNodeOptions> nodes;
    parse_block_nodes(properties, nodes, nodes_.unnamed());
    if (std::string wrong = properties.finish(); !wrong.empty()) {
        return wrong;
    }
    return nodes.back().name.starts_with('#') ? "needs node-name=" : nodes_.add(std::move(nodes));
}

std::string BlockDrives::remove_node(const std::string& name) {
    const std::lock_guard held{lock_};
    const BlockNode* const node = nodes_.find(name);
    return node != nullptr && node->is_hidden ? "node '" + name + "' goes with its drive"
                                              : nodes_.remove(name);
}

// --- Media

BlockDrive* BlockDrives::find(const std::string& name) {
    const auto found = std::ranges::find_if(drives_, [&](const BlockDrive& drive) {
        return !name.empty() && (drive.name == name || drive.device == name ||
                                 drive.device == "/machine/peripheral/" + name + "/virtio-backend");
    });
    return found == drives_.end() ? nullptr : &*found;
}

bool BlockDrives::has(const std::string& drive) const {
    const std::lock_guard held{lock_};
    return const_cast<BlockDrives*>(this)->find(drive) != nullptr;
}

BlockDrive* BlockDrives::find_removable(const std::string& name, std::string& why_not) {
    BlockDrive* const drive = find(name);
    if (drive == nullptr) {
        why_not = "there is no drive '" + name + "'";
        return nullptr;
    }
    if (!drive->is_removable || drive->bus == nullptr) {
        why_not = "the medium of '" + name + "' is not removable";
        return nullptr;
    }
    return drive;
}

bool BlockDrives::is_open(const BlockDrive& drive) const { return look_at(drive).tray_is_open; }

bool BlockDrives::opens(const BlockDrive& drive, Force force) {
    bool is_open = true;
    drive.bus->call(drive.at, [&](devices::scsi::LogicalUnit& unit) {
        if (unit.tray_is_open()) {
            return;
        }
        if (unit.removal_is_prevented()) {
            unit.request_eject(force == Force::Yes);
        }
        is_open = !unit.removal_is_prevented();
        if (is_open) {
            unit.move_tray(true);
        }
    });
    return is_open;
}

void BlockDrives::close(const BlockDrive& drive) {
    drive.bus->call(drive.at, [](devices::scsi::LogicalUnit& unit) {
        if (unit.tray_is_open()) {
            unit.move_tray(false);
        }
    });
}

void BlockDrives::put_into(BlockDrive& drive, BlockNode& node) {
    drive.bus->call(drive.at,
                    [&](devices::scsi::LogicalUnit& unit) { unit.set_medium(node.image); });
    node.is_attached = true;
    drive.node = node.options.name;
}

void BlockDrives::take_out(BlockDrive& drive) {
    if (drive.node.empty()) {
        return;
    }
    BlockNode& node = *nodes_.find(drive.node);
    drive.bus->call(drive.at, [](devices::scsi::LogicalUnit& unit) { unit.set_medium(nullptr); });
    node.is_attached = false;
    drive.node.clear();
    if (node.is_hidden) {
        static_cast<void>(nodes_.remove(node.options.name));
    }
}

namespace {
std::string locked(const std::string& drive) {
    return "the guest locks '" + drive + "'; it has been asked to let go, and force does without";
}
} // namespace

std::string BlockDrives::open_tray(const std::string& name, Force force) {
    const std::lock_guard held{lock_};
    std::string why_not;
    if (const BlockDrive* const drive = find_removable(name, why_not)) {
        static_cast<void>(opens(*drive, force)); // or the guest has been asked to
    }
    return why_not;
}

std::string BlockDrives::close_tray(const std::string& name) {
    const std::lock_guard held{lock_};
    std::string why_not;
    if (const BlockDrive* const drive = find_removable(name, why_not)) {
        close(*drive);
    }
    return why_not;
}

std::string BlockDrives::remove_medium(const std::string& name) {
    const std::lock_guard held{lock_};
    std::string why_not;
    BlockDrive* const drive = find_removable(name, why_not);
    if (drive == nullptr) {
        return why_not;
    }
    if (!is_open(*drive)) {
        return "the tray of '" + name + "' is not open";
    }
    const std::lock_guard still{machine_.lock()};
    take_out(*drive);
    return "";
}

std::string BlockDrives::insert_medium(const std::string& name, const std::string& node_name) {
    const std::lock_guard held{lock_};
    std::string why_not;
    BlockDrive* const drive = find_removable(name, why_not);
    if (drive == nullptr) {
        return why_not;
    }
    BlockNode* const node = nodes_.find(node_name);
    if (node == nullptr) {
        return "there is no node '" + node_name + "'";
    }
    if (node->is_attached || !node->parent.empty() || node->image == nullptr) {
        return "node '" + node_name + "' is in use";
    }
    if (!is_open(*drive)) {
        return "the tray of '" + name + "' is not open";
    }
    if (!drive->node.empty()) {
        return "there is a medium in '" + name + "' already";
    }
    const std::lock_guard still{machine_.lock()};
    put_into(*drive, *node);
    return "";
}

std::string BlockDrives::eject(const std::string& name, Force force) {
    const std::lock_guard held{lock_};
    std::string why_not;
    BlockDrive* const drive = find_removable(name, why_not);
    if (drive == nullptr) {
        return why_not;
    }
    if (!opens(*drive, force)) {
        return locked(name);
    }
    const std::lock_guard still{machine_.lock()};
    take_out(*drive);
    return "";
}

// The new image is opened first, so that nothing changes if there is none.
std::string BlockDrives::change_medium(const std::string& name,
                                       virtio::BlockOptions image,
                                       MediumAccess access,
                                       Force force) {
    const std::lock_guard held{lock_};
    std::string why_not;
    BlockDrive* const drive = find_removable(name, why_not);
    if (drive == nullptr) {
        return why_not;
    }
    image.read_only =
        access == MediumAccess::ReadOnly || (access == MediumAccess::Retain && drive->reads_only);
    std::vector<BlockNodeOptions> nodes = nodes_.describe(image);
    const std::string node = nodes.back().name;
    why_not = nodes_.add(std::move(nodes), true);
    if (!why_not.empty()) {
        return why_not;
    }
    if (!opens(*drive, force)) {
        static_cast<void>(nodes_.remove(node));
        return locked(name);
    }
    note_named(image);
    const std::lock_guard still{machine_.lock()};
    take_out(*drive);
    put_into(*drive, *nodes_.find(node));
    close(*drive);
    return "";
}

// --- Looking

DriveReport BlockDrives::look_at(const BlockDrive& drive) const {
    DriveReport report{.drive = drive};
    if (drive.bus != nullptr && drive.is_removable) {
        drive.bus->call(drive.at, [&](devices::scsi::LogicalUnit& unit) {
            report.is_locked = unit.removal_is_prevented();
            report.tray_is_open = unit.tray_is_open();
        });
    }
    return report;
}

std::vector<DriveReport> BlockDrives::drives() const {
    const std::lock_guard held{lock_};
    std::vector<DriveReport> all;
    for (const BlockDrive& drive : drives_) {
        all.push_back(look_at(drive));
    }
    return all;
}

std::vector<BlockNodeOptions> BlockDrives::named_nodes() const {
    std::vector<BlockNodeOptions> all;
    for (NodeReport& node : nodes()) {
        if (!node.is_hidden) {
            all.push_back(std::move(node.options));
        }
    }
    return all;
}

std::vector<NodeReport> BlockDrives::nodes() const {
    const std::lock_guard held{lock_};
    std::vector<NodeReport> all;
    for (const auto& node : nodes_.all()) {
        const auto& image = nodes_.top_of(*node).image;
        all.push_back({.options = node->options,
                       .bottom = nodes_.bottom_of(*node).options,
                       .is_hidden = node->is_hidden,
                       .is_top = node->parent.empty(),
                       .reads_only = image != nullptr && image->read_only(),
                       .bytes = image != nullptr ? image->bytes() : 0,
                       .image = image});
    }
    return all;
}

} // namespace ulna::system
