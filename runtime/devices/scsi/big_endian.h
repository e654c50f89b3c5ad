// Numbers as SCSI has them: big-endian, of any number of bytes.
#pragma once

#include <span>

#include "ir/support/types.h"

namespace ulna::devices::scsi {

[[nodiscard]] constexpr u64 load_big_endian(std::span<const u8> bytes) {
    u64 value = 0;
    for (const u8 byte : bytes) {
        value = value << 8 | byte;
    }
    return value;
}

constexpr void store_big_endian(std::span<u8> bytes, u64 value) {
    for (std::size_t n = bytes.size(); n > 0; --n) {
        bytes[n - 1] = static_cast<u8>(value);
        value >>= 8;
    }
}

} // namespace ulna::devices::scsi
