// ACPI's generic event device (ACPI 6.5, 5.6.9): an interrupt, and a register that says what has
// happened and is cleared by a read, which is done by AML. How a machine with ACPI is asked to shut
// down.
#pragma once

#include "runtime/devices/device.h"

namespace ulna::devices {

class StateVisitor;

class AcpiGed final : public Device {
  public:
    static constexpr unsigned kEventBytes = 4; // the register, at 0
    enum Event : u32 { kPowerButton = 1 << 1 };

    explicit AcpiGed(InterruptLine& interrupt) : interrupt_(interrupt) {}

    void raise(Event event);

    u64 read(u64 offset, unsigned bytes) override;
    void write(u64 offset, unsigned bytes, u64 value) override;
    void reset() override;
    void visit_state(StateVisitor& visit);

  private:
    InterruptLine& interrupt_;
    u32 events_ = 0; // that nobody has read
};

} // namespace ulna::devices
