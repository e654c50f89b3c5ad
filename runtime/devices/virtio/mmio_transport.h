// The virtio-mmio transport, version 2 (virtio 1.2, section 4.2), and an empty slot of it.
#pragma once

#include <memory>

#include "runtime/devices/virtio/handshake.h"

namespace ulna::devices::virtio {

class MmioTransport final : public Device, private InterruptSink {
  public:
    static constexpr u64 kBytes = 0x200;

    // Without a device the slot says that it is empty. Memory and line live as long as this. The
    // device is destroyed first: it may be at work.
    MmioTransport(VirtioDevice* device, const PhysicalMemory& memory, InterruptLine& line);

    [[nodiscard]] u64 read(u64 offset, unsigned bytes) override;
    void write(u64 offset, unsigned bytes, u64 value) override;
    void reset() override;
    void visit_state(StateVisitor& visit);
    [[nodiscard]] Handshake* driver() { return driver_.get(); } // null: an empty slot

  private:
    void queue_interrupt(unsigned queue) override;
    void config_interrupt() override;

    [[nodiscard]] u64 read_register(u64 offset) const;
    void write_register(u64 offset, u32 value);
    void write_queue_register(u64 offset, u32 value);
    [[nodiscard]] u64 read_config(u64 offset, unsigned bytes) const;
    void set_pending(u32 bits);

    std::unique_ptr<Handshake> driver_; // null: an empty slot
    InterruptLine& line_;
    u32 offered_half_ = 0, accepted_half_ = 0;
    u32 queue_ = 0;
    u32 pending_ = 0; // InterruptStatus
};

} // namespace ulna::devices::virtio
