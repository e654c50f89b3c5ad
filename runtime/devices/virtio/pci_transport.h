// The virtio transport over PCI, without the legacy interface (virtio 1.2, section 4.1).
#pragma once

#include "runtime/devices/pci/pci_function.h"
#include "runtime/devices/virtio/handshake.h"

namespace ulna::devices::virtio {

class PciTransport final : public pci::PciFunction, private InterruptSink {
  public:
    // Memory lives as long as this. The device is destroyed first: it may be at work.
    PciTransport(VirtioDevice& device, const PhysicalMemory& memory);

    [[nodiscard]] u32 read_config(u32 offset, unsigned bytes) override;
    void write_config(u32 offset, unsigned bytes, u32 value) override;
    void reset() override;
    void visit_state(StateVisitor& visit) override;
    [[nodiscard]] Handshake& driver() { return driver_; }

  private:
    static constexpr u16 kNoVector = 0xffff;

    void queue_interrupt(unsigned queue) override;
    void config_interrupt() override;
    void interrupt(u16 vector, u8 isr_bit);

    u64 read_bar(unsigned bar, u64 offset, unsigned bytes) override;
    void write_bar(unsigned bar, u64 offset, unsigned bytes, u64 value) override;
    [[nodiscard]] u64 read_common(u64 offset) const;
    void write_common(u64 offset, unsigned bytes, u64 value);
    void write_queue_register(u64 offset, unsigned bytes, u64 value);
    [[nodiscard]] u64 read_device_config(u64 offset, unsigned bytes);
    [[nodiscard]] u8 take_isr();
    void forget_vectors();
    [[nodiscard]] u16 checked_vector(u64 vector) const;
    void add_structure(u8 type, u32 offset, u32 bytes, std::span<const u8> more);
    [[nodiscard]] bool access_window(u32& bar, u32& offset, u32& bytes);

    Handshake driver_;
    unsigned vectors_;
    u32 offered_half_ = 0, accepted_half_ = 0;
    u16 queue_ = 0;
    u8 isr_ = 0;
    u16 config_vector_ = kNoVector;
    std::vector<u16> queue_vectors_;
    u32 access_capability_ = 0;
};

} // namespace ulna::devices::virtio
