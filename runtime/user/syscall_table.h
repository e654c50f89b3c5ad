// syscalls.def as data, indexed by arm64 number.
#pragma once

#include <array>

#include "runtime/user/syscall.h"

namespace ulna::user {

inline constexpr unsigned kSyscallLimit = 512;

enum class SyscallKind : u8 { Absent, Own, Pass, PassBlocking, None };

struct SyscallRow {
    SyscallKind kind = SyscallKind::Absent;
    i16 host_number = -1; // Pass, PassBlocking
    const char* name = nullptr;
    const char* args = "";                                      // letters: see syscalls.def
    const char* reason = "";                                    // None
    i64 (*handler)(GuestThread&, const SyscallArgs&) = nullptr; // Own
};

extern const std::array<SyscallRow, kSyscallLimit> kSyscalls;
[[nodiscard]] const SyscallRow* find_syscall(u64 number); // null: arm64 has no such number

} // namespace ulna::user
