// The fixed-width names used everywhere, and the 128-bit value that every layer shares.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace ulna {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
using u128 = unsigned __int128;
using i128 = __int128;

using GuestAddr = u64;

// A vector register's contents, and the universal container of an IR value: narrower values sit in
// the low bits with all higher bits zero. Lane 0 is the least significant.
struct alignas(16) V128 {
    u64 lo = 0;
    u64 hi = 0;

    template <class T> [[nodiscard]] T lane(unsigned index) const {
        static_assert(std::is_trivially_copyable_v<T>);
        T value;
        std::memcpy(&value, reinterpret_cast<const char*>(this) + index * sizeof(T), sizeof(T));
        return value;
    }
    template <class T> void set_lane(unsigned index, T value) {
        static_assert(std::is_trivially_copyable_v<T>);
        std::memcpy(reinterpret_cast<char*>(this) + index * sizeof(T), &value, sizeof(T));
    }
    friend bool operator==(const V128&, const V128&) = default;
};
static_assert(sizeof(V128) == 16 && std::endian::native == std::endian::little);

} // namespace ulna
