// The code through which the runtime enters and leaves translated code (backend.h Stubs).
#pragma once

#include "backend/backend.h"

namespace ulna::backend::x64 {

[[nodiscard]] Stubs make_stubs();

// CpuState::host_flags: the bits of N Z C V in AX after lahf and seto al.
inline constexpr u32 kNzcvOfLahf = 0xc101;

} // namespace ulna::backend::x64
