// The generic timers (DDI 0487 D12): five comparators on one counter.
#pragma once

#include "runtime/system/cpu.h"

namespace ulna::system {

enum class Timer : u8 { Physical, Virtual, HypPhysical, HypVirtual, SecurePhysical };
inline constexpr unsigned kTimerCount = 5;

struct TimerOutput {
    bool asserted = false; // level of the timer's interrupt
    // The physical count at which it becomes so, if no register changes; none: never.
    std::optional<u64> deadline;
};
// To be asked again after CpuHost::timer_changed and at the deadline.
[[nodiscard]] TimerOutput timer_output(const Cpu& cpu, Timer timer, u64 physical_count);

// Physical count at which the virtual count that this EL sees is `count`: for WFIT and WFET.
[[nodiscard]] u64 physical_count_of(const Cpu& cpu, u64 virtual_count);
// The offset of the virtual count that this EL sees.
[[nodiscard]] u64 virtual_offset(const Cpu& cpu);

} // namespace ulna::system
