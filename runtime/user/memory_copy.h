// The kernel's part of FEAT_MOPS.
#pragma once

#include "ir/guest_state.h"

namespace ulna::user {

// A main or epilogue instruction found registers of another implementation, or none that fit: makes
// them the operands of a prologue again, and goes on there (DDI 0487 D1.3.5.7, rules CNTMJ and
// MWFQH; arch/arm64/kernel/traps.c). `iss` is ESR_EL1.ISS.
void restart_memory_copy(ir::CpuState& cpu, u64 iss);

} // namespace ulna::user
