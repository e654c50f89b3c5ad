// Counters behind --stats. Relaxed atomics: exact only when threads are quiet, never a lock.
#pragma once

#include <atomic>
#include <string>

#include "ir/support/types.h"

namespace ulna::runtime::debug {

using Counter = std::atomic<u64>;

inline void count(Counter& counter, u64 n = 1) { counter.fetch_add(n, std::memory_order_relaxed); }

struct Statistics {
#define STATISTIC(name, text) Counter name{0};
#include "runtime/debug/statistics.def"
#undef STATISTIC
    // Host time-stamp counter ticks per stage of translation.
    Counter lift_ticks{0}, pass_ticks{0}, emit_ticks{0}, install_ticks{0};

    Statistics();
    [[nodiscard]] std::string text() const;

  private:
    u64 start_ticks_;
    u64 start_ns_;
};

[[nodiscard]] u64 ticks();

// Reading the clock costs some tens of nanoseconds on a virtual machine, several times a block:
// done for --stats only. Set before the engine starts.
inline bool stages_are_timed = false;

// Adds the time between construction and destruction to a counter.
class StageTimer {
  public:
    explicit StageTimer(Counter& counter)
        : counter_{counter}, start_{stages_are_timed ? ticks() : 0} {}
    ~StageTimer() {
        if (stages_are_timed) {
            count(counter_, ticks() - start_);
        }
    }
    StageTimer(const StageTimer&) = delete;
    StageTimer& operator=(const StageTimer&) = delete;

  private:
    Counter& counter_;
    u64 start_;
};

} // namespace ulna::runtime::debug
