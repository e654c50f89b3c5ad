// What software sees the CPU to be.
#pragma once

#include "runtime/system/cpu.h"

namespace ulna::system {

// How large the physical addresses of a model are: those of Arm's cores as in their manuals.
[[nodiscard]] u8 physical_address_bits(const frontend::CpuModel& model);
// Fills the cells of identification registers from the CPU model and what this machine has.
void fill_identification(Cpu& cpu);

} // namespace ulna::system
