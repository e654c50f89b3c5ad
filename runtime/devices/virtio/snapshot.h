// A disk whose image is only read: what is written goes to a temporary file of the same size, at
// the same offset, and a bit per cluster says which of both has it. The temporary file is sparse.
#pragma once

#include "runtime/devices/virtio/block_backend.h"

namespace ulna::devices::virtio {

class Snapshot final : public BlockBackend {
  public:
    // The page of most guests: what they write needs no copy of what lies around it.
    static constexpr u64 kClusterBytes = 4096;

    Snapshot(std::unique_ptr<BlockBackend> base, std::unique_ptr<BlockBackend> overlay);

    [[nodiscard]] u64 bytes() const override { return base_->bytes(); }
    [[nodiscard]] bool read_only() const override { return false; }
    [[nodiscard]] int do_read(u64 offset, Scatter to) override;
    [[nodiscard]] int do_write(u64 offset, Scatter from) override;
    [[nodiscard]] int do_flush() override { return 0; } // nothing is to survive
    [[nodiscard]] int do_discard(u64 offset, u64 bytes) override;
    [[nodiscard]] int do_write_zeroes(u64 offset, u64 bytes) override;
    [[nodiscard]] bool changes_are_ours() const override { return true; }
    [[nodiscard]] std::unique_ptr<StateImage> image(std::string name) override;

  private:
    class Image;

    // Before [offset, offset + bytes) is overwritten in the overlay: the clusters of its ends that
    // it covers only in part are copied, and all become the overlay's.
    [[nodiscard]] int prepare(u64 offset, u64 bytes);
    [[nodiscard]] int copy_cluster(u64 cluster);

    std::unique_ptr<BlockBackend> base_, overlay_;
    std::vector<bool> changed_; // a bit per cluster: the overlay has it
};

} // namespace ulna::devices::virtio
