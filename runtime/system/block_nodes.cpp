#include "runtime/system/block_nodes.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "ir/support/check.h"

namespace ulna::system {

namespace virtio = devices::virtio;
using Driver = BlockNodeOptions::Driver;

namespace {

// The drivers of files are picky, so that nobody takes one for the other.
std::string why_no_file(const BlockNodeOptions& node) {
    struct stat info {};
    const bool is_there = stat(node.path.c_str(), &info) == 0;
    if (is_there && node.driver == Driver::File && !S_ISREG(info.st_mode)) {
        return "'" + node.path + "' is no regular file, as driver file wants";
    }
    if (is_there && node.driver == Driver::HostDevice && !S_ISBLK(info.st_mode)) {
        return "'" + node.path + "' is no block device, as driver host_device wants";
    }
    return "";
}

} // namespace

BlockNode* BlockNodes::find(const std::string& name) {
    const auto found =
        std::ranges::find_if(nodes_, [&](const auto& node) { return node->options.name == name; });
    return found == nodes_.end() ? nullptr : found->get();
}

const BlockNode* BlockNodes::find(const std::string& name) const {
    return const_cast<BlockNodes*>(this)->find(name);
}

const BlockNode& BlockNodes::top_of(const BlockNode& node) const {
    return node.parent.empty() ? node : top_of(*find(node.parent));
}

const BlockNode& BlockNodes::bottom_of(const BlockNode& node) const {
    return node.options.is_format() ? bottom_of(*find(node.options.child)) : node;
}

std::string BlockNodes::link(const BlockNodeOptions& options, bool is_hidden) {
    if (find(options.name) != nullptr) {
        return "there is a node '" + options.name + "' already";
    }
    if (options.is_format()) {
        BlockNode* const child = find(options.child);
        if (child == nullptr) {
            return "there is no node '" + options.child + "'";
        }
        if (!child->parent.empty() || child->is_attached) {
            return "node '" + options.child + "' is in use";
        }
        child->parent = options.name;
        child->image.reset(); // it is opened anew by whoever is on top
    }
    nodes_.push_back(
        std::make_unique<BlockNode>(BlockNode{.options = options, .is_hidden = is_hidden}));
    return "";
}

void BlockNodes::unlink(const std::string& name) {
    BlockNode* const node = find(name);
    BlockNode* const child = node->options.is_format() ? find(node->options.child) : nullptr;
    if (child != nullptr) {
        child->parent.clear();
    }
    std::erase_if(nodes_, [&](const auto& one) { return one.get() == node; });
}

std::optional<virtio::BlockOptions> BlockNodes::image_of(const BlockNode& node,
                                                         std::string& why_not) const {
    const BlockNodeOptions& top = node.options;
    virtio::BlockOptions image{.read_only = top.read_only,
                               .snapshot = top.snapshot,
                               .format = virtio::BlockFormat::Raw,
                               .auto_read_only = top.auto_read_only,
                               .policy = top.policy};
    const BlockNode* below = &node;
    while (below->options.is_format()) {
        const bool is_qcow2 = below->options.driver == Driver::Qcow2;
        below = find(below->options.child);
        if (is_qcow2) {
            if (image.format == virtio::BlockFormat::Qcow2 ||
                below->options.driver > Driver::HostDevice) {
                why_not =
                    "node '" + top.name + "': a qcow2 image has to be in a file or a block device";
                return std::nullopt;
            }
            image.format = virtio::BlockFormat::Qcow2;
        }
        const bool is_locked = below->options.read_only && !image.read_only && !image.snapshot;
        if (is_locked && !image.auto_read_only) {
            why_not = "node '" + top.name + "' cannot be written, as '" + below->options.name +
                      "' is read-only";
            return std::nullopt;
        }
        image.read_only |= is_locked;
        image.policy.flushes &= below->options.policy.flushes;
        image.policy.discards &= below->options.policy.discards;
    }
    const BlockNodeOptions& bottom = below->options;
    image.path = bottom.path;
    if (bottom.driver == Driver::NullCo || bottom.driver == Driver::NullAio) {
        image.format = virtio::BlockFormat::Null;
        image.null_bytes = bottom.null_bytes;
    }
    why_not = why_no_file(bottom);
    return why_not.empty() ? std::optional{image} : std::nullopt;
}

std::string BlockNodes::open(BlockNode& node) const {
    std::string why_not;
    if (const auto image = image_of(node, why_not)) {
        node.image = virtio::open_block_backend(*image, why_not);
    }
    return node.image != nullptr ? "" : why_not;
}

std::string BlockNodes::add(std::vector<BlockNodeOptions> nodes, bool are_hidden) {
    std::size_t linked = 0;
    std::string why_not;
    while (why_not.empty() && linked < nodes.size()) {
        why_not = link(nodes[linked], are_hidden);
        linked += why_not.empty() ? 1 : 0;
    }
    for (std::size_t n = 0; why_not.empty() && n < linked; ++n) {
        BlockNode& node = *find(nodes[n].name);
        why_not = node.parent.empty() ? open(node) : "";
    }
    if (!why_not.empty()) {
        while (linked > 0) {
            unlink(nodes[--linked].name);
        }
        for (const auto& node : nodes_) { // what was below them
            if (node->parent.empty() && node->image == nullptr) {
                static_cast<void>(open(*node));
            }
        }
    }
    return why_not;
}

std::string BlockNodes::remove(const std::string& name) {
    const BlockNode* const node = find(name);
    if (node == nullptr) {
        return "there is no node '" + name + "'";
    }
    if (!node->parent.empty() || node->is_attached) {
        return "node '" + name + "' is in use";
    }
    const std::string below = node->options.child;
    unlink(name);
    BlockNode* const child = below.empty() ? nullptr : find(below);
    if (child != nullptr && (child->is_hidden || child->options.name.starts_with('#'))) {
        return remove(below);
    }
    if (child != nullptr) {
        static_cast<void>(open(*child)); // as it was before; whoever wants it will see
    }
    return "";
}

std::vector<BlockNodeOptions> BlockNodes::describe(const virtio::BlockOptions& image) {
    const auto name = [this] { return "#block" + std::to_string(unnamed_++); };
    const bool is_server = image.path.starts_with("nbd:");
    struct stat info {};
    const bool is_device = stat(image.path.c_str(), &info) == 0 && S_ISBLK(info.st_mode);
    BlockNodeOptions below{.driver = is_server   ? Driver::Nbd
                                     : is_device ? Driver::HostDevice
                                                 : Driver::File,
                           .name = name(),
                           .path = image.path,
                           .read_only = image.read_only,
                           .policy = image.policy};
    BlockNodeOptions top{.driver = virtio::is_qcow2(image) ? Driver::Qcow2 : Driver::Raw,
                         .name = name(),
                         .child = below.name,
                         .read_only = image.read_only,
                         .auto_read_only = image.auto_read_only,
                         .snapshot = image.snapshot,
                         .policy = image.policy};
    return {std::move(below), std::move(top)};
}

} // namespace ulna::system
