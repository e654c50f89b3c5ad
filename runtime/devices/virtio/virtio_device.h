// A virtio device as its driver sees it - type, features, configuration, queues - apart from how it
// is reached (a transport) and from what does its work (a back end). Everything here is called with
// the machine's lock held.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/devices/state_image.h"
#include "runtime/devices/virtio/virtqueue.h"

namespace ulna::devices::virtio {

// Features of rings and transports (section 6).
constexpr u64 kFeatureIndirectDesc = u64{1} << 28;
constexpr u64 kFeatureEventIdx = u64{1} << 29;
constexpr u64 kFeatureVersion1 = u64{1} << 32;
constexpr u64 kRingFeatures = kFeatureIndirectDesc | kFeatureEventIdx;

// How a device reaches its driver.
class DriverLink {
  public:
    virtual ~DriverLink() = default;
    [[nodiscard]] virtual bool live() const = 0;   // else no requests may be taken
    virtual void buffers_used(unsigned queue) = 0; // interrupt
    virtual void config_changed() = 0;
    virtual void ask_for_reset(const char* why) = 0; // DEVICE_NEEDS_RESET; `why` is logged
};

class VirtioDevice {
  public:
    // The most entries of each queue.
    explicit VirtioDevice(const std::vector<u32>& queue_entries);
    virtual ~VirtioDevice() = default;
    VirtioDevice(const VirtioDevice&) = delete;
    VirtioDevice& operator=(const VirtioDevice&) = delete;

    [[nodiscard]] virtual u32 id() const = 0;       // virtio 1.2, section 5
    [[nodiscard]] virtual u64 features() const = 0; // the device type's own bits
    // Of kRingFeatures, those that whoever serves the rings knows.
    [[nodiscard]] virtual u64 ring_features() const { return kRingFeatures; }
    [[nodiscard]] virtual std::span<const u8> config() const = 0;
    virtual void write_config(u64 /*offset*/, unsigned /*bytes*/, u64 /*value*/) {}

    // --- what the driver does. The driver made requests available:
    virtual void notified(unsigned queue) = 0;
    // A queue is going away: on return nothing of its memory is touched any more.
    virtual void stop(unsigned /*queue*/) {}
    // Back to the state after power-on; all queues have been stopped.
    virtual void reset() {}

    // --- for snapshots
    // What the device is, besides its type: the same in the machine that loads its state.
    [[nodiscard]] virtual std::string identity() const { return ""; }
    // In a line; empty: it can be. What cannot be loaded cannot be saved, either.
    [[nodiscard]] virtual std::string why_not_loaded() const { return ""; }
    [[nodiscard]] virtual std::string why_not_saved() const { return why_not_loaded(); }
    // Until nothing is on its way in another thread. Without the lock, while no CPU runs.
    virtual void drain() {}
    // Without rings, which are visited next.
    virtual void visit_state(StateVisitor&) {}
    // Contents of disks; their names begin with this one.
    virtual void add_images(StateImages& /*images*/, const std::string& /*name*/) {}
    // State was loaded, and memory is as it was: what others know of the past must go.
    virtual void forget_past() {}

    // --- for transports
    [[nodiscard]] unsigned queue_count() const { return static_cast<unsigned>(queues_.size()); }
    [[nodiscard]] u32 most_entries(unsigned queue) const { return queues_[queue].most_entries; }
    [[nodiscard]] Virtqueue& queue(unsigned index) { return queues_[index].ring; }
    void attach(DriverLink& driver) { driver_ = &driver; }
    void set_negotiated(u64 features) { negotiated_ = features; }

  protected:
    [[nodiscard]] bool has(u64 feature_bits) const { return (negotiated_ & feature_bits) != 0; }
    [[nodiscard]] u64 negotiated() const { return negotiated_; }
    [[nodiscard]] bool has_driver() const { return driver_ != nullptr; }
    [[nodiscard]] DriverLink& driver() { return *driver_; }

    // The next request of a queue. A broken queue makes the device ask for a reset.
    [[nodiscard]] std::optional<Chain> next(unsigned queue);
    void put_back(unsigned queue, u16 chains) { queues_[queue].ring.unpop(chains); }
    // Gives a request back; the driver sees it, and has its interrupt, with publish().
    void give(unsigned queue, const Chain& chain, u64 written);
    void publish(unsigned queue);
    void complete(unsigned queue, const Chain& chain, u64 written); // both
    // For a request that makes no sense: no more are served until the driver resets the device.
    void refuse(unsigned queue, const char* why);

  private:
    struct Queue {
        u32 most_entries;
        Virtqueue ring;
    };
    std::vector<Queue> queues_;
    DriverLink* driver_ = nullptr;
    u64 negotiated_ = 0;
};

} // namespace ulna::devices::virtio
