// Copying and setting guest memory from C++: what MemCopy and MemSet do (opcodes.def).
//
// The order is that of single bytes. What remains is in `left` before each access, so that a fault
// finds it; 16 bytes move at once where nobody can tell.
#pragma once

#include "ir/guest_access.h"

namespace ulna::ir {

// False: stopped between two accesses because `pending` is set.
[[nodiscard]] bool
copy_guest(GuestAddr to, GuestAddr from, u64 count, u64& left, const u32& pending);
[[nodiscard]] bool set_guest(GuestAddr to, u64 count, u8 byte, u64& left, const u32& pending);

} // namespace ulna::ir
