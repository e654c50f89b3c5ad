// Little-endian fields, one after the other: what ACPI and SMBIOS tables are made of.
#pragma once

#include <string_view>
#include <vector>

#include "ir/support/check.h"
#include "ir/support/types.h"

namespace ulna::system {

using Bytes = std::vector<u8>;

inline void put(Bytes& to, u64 value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) {
        to.push_back(static_cast<u8>(value >> (8 * i)));
    }
}
inline void put(Bytes& to, const Bytes& bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }
inline void put_zeros(Bytes& to, std::size_t bytes) { to.insert(to.end(), bytes, 0); }
// Filled up to `bytes` with `padding`.
inline void put_text(Bytes& to, std::string_view text, std::size_t bytes, char padding) {
    CHECK(text.size() <= bytes);
    to.insert(to.end(), text.begin(), text.end());
    to.insert(to.end(), bytes - text.size(), static_cast<u8>(padding));
}
// Over what is there already.
inline void patch(Bytes& in, std::size_t offset, u64 value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) {
        in.at(offset + i) = static_cast<u8>(value >> (8 * i));
    }
}

} // namespace ulna::system
