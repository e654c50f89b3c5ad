// Accesses to guest memory with the guest's guarantees, made from C++: each is one host access, so
// that an aligned one is single-copy atomic and a faulting one has no partial effect. Guest address
// = host address.
#pragma once

#include "ir/support/bits.h"
#include "ir/types.h"

namespace ulna::ir {

// Top byte ignore (DDI 0487 D8.8.1): bits 63:56 of a data address take the value of bit 55.
[[nodiscard]] constexpr GuestAddr untagged(GuestAddr address) {
    return static_cast<GuestAddr>(sign_extend(address, 56));
}

// 16-byte accesses are atomic when aligned, on x86-64 with AVX and on Armv8.4 (LSE2).
[[nodiscard]] V128 load_v128(GuestAddr address);
void store_v128(GuestAddr address, const V128& value);
// Address is 16-byte aligned. Returns the old value; memory becomes `desired` where it equals
// `expected`.
V128 compare_exchange_v128(GuestAddr address, const V128& expected, const V128& desired);

// Zero-extended load and truncating store of 1 << size_log2 bytes.
[[nodiscard]] V128 load_guest(GuestAddr address, unsigned size_log2);
void store_guest(GuestAddr address, unsigned size_log2, const V128& value);
// The next two need a size-aligned address; both order like AcquireRelease.
V128 compare_exchange_guest(GuestAddr address,
                            unsigned size_log2,
                            const V128& expected,
                            const V128& desired);
[[nodiscard]] u64 atomic_rmw_guest(GuestAddr address, unsigned size_log2, AtomicOp op, u64 operand);

// Faults as a one-byte load, or store, would; changes nothing.
void touch_guest(GuestAddr address, bool write);

// Zeroes the 64-byte block around the address (DC ZVA).
void zero_guest_block(GuestAddr address);
inline constexpr u64 kZeroBlockBytes = 64;

} // namespace ulna::ir
