#include "ir/guest_access.h"

#include <algorithm>

#include "ir/support/check.h"

namespace ulna::ir {

namespace {

// Any alignment, any type: the compiler makes one plain access of it.
template <class T> struct Cell { typedef T __attribute__((aligned(1), may_alias)) Unaligned; };
template <class T> T load_as(GuestAddr address) {
    return *reinterpret_cast<const volatile typename Cell<T>::Unaligned*>(address);
}
template <class T> void store_as(GuestAddr address, u64 value) {
    *reinterpret_cast<volatile typename Cell<T>::Unaligned*>(address) = static_cast<T>(value);
}

template <class T> u64 compare_exchange_as(GuestAddr address, u64 expected, u64 desired) {
    T old = static_cast<T>(expected);
    __atomic_compare_exchange_n(reinterpret_cast<T*>(address), &old, static_cast<T>(desired), false,
                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return old;
}

template <class T> T combine(AtomicOp op, T old, T operand) {
    using Signed = std::make_signed_t<T>;
    const auto a = static_cast<Signed>(old), b = static_cast<Signed>(operand);
    switch (op) {
    case AtomicOp::Add:
        return static_cast<T>(old + operand);
    case AtomicOp::Clr:
        return static_cast<T>(old & ~operand);
    case AtomicOp::Eor:
        return static_cast<T>(old ^ operand);
    case AtomicOp::Set:
        return static_cast<T>(old | operand);
    case AtomicOp::SMax:
        return static_cast<T>(std::max(a, b));
    case AtomicOp::SMin:
        return static_cast<T>(std::min(a, b));
    case AtomicOp::UMax:
        return std::max(old, operand);
    case AtomicOp::UMin:
        return std::min(old, operand);
    case AtomicOp::Swp:
        return operand;
    }
    UNREACHABLE("atomic operation");
}

template <class T> u64 atomic_rmw_as(GuestAddr address, AtomicOp op, u64 operand) {
    T* const cell = reinterpret_cast<T*>(address);
    T old = __atomic_load_n(cell, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(cell, &old, combine(op, old, static_cast<T>(operand)),
                                        false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
    }
    return old;
}

} // namespace

#if defined(__x86_64__)

V128 load_v128(GuestAddr address) {
    typedef long long Vector __attribute__((vector_size(16)));
    Vector value;
    asm volatile("movdqu (%1), %0" : "=x"(value) : "r"(address) : "memory");
    return std::bit_cast<V128>(value);
}

void store_v128(GuestAddr address, const V128& value) {
    typedef long long Vector __attribute__((vector_size(16)));
    const Vector vector = std::bit_cast<Vector>(value);
    asm volatile("movdqu %1, (%0)" : : "r"(address), "x"(vector) : "memory");
}

V128 compare_exchange_v128(GuestAddr address, const V128& expected, const V128& desired) {
    V128 old = expected;
    asm volatile("lock cmpxchg16b (%2)"
                 : "+a"(old.lo), "+d"(old.hi)
                 : "r"(address), "b"(desired.lo), "c"(desired.hi)
                 : "memory", "cc");
    return old;
}

#else

V128 load_v128(GuestAddr address) {
    V128 value;
    __builtin_memcpy(&value, reinterpret_cast<const void*>(address), 16);
    return value;
}

void store_v128(GuestAddr address, const V128& value) {
    __builtin_memcpy(reinterpret_cast<void*>(address), &value, 16);
}

V128 compare_exchange_v128(GuestAddr address, const V128& expected, const V128& desired) {
    const auto wide = [](const V128& v) { return static_cast<u128>(v.hi) << 64 | v.lo; };
    const u128 old = __sync_val_compare_and_swap(reinterpret_cast<u128*>(address), wide(expected),
                                                 wide(desired));
    return {static_cast<u64>(old), static_cast<u64>(old >> 64)};
}

#endif

V128 load_guest(GuestAddr address, unsigned size_log2) {
    switch (size_log2) {
    case 0:
        return {load_as<u8>(address), 0};
    case 1:
        return {load_as<u16>(address), 0};
    case 2:
        return {load_as<u32>(address), 0};
    case 3:
        return {load_as<u64>(address), 0};
    default:
        return load_v128(address);
    }
}

void store_guest(GuestAddr address, unsigned size_log2, const V128& value) {
    switch (size_log2) {
    case 0:
        return store_as<u8>(address, value.lo);
    case 1:
        return store_as<u16>(address, value.lo);
    case 2:
        return store_as<u32>(address, value.lo);
    case 3:
        return store_as<u64>(address, value.lo);
    default:
        return store_v128(address, value);
    }
}

V128 compare_exchange_guest(GuestAddr address,
                            unsigned size_log2,
                            const V128& expected,
                            const V128& desired) {
    switch (size_log2) {
    case 0:
        return {compare_exchange_as<u8>(address, expected.lo, desired.lo), 0};
    case 1:
        return {compare_exchange_as<u16>(address, expected.lo, desired.lo), 0};
    case 2:
        return {compare_exchange_as<u32>(address, expected.lo, desired.lo), 0};
    case 3:
        return {compare_exchange_as<u64>(address, expected.lo, desired.lo), 0};
    default:
        return compare_exchange_v128(address, expected, desired);
    }
}

u64 atomic_rmw_guest(GuestAddr address, unsigned size_log2, AtomicOp op, u64 operand) {
    switch (size_log2) {
    case 0:
        return atomic_rmw_as<u8>(address, op, operand);
    case 1:
        return atomic_rmw_as<u16>(address, op, operand);
    case 2:
        return atomic_rmw_as<u32>(address, op, operand);
    default:
        return atomic_rmw_as<u64>(address, op, operand);
    }
}

void touch_guest(GuestAddr address, bool write) {
    if (write) { // not __atomic_fetch_or: Clang drops one whose result is not read
        atomic_rmw_as<u8>(address, AtomicOp::Set, 0);
    } else {
        (void)load_as<u8>(address);
    }
}

void zero_guest_block(GuestAddr address) {
    const GuestAddr start = align_down(address, kZeroBlockBytes);
    for (u64 i = 0; i < kZeroBlockBytes; i += 8) {
        store_as<u64>(start + i, 0);
    }
}

} // namespace ulna::ir
