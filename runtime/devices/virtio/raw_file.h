// A raw disk image, or a block device of the host.
#pragma once

#include "runtime/devices/virtio/block_backend.h"

namespace ulna::devices::virtio {

class RawFile final : public BlockBackend {
  public:
    // Locks the file against other users of this kind: a writer wants to be alone.
    [[nodiscard]] static std::unique_ptr<RawFile>
    open(const std::string& path, bool read_only, std::string& why_not);
    // A file of its own that is gone with this object; it reads as zeroes.
    [[nodiscard]] static std::unique_ptr<RawFile> temporary(u64 bytes, std::string& why_not);
    ~RawFile() override;

    [[nodiscard]] u64 bytes() const override { return bytes_; }
    [[nodiscard]] bool read_only() const override { return read_only_; }
    [[nodiscard]] int do_read(u64 offset, Scatter to) override;
    [[nodiscard]] int do_write(u64 offset, Scatter from) override;
    [[nodiscard]] int do_flush() override;
    [[nodiscard]] int do_discard(u64 offset, u64 bytes) override;
    [[nodiscard]] int do_write_zeroes(u64 offset, u64 bytes) override;

  private:
    RawFile(int fd, u64 bytes, bool read_only) : fd_(fd), bytes_(bytes), read_only_(read_only) {}

    int fd_;
    u64 bytes_; // whole sectors: the end of a file that has a part of one reads as zeroes
    bool read_only_;
};

} // namespace ulna::devices::virtio
