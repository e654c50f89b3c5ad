// What a virtual disk stores its bytes in. Offsets and lengths are in bytes, lie inside the disk,
// and are multiples of 512. Not thread-safe: a disk's worker thread is the only user.
// Results are 0 or an errno.
#pragma once

#include <memory>
#include <string>

#include "runtime/devices/state_image.h"
#include "runtime/devices/virtio/scatter.h"

namespace ulna::devices::virtio {

class BlockBackend {
  public:
    static constexpr u64 kSectorBytes = 512;

    virtual ~BlockBackend() = default;
    [[nodiscard]] virtual u64 bytes() const = 0;
    [[nodiscard]] virtual bool read_only() const = 0;
    [[nodiscard]] virtual int read(u64 offset, Scatter to) = 0;
    [[nodiscard]] virtual int write(u64 offset, Scatter from) = 0;
    [[nodiscard]] virtual int flush() = 0; // what was written survives a crash of the host
    // The contents are no longer needed; what is read there afterwards is anything.
    [[nodiscard]] virtual int discard(u64 offset, u64 bytes) = 0;
    [[nodiscard]] virtual int write_zeroes(u64 offset, u64 bytes) = 0;

    // --- for snapshots of machines. Whether what was written is in a file of our own, and what is
    // there; not while a request is served.
    [[nodiscard]] virtual bool changes_are_ours() const { return false; }
    [[nodiscard]] virtual std::unique_ptr<StateImage> image(std::string /*name*/) {
        return nullptr;
    }
    void add_image(StateImages& images, std::string name) {
        if (auto one = image(std::move(name))) {
            images.push_back(std::move(one));
        }
    }
    // In a line; empty: its state can be that of a snapshot again.
    [[nodiscard]] std::string why_not_loaded() const {
        return read_only() || changes_are_ours() ? ""
                                                 : "a disk whose image is written cannot go back: "
                                                   "-snapshot keeps the image as it is";
    }
    // Which image it is, as far as can be told.
    [[nodiscard]] const std::string& identity() const { return identity_; }
    void set_identity(std::string identity) { identity_ = std::move(identity); }

    // As QEMU names it: raw, qcow2 or nbd.
    [[nodiscard]] const std::string& format() const { return format_; }
    void set_format(std::string format) { format_ = std::move(format); }

  private:
    std::string identity_, format_;
};

enum class BlockFormat : u8 { Detect, Raw, Qcow2 };

struct BlockOptions {
    std::string path; // of an image, or an NBD server's address (nbd_client.h)
    bool read_only = false;
    bool snapshot = false; // writes go to a temporary file; the image stays as it is
    // A guest can make a raw image look like another: whoever does not trust it says what it is.
    BlockFormat format = BlockFormat::Detect;
};

// Null with a reason, one line.
[[nodiscard]] std::unique_ptr<BlockBackend> open_block_backend(const BlockOptions& options,
                                                               std::string& why_not);

} // namespace ulna::devices::virtio
