// What the monitor tells of a machine's parts. While all CPUs are parked, but for report_memory.
#pragma once

#include <string>

#include "runtime/system/machine.h"

namespace ulna::system {

[[nodiscard]] std::string report_count(const Machine& machine);
[[nodiscard]] std::string report_cpus(const Machine& machine, unsigned chosen);
[[nodiscard]] std::string report_tlb(Vcpu& vcpu);
[[nodiscard]] std::string report_memory(Machine& machine);
// Takes the machine's lock.
[[nodiscard]] std::string report_interrupts(Machine& machine);

} // namespace ulna::system
