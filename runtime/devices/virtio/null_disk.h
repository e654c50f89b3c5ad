// A disk without an image: it reads as zeroes, and what is written is gone.
#pragma once

#include "runtime/devices/virtio/block_backend.h"

namespace ulna::devices::virtio {

class NullDisk final : public BlockBackend {
  public:
    NullDisk(u64 bytes, bool read_only) : bytes_{bytes}, read_only_{read_only} {}
    [[nodiscard]] u64 bytes() const override { return bytes_; }
    [[nodiscard]] bool read_only() const override { return read_only_; }

  private:
    [[nodiscard]] int do_read(u64 /*offset*/, Scatter to) override {
        fill(to, 0);
        return 0;
    }
    [[nodiscard]] int do_write(u64 /*offset*/, Scatter /*from*/) override { return 0; }
    [[nodiscard]] int do_flush() override { return 0; }
    [[nodiscard]] int do_discard(u64 /*offset*/, u64 /*bytes*/) override { return 0; }
    [[nodiscard]] int do_write_zeroes(u64 /*offset*/, u64 /*bytes*/) override { return 0; }

    u64 bytes_;
    bool read_only_;
};

} // namespace ulna::devices::virtio
