// How much address space a program gets, if not all that there is.
#pragma once

#include <span>

#include <elf.h>

#include "ir/support/types.h"

namespace ulna::user {

// The end for the program of an open file with these segments: what -R says, or, since
// ThreadSanitizer and MemorySanitizer know of 39, 42 and 48 bits but not of the host's 47, 39 bits
// for programs with one of them; else kTaskSize.
[[nodiscard]] GuestAddr limit_for(int fd, std::span<const Elf64_Phdr> segments);

} // namespace ulna::user
