// Firmware of ours for machines that start without any: PSCI 1.1 (DEN0022) and the discovery part
// of the SMC calling convention (DEN0028).
#pragma once

#include "runtime/system/cpu.h"

namespace ulna::system {

// The call whose function ID is in W0 and whose arguments are in X1..X3; the result goes to X0.
void call_psci(Cpu& cpu);

} // namespace ulna::system
