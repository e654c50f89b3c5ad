// What a CPU's registers say to walks of a regime.
#pragma once

#include "runtime/system/cpu.h"
#include "runtime/system/mmu.h"

namespace ulna::system {

// As its identification registers tell software.
[[nodiscard]] MmuFeatures mmu_features(const Cpu& cpu);
// TCR_ELx.DS: stage 1 tables of 4 KiB and 16 KiB pages have 52 bits (FEAT_LPA2).
[[nodiscard]] bool has_lpa2_tables(const Cpu& cpu, Regime regime);
// Virtual addresses of some half have more than 48 bits.
[[nodiscard]] bool has_wide_addresses(const Cpu& cpu, Regime regime);
[[nodiscard]] RegimeRegisters walk_registers(const Cpu& cpu, Regime regime);

} // namespace ulna::system
