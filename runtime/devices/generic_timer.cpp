#include "runtime/devices/generic_timer.h"

#include <algorithm>

namespace ulna::devices {

namespace {
constexpr u64 kNsPerSecond = 1'000'000'000;
}

u64 SystemCounter::count_at(u64 ns) const {
    return static_cast<u64>(u128{ns - start_ns} * frequency / kNsPerSecond);
}

u64 SystemCounter::reached_at(u64 count) const {
    const u128 after = (u128{count} * kNsPerSecond + frequency - 1) / frequency; // rounded up
    const i128 at = static_cast<i128>(after) + static_cast<i64>(start_ns);
    return static_cast<u64>(std::clamp<i128>(at, 0, ~u64{0}));
}

GenericTimers::GenericTimers(EventLoop& loop,
                             const SystemCounter& counter,
                             unsigned cpus,
                             const PpiOf& ppi)
    : counter_(counter) {
    for (unsigned cpu = 0; cpu < cpus; ++cpu) {
        for (const unsigned intid : kPpi) {
            timers_.push_back(std::make_unique<One>(loop, ppi(cpu, intid)));
        }
    }
}

void GenericTimers::set(unsigned cpu, Kind kind, bool asserted, std::optional<u64> deadline) {
    One& one = *timers_.at(cpu * kKinds + static_cast<unsigned>(kind));
    const bool waits = !asserted && deadline;
    const u64 at = waits ? counter_.reached_at(*deadline) : 0;
    if (waits && one.timer.is_set() && one.timer.deadline_ns() == at) {
        return; // all of a CPU's are told when one has changed
    }
    one.timer.cancel();
    one.line.set(asserted);
    if (waits) {
        one.timer.set(at);
    }
}

void GenericTimers::reset() {
    for (const auto& one : timers_) {
        one->timer.cancel();
        one->line.set(false);
    }
}

} // namespace ulna::devices
