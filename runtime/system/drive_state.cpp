// Media in snapshots: which they are. One that has been changed since is opened again.
#include <algorithm>
#include <chrono>

#include "runtime/devices/virtio/scsi.h"
#include "runtime/system/block_drives.h"

namespace ulna::system {

namespace {

// Printable, as texts in snapshots are.
std::string escaped(const std::string& path) {
    std::string text;
    for (const char c : path) {
        const bool is_plain = c > ' ' && c <= '~' && c != '%';
        text += is_plain ? std::string{c} : "%" + std::to_string(static_cast<u8>(c)) + "%";
    }
    return text;
}

} // namespace

struct BlockDrives::Medium {
    std::string path; // escaped; empty: there is none
    std::string node; // its name, which people may have given it
    std::string identity;
    bool is_qcow2 = false, read_only = false, is_ours = false /* see changes_are_ours() */;

    [[nodiscard]] bool is_same(const Medium& other) const {
        return path == other.path && identity == other.identity;
    }
};

BlockDrives::Medium BlockDrives::medium_of(const BlockDrive& drive) const {
    const BlockNode* const node = drive.node.empty() ? nullptr : nodes_.find(drive.node);
    return node == nullptr
               ? Medium{}
               : Medium{.path = escaped(nodes_.bottom_of(*node).options.path),
                        .node = drive.node,
                        .identity = node->image->identity(),
                        .is_qcow2 = node->options.driver == BlockNodeOptions::Driver::Qcow2,
                        .read_only = node->image->read_only(),
                        .is_ours = node->image->changes_are_ours()};
}

void BlockDrives::note_named(const devices::virtio::BlockOptions& image) {
    const bool is_known = std::ranges::any_of(named_, [&](const auto& one) {
        return one.path == image.path && one.format == image.format &&
               one.read_only == image.read_only;
    });
    if (!is_known) {
        named_.push_back(image);
    }
}

// A node that people have made, or what they have put in before.
BlockNode* BlockDrives::find_medium(const Medium& wanted, std::string& why_not) {
    BlockNode* const node = nodes_.find(wanted.node);
    if (node != nullptr && !node->is_hidden && !node->is_attached && node->image != nullptr) {
        return node;
    }
    const auto named = std::ranges::find_if(named_, [&](const devices::virtio::BlockOptions& one) {
        return escaped(one.path) == wanted.path && one.read_only == wanted.read_only &&
               devices::virtio::is_qcow2(one) == wanted.is_qcow2;
    });
    if (named == named_.end()) {
        why_not = "it was '" + wanted.path + "': put that in, and load again";
        return nullptr;
    }
    auto nodes = nodes_.describe(*named);
    const std::string name = nodes.back().name;
    why_not = nodes_.add(std::move(nodes), true);
    return why_not.empty() ? nodes_.find(name) : nullptr;
}

std::string BlockDrives::exchange(BlockDrive& drive, const Medium& wanted) {
    const Medium now = medium_of(drive);
    if (now.is_ours || wanted.is_ours) {
        return "with -snapshot what was written to it is gone with the medium";
    }
    std::string why_not;
    BlockNode* const node = wanted.path.empty() ? nullptr : find_medium(wanted, why_not);
    if (!why_not.empty()) {
        return why_not;
    }
    if (node != nullptr && node->image->identity() != wanted.identity) {
        if (node->is_hidden) {
            static_cast<void>(nodes_.remove(node->options.name));
        }
        return "'" + wanted.path + "' is not what it was";
    }
    take_out(drive);
    if (node != nullptr) {
        put_into(drive, *node);
    }
    return "";
}

// Whoever changes a medium waits for the machine's lock, which we have: we cannot wait for them,
// but for those who only look.
void BlockDrives::visit_state(devices::StateVisitor& visit) {
    constexpr u64 kMostText = 5 * 4096;
    constexpr std::chrono::seconds kPatience{1};
    const std::unique_lock held{lock_, kPatience};
    if (!held) {
        visit.fail("a medium is being changed");
        return;
    }
    for (BlockDrive& drive : drives_) {
        if (!drive.is_removable || drive.bus == nullptr) {
            continue;
        }
        const Medium now = medium_of(drive);
        Medium wanted = now;
        for (std::string* const text : {&wanted.path, &wanted.node, &wanted.identity}) {
            visit.text(*text, kMostText);
        }
        visit(wanted.is_qcow2, wanted.read_only, wanted.is_ours);
        if (visit.loading() && !visit.failed() && !wanted.is_same(now)) {
            if (const std::string why_not = exchange(drive, wanted); !why_not.empty()) {
                visit.fail("medium of '" + drive.label() + "': " + why_not);
            }
        }
    }
}

} // namespace ulna::system
