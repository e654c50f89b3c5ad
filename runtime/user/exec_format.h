// What kind of program a file is, for execve: decided before the point of no return.
#pragma once

#include <string>

#include "ir/support/types.h"

namespace ulna::user {

enum class ExecFormat : u8 {
    Arm,     // an AArch64 ELF file, or a script whose interpreter is one in the end
    Foreign, // for the host kernel: it runs it, or says why not
};

struct ExecVerdict {
    i64 error = 0; // -errno as execve(2) returns it
    ExecFormat format = ExecFormat::Foreign;
};

// Follows "#!" lines. `fd` is open for reading; it stays the caller's.
[[nodiscard]] ExecVerdict examine_program(int fd);

} // namespace ulna::user
