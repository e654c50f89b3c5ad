// A disk for tests, in memory.
#pragma once

#include <cerrno>
#include <cstring>
#include <vector>

#include "runtime/devices/virtio/block_backend.h"

namespace ulna::devices::virtio {

class MemoryDisk final : public BlockBackend {
  public:
    explicit MemoryDisk(u64 bytes = 1 << 16, bool read_only = false)
        : contents(bytes), read_only_(read_only) {}
    u64 bytes() const override { return contents.size(); }
    bool read_only() const override { return read_only_; }
    int do_read(u64 offset, Scatter to) override {
        scatter(to, 0, &contents[offset], contents.size() - offset);
        return error;
    }
    int do_write(u64 offset, Scatter from) override {
        gather(from, 0, &contents[offset], contents.size() - offset);
        return error;
    }
    int do_flush() override {
        ++flushes;
        return error;
    }
    int do_discard(u64, u64 bytes) override {
        discarded += bytes;
        return error;
    }
    int do_write_zeroes(u64 offset, u64 bytes) override {
        std::memset(&contents[offset], 0, bytes);
        return error;
    }

    std::vector<u8> contents;
    int error = 0; // what everything results in
    unsigned flushes = 0;
    u64 discarded = 0; // bytes

  private:
    bool read_only_;
};

} // namespace ulna::devices::virtio
