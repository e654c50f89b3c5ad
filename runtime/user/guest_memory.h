// Access to guest memory from the runtime. Guest addresses are host addresses, but may be bad:
// these copy with fault recovery (the host handler knows the copy routine's code) and never crash.
#pragma once

#include <optional>
#include <string>

#include "ir/support/bits.h"
#include "ir/support/types.h"
#include "ir/types.h"

namespace ulna::user {

// Copies; false when any byte is inaccessible (the syscall then returns -EFAULT). A tag (top byte)
// in the guest address needs PR_TAGGED_ADDR_ENABLE, and in synchronous mode it must be the
// memory's.
[[nodiscard]] bool copy_from_guest(void* to, GuestAddr from, u64 bytes);
[[nodiscard]] bool copy_to_guest(GuestAddr to, const void* from, u64 bytes);
// What these copies ask first: the kernel's access_ok, and the check of tags. The access may still
// fault.
[[nodiscard]] bool may_access(GuestAddr address, u64 bytes, ir::Access access);
// Whatever the tags are: instructions, and what is looked at in pieces of another size.
[[nodiscard]] bool copy_from_guest_unchecked(void* to, GuestAddr from, u64 bytes);
// Bytes up to the terminator; nullopt on a fault or past max_bytes.
[[nodiscard]] std::optional<std::string> guest_string(GuestAddr from, u64 max_bytes = 4096);

template <class T> [[nodiscard]] bool get_guest(GuestAddr from, T& value) {
    return copy_from_guest(&value, from, sizeof(T));
}
template <class T> [[nodiscard]] bool put_guest(GuestAddr to, const T& value) {
    return copy_to_guest(to, &value, sizeof(T));
}
// Address without its tag. The kernel's half, where bit 55 is set, has none (TCR_EL1.TBI0 only).
[[nodiscard]] constexpr GuestAddr untag(GuestAddr address) {
    return address & static_cast<GuestAddr>(sign_extend(address, 56));
}

} // namespace ulna::user
