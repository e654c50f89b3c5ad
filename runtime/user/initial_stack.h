// What the kernel puts on a new program's stack: strings, auxiliary vector, envp, argv, argc.
#pragma once

#include <optional>

#include "runtime/user/elf_loader.h"

namespace ulna::user {

// Maps the stack and fills it; the initial SP, or nothing when there is no room for stack or
// strings. Fills the parts of process() that describe them.
[[nodiscard]] std::optional<GuestAddr> make_initial_stack(const LoadedProgram& program);

} // namespace ulna::user
