// Performance monitors (DDI 0487 D13): a cycle counter, and event counters of cycles, instructions
// and software increments.
#pragma once

#include "runtime/system/cpu.h"

namespace ulna::system {

// Brings the counters that run up to date; called before anything that decides what they count
// changes (the EL, a register). Sets overflow bits and the interrupt.
void update_pmu(Cpu& cpu);
[[nodiscard]] bool pmu_counts(const Cpu& cpu); // any counter is enabled: cheap

// The physical count at which a counter of cycles that would interrupt overflows at the earliest:
// then the machine calls update_pmu, and asks again.
[[nodiscard]] std::optional<u64> pmu_deadline(const Cpu& cpu, u64 physical_count);

} // namespace ulna::system
