// Whether an access to a system register is denied or trapped.
#pragma once

#include "runtime/system/cpu.h"

namespace ulna::system {

// Where a denied access goes: to `el` with syndrome `ec`, or (el 0) it is UNDEFINED.
struct Trap {
    u8 el = 0;
    ExceptionClass ec = ExceptionClass::Unknown;
    friend bool operator==(const Trap&, const Trap&) = default;
};
using Verdict = std::optional<Trap>; // nothing: it is allowed

// Judges an access at the current EL by the register's own row: access column, feature and guard.
[[nodiscard]] Verdict judge_access(const Cpu& cpu, SysReg reg, bool write);

// Where a trap of EL0 goes that is EL1's: EL2 when TGE is set.
[[nodiscard]] Trap trap_of_el0(const Cpu& cpu);
[[nodiscard]] inline Trap trap_to(u8 el) { return {el, ExceptionClass::SystemRegister}; }
// The identification space, whose reads are trapped where others would be UNDEFINED (FEAT_IDST), so
// that a kernel can emulate them.
[[nodiscard]] bool is_identification(const Cpu& cpu, u16 encoding);
[[nodiscard]] Trap trap_of_identification(const Cpu& cpu);
// SCTLR of the EL that EL0 belongs to.
[[nodiscard]] u64 sctlr_of_el0(const Cpu& cpu);
// HCR_EL2 for accesses at EL1; 0 at all other ELs.
[[nodiscard]] u64 hcr_at_el1(const Cpu& cpu);
// HCR_EL2 for accesses at EL1, and at EL0 unless it belongs to EL2.
[[nodiscard]] u64 hcr_below_el2(const Cpu& cpu);
// SCR_EL3, or `without` where there is no EL3 or this is it.
[[nodiscard]] u64 scr_below_el3(const Cpu& cpu, u64 without);

} // namespace ulna::system
