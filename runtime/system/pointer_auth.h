// Pointer authentication outside translated code: whether it is trapped, ERETAA and ERETAB.
#pragma once

#include "runtime/system/cpu.h"

namespace ulna::system {

// The EL that the use of enabled keys is trapped to, by HCR_EL2.API and SCR_EL3.API; 0: it is not.
[[nodiscard]] u8 key_trap_target(const Cpu& cpu);

[[nodiscard]] bool instruction_key_enabled(const Cpu& cpu, bool b);

// AuthIA or AuthIB of a pointer, by an enabled key; nothing when its code is wrong. As
// frontend/a64/translate/pauth.cpp translates AUTIA: codes must mean the same.
[[nodiscard]] std::optional<u64>
authenticate_instruction_pointer(const Cpu& cpu, u64 pointer, u64 modifier, bool b);

} // namespace ulna::system
