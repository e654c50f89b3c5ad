// Arm's eight general-purpose pins (PL061, DDI 0190).
#pragma once

#include <array>
#include <vector>

#include "runtime/devices/device.h"

namespace ulna::devices {

class StateVisitor;

class Pl061 : public Device {
  public:
    static constexpr unsigned kPins = 8;

    explicit Pl061(InterruptLine& interrupt);

    // What drives a pin from outside, while the guest has it as an input.
    [[nodiscard]] InterruptLine& pin(unsigned n) { return pins_.at(n); }
    // Hears of a pin that the guest drives; one that is an input again counts as low.
    void connect_output(unsigned n, InterruptLine& line) { outputs_.at(n) = &line; }

    u64 read(u64 offset, unsigned bytes) override;
    void write(u64 offset, unsigned bytes, u64 value) override;
    void reset() override;
    void visit_state(StateVisitor& visit); // what drives pins from outside, too

  private:
    class Pin : public InterruptLine {
      public:
        Pin(Pl061& gpio, unsigned n) : gpio_(gpio), bit_(static_cast<u8>(1 << n)) {}
        void set(bool asserted) override;

      private:
        Pl061& gpio_;
        u8 bit_;
    };

    [[nodiscard]] u8 levels() const;
    [[nodiscard]] u8 raised() const;
    void update();
    [[nodiscard]] u8* storage(u64 offset);

    InterruptLine& interrupt_;
    std::vector<Pin> pins_;
    std::array<InterruptLine*, kPins> outputs_{};
    u8 outside_ = 0, data_ = 0, direction_ = 0; // direction: 1 is an output
    u8 level_sensitive_ = 0, both_edges_ = 0, high_ = 0, enabled_ = 0, alternate_ = 0;
    u8 edges_ = 0; // that were seen, of pins that are not level-sensitive
    u8 seen_ = 0;  // outside_ when it was last looked at
};

} // namespace ulna::devices
