// Arm's real-time clock (PL031, DDI 0224): seconds since 1970, and an alarm.
#pragma once

#include "runtime/devices/device.h"
#include "runtime/devices/event_loop.h"

namespace ulna::devices {

class StateVisitor;

// The host's time of day, in nanoseconds since 1970.
[[nodiscard]] u64 realtime_ns();

class Pl031 : public Device {
  public:
    // `now_ns`: what time it is, in nanoseconds since 1970.
    Pl031(EventLoop& loop, InterruptLine& interrupt, u64 now_ns = realtime_ns());

    u64 read(u64 offset, unsigned bytes) override;
    void write(u64 offset, unsigned bytes, u64 value) override;
    void reset() override; // the clock goes on
    // The clock shows the host's time afterwards, as it did, set by the guest or not; and an alarm
    // that was missed comes at once.
    void visit_state(StateVisitor& visit);

    [[nodiscard]] u32 seconds() const;

  private:
    [[nodiscard]] u64 now_ns() const;
    void set_alarm();
    void update_interrupt();

    EventLoop& loop_;
    InterruptLine& interrupt_;
    EventLoop::Timer alarm_;
    u64 ahead_ns_; // of the machine's time
    u32 match_ = 0, load_ = 0;
    bool unmasked_ = false, raised_ = false;
};

} // namespace ulna::devices
