// What take_exception shares with interrupts and with ERET's variants.
#pragma once

#include "runtime/system/cpu.h"

namespace ulna::system {

// Goes to the vector at `vector_offset` of its group, at `target`: SPSR, ELR, PSTATE, PC.
void enter_exception(Cpu& cpu, u8 target, u64 vector_offset, GuestAddr preferred_return);

[[nodiscard]] GuestAddr return_address(const Cpu& cpu); // ELR of the current EL
void return_from_exception(Cpu& cpu, GuestAddr to);     // by SPSR of the current EL

// Where a branch to `address` goes in the current regime: without its tag (AArch64.BranchAddr).
[[nodiscard]] GuestAddr branch_address(const Cpu& cpu, GuestAddr address);

} // namespace ulna::system
