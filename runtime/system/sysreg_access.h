// MRS and MSR (register), and what SYS shares with them.
#pragma once

#include "runtime/system/cpu.h"
#include "runtime/system/sysreg_guards.h"

namespace ulna::system {

// An instruction being executed; state.pc is already behind it.
struct Instruction {
    u32 word;
    GuestAddr pc;
    [[nodiscard]] u32 Rt() const { return word & 31; }
};

using Outcome = std::optional<Exception>; // nothing: it is done

[[nodiscard]] u64 read_x(const Cpu& cpu, u32 n); // 31: zero
void write_x(Cpu& cpu, u32 n, u64 value);

// The exception of a denied MRS, MSR, SYS or SYSL.
[[nodiscard]] Exception denied(const Instruction& insn, Trap trap);

// Of a register or of SYS, SYSL: what HCR_EL2.TIDCP traps.
[[nodiscard]] bool is_implementation_defined(u16 encoding);

[[nodiscard]] Outcome execute_mrs(Cpu& cpu, const Instruction& insn);
[[nodiscard]] Outcome execute_msr(Cpu& cpu, const Instruction& insn);

} // namespace ulna::system
