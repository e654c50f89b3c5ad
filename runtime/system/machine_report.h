// What the monitor tells of a machine's parts. While all CPUs are parked, but for report_memory.
#pragma once

#include <string>

#include "runtime/system/machine.h"

namespace ulna::system {

[[nodiscard]] std::string report_count(const Machine& machine);
[[nodiscard]] std::string report_cpus(const Machine& machine, unsigned chosen);
[[nodiscard]] std::string report_tlb(Vcpu& vcpu);
[[nodiscard]] std::string report_memory(Machine& machine);
// "running", or why it does not, as QEMU names it (RunState of qapi/run-state.json). Any time.
[[nodiscard]] const char* run_state(const RunControl& control);
// Takes the machine's lock.
[[nodiscard]] std::string report_interrupts(Machine& machine);

} // namespace ulna::system
