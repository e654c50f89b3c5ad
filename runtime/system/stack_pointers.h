// The current stack pointer is in CpuState, SP_EL0 too; the others are in Cpu::sp_bank.
#pragma once

#include "runtime/system/cpu.h"

namespace ulna::system {

// Changes EL and PSTATE.SP, and with them the stack pointer in CpuState.
void select_el(Cpu& cpu, u8 el, bool sp_sel);
// SP_ELn, wherever it is now.
[[nodiscard]] u64& stack_pointer(Cpu& cpu, unsigned el);

} // namespace ulna::system
