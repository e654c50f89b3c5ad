// What software sees the CPU to be.
#pragma once

#include "runtime/system/cpu.h"

namespace ulna::system {

// Fills the cells of identification registers from the CPU model and what this machine has.
void fill_identification(Cpu& cpu);

} // namespace ulna::system
