// What a CPU's registers say to walks of a regime.
#pragma once

#include "runtime/system/cpu.h"
#include "runtime/system/mmu.h"

namespace ulna::system {

// As its identification registers tell software.
[[nodiscard]] MmuFeatures mmu_features(const Cpu& cpu);
[[nodiscard]] RegimeRegisters walk_registers(const Cpu& cpu, Regime regime);

} // namespace ulna::system
