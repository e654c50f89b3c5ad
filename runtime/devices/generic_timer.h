// The generic timers of all CPUs, as far as they are devices: levels of PPIs, which change when a
// register does and when a deadline comes. What the registers mean is the CPU's.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/devices/device.h"
#include "runtime/devices/event_loop.h"

namespace ulna::devices {

// The system counter, from the machine's time.
struct SystemCounter {
    u64 frequency = 0; // Hz
    u64 start_ns = 0;  // EventLoop::now_ns() when it was 0; may be negative

    [[nodiscard]] u64 count_at(u64 ns) const;
    // EventLoop::now_ns() from which on count() is at least this; the largest value when that is
    // never.
    [[nodiscard]] u64 reached_at(u64 count) const;
};

class GenericTimers {
  public:
    enum class Kind : u8 { Physical, Virtual, HypPhysical, HypVirtual, SecurePhysical };
    static constexpr unsigned kKinds = 5;
    static constexpr std::array<unsigned, kKinds> kPpi{30, 27, 26, 28, 29}; // INTIDs

    using PpiOf = std::function<InterruptLine&(unsigned cpu, unsigned intid)>;
    GenericTimers(EventLoop& loop, const SystemCounter& counter, unsigned cpus, const PpiOf& ppi);

    // A timer as its registers have it now: whether its interrupt is asserted, and if not, at which
    // physical count it will be. With the machine's lock held.
    void set(unsigned cpu, Kind kind, bool asserted, std::optional<u64> deadline);

    void reset();

  private:
    struct One {
        One(EventLoop& loop, InterruptLine& to)
            : line(to), timer(loop, [this] { line.set(true); }) {}
        InterruptLine& line;
        EventLoop::Timer timer;
    };
    const SystemCounter& counter_;
    std::vector<std::unique_ptr<One>> timers_; // kKinds of each CPU
};

} // namespace ulna::devices
