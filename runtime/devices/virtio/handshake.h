// What all transports have in common: status, features, and the setting up of queues (virtio 1.2,
// sections 2.1, 2.2 and 3.1). A transport is a map of registers over this.
#pragma once

#include "runtime/devices/virtio/virtio_device.h"

namespace ulna::devices::virtio {

// Bits of the device status (section 2.1).
enum Status : u32 {
    kAcknowledge = 1,
    kDriver = 2,
    kDriverOk = 4,
    kFeaturesOk = 8,
    kNeedsReset = 64,
    kFailed = 128,
};

class InterruptSink {
  public:
    virtual ~InterruptSink() = default;
    virtual void queue_interrupt(unsigned queue) = 0;
    virtual void config_interrupt() = 0;
};

class Handshake final : public DriverLink {
  public:
    Handshake(VirtioDevice& device, const PhysicalMemory& memory, InterruptSink& interrupts);

    // Features go by halves: 0 is bits 31:0, 1 is bits 63:32, others are absent.
    [[nodiscard]] u32 offered(u32 half) const;
    [[nodiscard]] u32 accepted(u32 half) const;
    void accept(u32 half, u32 features);

    [[nodiscard]] u32 status() const { return status_; }
    void set_status(u32 value); // 0 resets
    void reset();
    [[nodiscard]] u32 config_generation() const { return config_generation_; }

    // --- queues; the index may be of a queue that is not there
    [[nodiscard]] u32 most_entries(u32 queue) const;
    // Null for a queue that is not there or is enabled: its set-up cannot be changed then.
    [[nodiscard]] Virtqueue::Setup* changeable_setup(u32 queue);
    [[nodiscard]] Virtqueue::Setup setup(u32 queue) const;
    [[nodiscard]] bool enabled(u32 queue) const;
    void enable(u32 queue);
    void disable(u32 queue);
    void notify(u32 queue);

    // --- for snapshots
    void visit_state(StateVisitor& visit);
    // After one was made or loaded: looks at all queues, as notifications may have been lost.
    void go_on();

    // --- DriverLink
    [[nodiscard]] bool live() const override;
    void buffers_used(unsigned queue) override;
    void config_changed() override;
    void ask_for_reset(const char* why) override;

    [[nodiscard]] VirtioDevice& device() { return device_; }

  private:
    [[nodiscard]] u64 all_offered() const;
    [[nodiscard]] bool features_are_right() const;
    [[nodiscard]] Virtqueue::Setup initial_setup(u32 queue) const;
    void start();

    VirtioDevice& device_;
    const PhysicalMemory& memory_;
    InterruptSink& interrupts_;
    u32 status_ = 0;
    u64 accepted_ = 0;
    u32 config_generation_ = 0;
    std::vector<Virtqueue::Setup> setups_;
};

} // namespace ulna::devices::virtio
