// Access to guest memory from the runtime. Guest addresses are host addresses, but may be bad:
// these copy with fault recovery (the host handler knows the copy routine's code) and never crash.
#pragma once

#include <optional>
#include <string>

#include "ir/support/types.h"

namespace ulna::user {

// Copies; false when any byte is inaccessible (the syscall then returns -EFAULT). Tags (top byte)
// are removed from the guest address.
[[nodiscard]] bool copy_from_guest(void* to, GuestAddr from, u64 bytes);
[[nodiscard]] bool copy_to_guest(GuestAddr to, const void* from, u64 bytes);
// Bytes up to the terminator; nullopt on a fault or past max_bytes.
[[nodiscard]] std::optional<std::string> guest_string(GuestAddr from, u64 max_bytes = 4096);

template <class T> [[nodiscard]] bool get_guest(GuestAddr from, T& value) {
    return copy_from_guest(&value, from, sizeof(T));
}
template <class T> [[nodiscard]] bool put_guest(GuestAddr to, const T& value) {
    return copy_to_guest(to, &value, sizeof(T));
}
// Address without its tag: bits 55:0, sign-extended (user addresses: zero).
[[nodiscard]] constexpr GuestAddr untag(GuestAddr address) {
    return address & 0x00ff'ffff'ffff'ffff;
}

} // namespace ulna::user
