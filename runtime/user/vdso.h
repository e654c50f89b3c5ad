// The guest's vDSO: a small ELF image with the kernel's arm64 entry points, version LINUX_2.6.39.
#pragma once

#include <span>

#include "ir/support/types.h"

namespace ulna::user {

// The image, position-independent, one page or less.
[[nodiscard]] std::span<const u8> vdso_image();
// Offset of __kernel_rt_sigreturn in it: where signal handlers return to.
[[nodiscard]] u64 vdso_sigreturn_offset();
// Is the SVC before `pc` in a function that on Arm answers without a system call? `argument` is X0.
[[nodiscard]] bool is_vdso_clock(u64 pc, u64 argument);
// Maps it into the guest and fills process().vdso_base and sigreturn_trampoline. False: no memory.
[[nodiscard]] bool map_vdso();

} // namespace ulna::user
