// The block nodes of a machine: images, and formats on top of them. The image behind a chain of
// nodes is open in the topmost one alone. Not thread-safe (block_drives.h has the lock).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/system/block_node_options.h"

namespace ulna::system {

struct BlockNode {
    BlockNodeOptions options;
    std::string parent;     // the node on top of it; empty: it is the topmost
    bool is_hidden = false; // of a drive or medium that was not made of nodes, and goes with it
    bool is_attached = false;
    std::shared_ptr<devices::virtio::BlockBackend> image; // of a topmost one
};

class BlockNodes {
  public:
    // Nodes that go together, those below others first. Says why not, in a line; then there is none
    // of them.
    [[nodiscard]] std::string add(std::vector<BlockNodeOptions> nodes, bool are_hidden = false);
    // With the hidden ones below it.
    [[nodiscard]] std::string remove(const std::string& name);
    // What makes an image's own nodes, for add(): the topmost is the last. `path` may be the
    // address of an NBD server.
    [[nodiscard]] std::vector<BlockNodeOptions>
    describe(const devices::virtio::BlockOptions& image);

    [[nodiscard]] BlockNode* find(const std::string& name);
    [[nodiscard]] const BlockNode* find(const std::string& name) const;
    [[nodiscard]] const std::vector<std::unique_ptr<BlockNode>>& all() const { return nodes_; }
    // The topmost of its chain, which has the image.
    [[nodiscard]] const BlockNode& top_of(const BlockNode& node) const;
    // The one that knows where the image is.
    [[nodiscard]] const BlockNode& bottom_of(const BlockNode& node) const;
    [[nodiscard]] unsigned& unnamed() { return unnamed_; }

  private:
    [[nodiscard]] std::string link(const BlockNodeOptions& options, bool is_hidden);
    void unlink(const std::string& name);
    [[nodiscard]] std::string open(BlockNode& node) const;
    // Nothing, with a reason.
    [[nodiscard]] std::optional<devices::virtio::BlockOptions> image_of(const BlockNode& node,
                                                                        std::string& why_not) const;

    std::vector<std::unique_ptr<BlockNode>> nodes_; // in the order in which they came
    unsigned unnamed_ = 0;
};

} // namespace ulna::system
