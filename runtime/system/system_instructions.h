// SYS: maintenance of caches and TLBs, address translation.
#pragma once

#include "runtime/system/sysreg_access.h"

namespace ulna::system {

[[nodiscard]] Outcome execute_sys(Cpu& cpu, const Instruction& insn);

// TLBI, by the fields of its encoding; nothing: no such instruction.
[[nodiscard]] bool is_tlbi(u16 encoding);
[[nodiscard]] Outcome execute_tlbi(Cpu& cpu, const Instruction& insn);

} // namespace ulna::system
