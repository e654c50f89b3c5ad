// The power key, on a pin of the PL061 that the device tree calls a gpio-key: how a machine is
// asked to shut down (system_powerdown).
#pragma once

#include "runtime/devices/device.h"
#include "runtime/devices/event_loop.h"
#include "runtime/devices/state_visitor.h"

namespace ulna::devices {

class PowerKey {
  public:
    PowerKey(EventLoop& loop, InterruptLine& pin)
        : loop_(loop), pin_(pin), release_(loop, [this] { pin_.set(false); }) {}

    // Down now, and up again after a time that no debouncing takes for a bounce.
    void press() {
        constexpr u64 kHoldNs = 100'000'000;
        pin_.set(true);
        release_.set(loop_.now_ns() + kHoldNs);
    }
    // The pin's level is the pin's state.
    void visit_state(StateVisitor& visit) {
        bool down = release_.is_set();
        visit(down);
        if (visit.loading()) {
            release_.cancel();
            down ? press() : pin_.set(false);
        }
    }

  private:
    EventLoop& loop_;
    InterruptLine& pin_;
    EventLoop::Timer release_;
};

} // namespace ulna::devices
