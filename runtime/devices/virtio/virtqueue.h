// A split virtqueue from the device's side (virtio 1.2, section 2.7).
//
// The rings are memory that vCPUs write at any time, so everything read from there is read once,
// checked, and only then used. What cannot be right - a loop, an address that is not RAM, a buffer
// to read after one to write - breaks the queue: it yields no more chains until it is set up again,
// and its owner asks the driver for a reset. All calls are made with the machine's lock held; the
// other side are vCPUs, with which indices are exchanged by acquire and release.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/devices/physical_memory.h"
#include "runtime/devices/state_visitor.h"
#include "runtime/devices/virtio/scatter.h"

namespace ulna::devices::virtio {

// A request: buffers that the device reads, then buffers that it writes.
struct Chain {
    u16 head = 0;
    u64 generation = 0; // of the queue that it came from
    size_t readable_pieces = 0;
    std::vector<iovec> pieces;

    [[nodiscard]] Scatter readable() const { return Scatter(pieces).first(readable_pieces); }
    [[nodiscard]] Scatter writable() const { return Scatter(pieces).subspan(readable_pieces); }
};

class Virtqueue {
  public:
    // What a driver says of a queue before it enables it.
    struct Setup {
        u32 entries = 0;
        PhysAddr descriptors = 0; // the descriptor table
        PhysAddr driver_area = 0; // the available ring
        PhysAddr device_area = 0; // the used ring
    };
    struct Options {
        bool indirect = false;    // VIRTIO_F_INDIRECT_DESC
        bool event_index = false; // VIRTIO_F_EVENT_IDX
    };
    static constexpr u32 kMostEntries = 1024;

    // False, and the queue is broken, when it cannot be as the driver says.
    bool enable(const PhysicalMemory& memory, const Setup& setup, Options options);
    void disable();
    [[nodiscard]] bool enabled() const { return enabled_; }
    [[nodiscard]] const Setup& setup() const { return setup_; } // while it is enabled
    [[nodiscard]] bool broken() const { return !why_broken_.empty(); }
    [[nodiscard]] const std::string& why_broken() const { return why_broken_; }

    // Ends service until the queue is enabled again, for a request that makes no sense to its
    // device.
    void break_off(const char* why) { why_broken_ = why; }

    // The next request; nothing when there is none or the queue is broken. When there is none, the
    // driver has been asked to notify of the next.
    [[nodiscard]] std::optional<Chain> pop();
    // Puts the last `chains` back: the device cannot serve them yet.
    void unpop(u16 chains);
    // Gives a request back, with the first `written` bytes of its writable part written; the driver
    // sees it from publish() on. One from before the queue was disabled is dropped.
    void push(const Chain& chain, u64 written);
    // Shows the driver all that was pushed; whether it wants an interrupt for that.
    [[nodiscard]] bool publish();

    void visit_state(StateVisitor& visit, const PhysicalMemory& memory, u32 most_entries);
    static void visit_setup(StateVisitor& visit, Setup& setup, u32 most_entries);

  private:
    struct Descriptor;
    struct Table;

    [[nodiscard]] bool available();
    [[nodiscard]] bool read_chain(Chain& chain);
    [[nodiscard]] bool add_piece(Chain& chain, const Descriptor& descriptor, u64& bytes);
    [[nodiscard]] std::optional<Table> indirect_table(const Descriptor& descriptor);
    bool breaks(const char* why); // returns false

    const PhysicalMemory* memory_ = nullptr;
    bool enabled_ = false;
    Setup setup_;
    Options options_;
    std::string why_broken_;
    u64 generation_ = 0;
    u32 entries_ = 0;
    // Host addresses of the rings' parts.
    u8* descriptors_ = nullptr;
    u8* available_ = nullptr;
    u8* used_ = nullptr;
    // Ring positions, free-running as in the rings.
    u16 next_available_ = 0;
    u16 next_used_ = 0;
    u16 published_used_ = 0;
};

} // namespace ulna::devices::virtio
