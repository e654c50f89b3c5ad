// Arm's serial port (PL011, DDI 0183). What it sends leaves at once, unless the other side does not
// keep up; then the transmit FIFO fills, and its guest waits as with real hardware.
#pragma once

#include <deque>

#include "runtime/devices/character_backend.h"
#include "runtime/devices/device.h"

namespace ulna::devices {

class StateVisitor;

class Pl011 : public Device, private CharacterSink {
  public:
    Pl011(CharacterBackend& line, InterruptLine& interrupt);
    ~Pl011() override;

    u64 read(u64 offset, unsigned bytes) override;
    void write(u64 offset, unsigned bytes, u64 value) override;
    void reset() override;
    void visit_state(StateVisitor& visit);

  private:
    std::size_t room() const override;
    void receive(std::span<const u8> bytes) override;
    void receive_break() override;
    void output_resumed() override;

    [[nodiscard]] std::size_t fifo_depth() const;
    [[nodiscard]] std::size_t receive_trigger() const;
    [[nodiscard]] u32 flags() const;
    [[nodiscard]] u32 read_data();
    void write_data(u8 byte);
    void push(u32 entry);
    void update_receive_interrupts();
    void update_interrupt();

    CharacterBackend& line_;
    InterruptLine& interrupt_;
    std::deque<u32> received_; // as UARTDR reads: a byte and its error flags
    std::deque<u8> to_send_;
    u32 receive_status_ = 0;
    u32 low_power_ = 0, integer_baud_ = 0, fractional_baud_ = 0;
    u32 line_control_ = 0, control_ = 0, fifo_levels_ = 0;
    u32 mask_ = 0, raised_ = 0; // UARTIMSC, UARTRIS
    u32 dma_control_ = 0;
};

} // namespace ulna::devices
