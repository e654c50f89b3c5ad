// How long floating-point traps pay (BlockMode::kTrapsFp): code without them looks at every result.
#pragma once

#include <algorithm>
#include <atomic>
#include <ctime>

#include "ir/support/types.h"

namespace ulna::runtime {

// A process may take `units` traps at once, and one for each 25 us of its time: a fifth of it. What
// it does not take is kept, for bursts. For all threads, and signal handlers.
class FpTrapBudget {
  public:
    explicit FpTrapBudget(u32 units) : units_(units), credit_(units) {}

    // False: that was too much.
    [[nodiscard]] bool spend(u32 cost, u64 (*now)() = process_nanoseconds) {
        if (spent_.fetch_add(cost, std::memory_order_relaxed) + cost < units_) {
            return true;
        }
        spent_.store(0, std::memory_order_relaxed);
        const u64 time = now();
        const u64 before = since_.exchange(time, std::memory_order_relaxed);
        // A forked child's time begins anew.
        const u64 earned = time > before ? (time - before) / kLeastApart : 0;
        const u64 credit =
            std::min(credit_.load(std::memory_order_relaxed) + earned, kMostKept * u64{units_});
        credit_.store(credit - std::min<u64>(credit, units_), std::memory_order_relaxed);
        return credit >= units_;
    }

  private:
    static constexpr u64 kLeastApart = 25'000; // ns
    static constexpr u64 kMostKept = 20;       // of what may be taken at once

    static u64 process_nanoseconds() {
        timespec time;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
        return static_cast<u64>(time.tv_sec) * 1'000'000'000 + static_cast<u64>(time.tv_nsec);
    }

    const u32 units_;
    std::atomic<u32> spent_{0}; // since the time was looked at
    std::atomic<u64> credit_;
    std::atomic<u64> since_{process_nanoseconds()};
};

} // namespace ulna::runtime
