// Copies of memory that may be gone at any moment: the guest's, and mapped files that shrink.
#pragma once

#include <cstddef>

namespace ulna::runtime {

// False: a page of either side cannot be accessed; part of the bytes may have been copied.
[[nodiscard]] bool copy_or_fault(void* to, const void* from, std::size_t bytes);

// For the handler of SIGSEGV and SIGBUS: true when the context was in copy_or_fault, which then
// returns false.
[[nodiscard]] bool recover_copy(void* ucontext);

} // namespace ulna::runtime
