// Pointer authentication outside translated code: ERETAA and ERETAB.
#pragma once

#include "runtime/system/cpu.h"

namespace ulna::system {

// AuthIA or AuthIB of a pointer; nothing when its code is wrong. As
// frontend/a64/translate/pauth.cpp translates AUTIA: codes must mean the same.
[[nodiscard]] std::optional<u64>
authenticate_instruction_pointer(const Cpu& cpu, u64 pointer, u64 modifier, bool b);

} // namespace ulna::system
