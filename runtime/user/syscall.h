// Dispatch of guest system calls. One row of syscalls.def per arm64 number; `sys_<handler>`
// implements it.
#pragma once

#include "runtime/user/guest_thread.h"

namespace ulna::user {

using SyscallArgs = u64[6];

// Internal results, as the kernel's own: never seen by the guest.
inline constexpr i64 kRestartSys = -512;    // interrupted by a signal: restart if SA_RESTART
inline constexpr i64 kRestartNoIntr = -513; // always restart
inline constexpr i64 kRestartNoHand = -514; // restart only if no handler ran
inline constexpr i64 kRestartBlock = -516;  // the same, by restart_syscall
inline constexpr i64 kSigreturnDone = -600; // registers were set by the handler: leave x0 alone

// Performs the call in thread.cpu (x8 = number, x0..x5 = arguments) and returns -errno or the
// result. Everything that comes from outside the guest passes here: the single funnel of DESIGN
// section 9.
[[nodiscard]] i64 dispatch_syscall(GuestThread& thread);

// Host system calls. Both return -errno. `blocking_syscall` is interrupted without a race by a
// guest signal that arrives before or during it (safe_syscall.S): it then returns kRestartSys.
i64 host_syscall(long number, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0, u64 e = 0, u64 f = 0);
[[nodiscard]] i64
blocking_syscall(long number, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0, u64 e = 0, u64 f = 0);

#define SYSCALL(number, name, handler, args)                                                       \
    i64 sys_##handler(GuestThread& thread, const SyscallArgs& args_);
#define SYSCALL_PASS(number, name, args)
#define SYSCALL_PASS_BLOCKING(number, name, args)
#define SYSCALL_NONE(number, name, reason)
#include "runtime/user/syscalls.def"
#undef SYSCALL
#undef SYSCALL_PASS
#undef SYSCALL_PASS_BLOCKING
#undef SYSCALL_NONE

} // namespace ulna::user
