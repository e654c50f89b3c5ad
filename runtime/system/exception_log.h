// What `-d` prints of a machine's CPUs: with `int` a line for each exception taken, return and PSCI
// call; with `invalid_mem` one for an access where nothing is; with `cpu_reset` registers.
#pragma once

#include "runtime/system/cpu.h"

namespace ulna::system {

// After the exception is taken: PSTATE, PC, ELR and SPSR are those at its target.
void log_taken(const Cpu& cpu, const char* kind, u8 from_el);            // IRQ and the like
void log_taken(const Cpu& cpu, const Exception& e, u64 esr, u8 from_el); // with its syndrome
void log_return(const Cpu& cpu, u8 from_el, u64 spsr);                   // after the return
void log_psci(const Cpu& cpu, const u64 (&argument)[4]);                 // before the call

void log_no_memory(const Cpu& cpu, GuestAddr address, bool write, GuestAddr pc);
void log_reset(Cpu& cpu); // before it

} // namespace ulna::system
