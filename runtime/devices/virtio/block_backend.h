// What a virtual disk stores its bytes in. Offsets and lengths are in bytes, lie inside the disk,
// and are multiples of 512. Not thread-safe: a disk's worker thread is the only user.
// Results are 0 or an errno.
#pragma once

#include <memory>
#include <string>

#include "runtime/devices/state_image.h"
#include "runtime/devices/virtio/block_counters.h"
#include "runtime/devices/virtio/scatter.h"

namespace ulna::devices::virtio {

class BlockBackend {
  public:
    static constexpr u64 kSectorBytes = 512;

    virtual ~BlockBackend() = default;
    [[nodiscard]] virtual u64 bytes() const = 0;
    [[nodiscard]] virtual bool read_only() const = 0;
    [[nodiscard]] int read(u64 offset, Scatter to) {
        return counters_.count(BlockCounters::Read, offset, total_bytes(to),
                               [&] { return do_read(offset, to); });
    }
    [[nodiscard]] int write(u64 offset, Scatter from) {
        return counters_.count(BlockCounters::Write, offset, total_bytes(from),
                               [&] { return do_write(offset, from); });
    }
    [[nodiscard]] int write_zeroes(u64 offset, u64 bytes) {
        return counters_.count(BlockCounters::Write, offset, bytes,
                               [&] { return do_write_zeroes(offset, bytes); });
    }
    // What was written survives a crash of the host, unless the user does not care.
    [[nodiscard]] int flush() {
        return counters_.count(BlockCounters::Flush, 0, 0,
                               [&] { return policy_.flushes ? do_flush() : 0; });
    }
    // The contents are no longer needed; what is read there afterwards is anything.
    [[nodiscard]] int discard(u64 offset, u64 bytes) {
        return counters_.count(BlockCounters::Unmap, offset, bytes,
                               [&] { return policy_.discards ? do_discard(offset, bytes) : 0; });
    }
    // From any thread.
    [[nodiscard]] const BlockCounters& counters() const { return counters_; }

    struct Policy {
        bool discards = true; // what is discarded goes back to the host
        bool flushes = true;
    };
    void set_policy(Policy policy) { policy_ = policy; }

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
    [[nodiscard]] virtual int do_read(u64 offset, Scatter to) = 0;
    [[nodiscard]] virtual int do_write(u64 offset, Scatter from) = 0;
    [[nodiscard]] virtual int do_flush() = 0;
    [[nodiscard]] virtual int do_discard(u64 offset, u64 bytes) = 0;
    [[nodiscard]] virtual int do_write_zeroes(u64 offset, u64 bytes) = 0;

    std::string identity_, format_;
    Policy policy_;
    BlockCounters counters_;
};

enum class BlockFormat : u8 { Detect, Raw, Qcow2, Null /* no image: zeroes */ };

struct BlockOptions {
    std::string path; // of an image, or an NBD server's address (nbd_client.h)
    bool read_only = false;
    bool snapshot = false; // writes go to a temporary file; the image stays as it is
    // A guest can make a raw image look like another: whoever does not trust it says what it is.
    BlockFormat format = BlockFormat::Detect;
    bool auto_read_only = false; // an image that cannot be written is only read
    BlockBackend::Policy policy;
    u64 null_bytes = 0; // of Null
};

// Whether it is one, as the options say or as it looks.
[[nodiscard]] bool is_qcow2(const BlockOptions& image);
// Null with a reason, one line.
[[nodiscard]] std::unique_ptr<BlockBackend> open_block_backend(const BlockOptions& options,
                                                               std::string& why_not);

} // namespace ulna::devices::virtio
