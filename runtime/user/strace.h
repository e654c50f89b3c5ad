// -strace: one line per system call, arguments by the letters of syscalls.def.
#pragma once

#include <string>

#include "runtime/user/syscall_table.h"

namespace ulna::user {

// `row` is null for numbers that arm64 does not have.
void strace_enter(const GuestThread& thread,
                  const SyscallRow* row,
                  u64 number,
                  const SyscallArgs& args);
void strace_exit(const GuestThread& thread,
                 const SyscallRow* row,
                 u64 number,
                 const SyscallArgs& args,
                 i64 result);

// `openat(AT_FDCWD,"/etc/passwd",O_RDONLY|O_CLOEXEC)`; data that the call returns is shown once
// `done`.
[[nodiscard]] std::string
format_call(const SyscallRow* row, u64 number, const SyscallArgs& args, bool done, i64 result);

} // namespace ulna::user
