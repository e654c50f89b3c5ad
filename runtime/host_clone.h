// clone and clone3 for children on a new stack, without the host's libc.
#pragma once

#include "ir/support/types.h"

namespace ulna {

// The child calls function(argument) there and never returns; the parent gets its id or -errno.
// a0..a4: the arguments of call `number`.
extern "C" i64 ulna_clone_call(
    long number, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, void (*function)(void*), void* argument);

} // namespace ulna
