// The identification registers that Arm's PrimeCells have at the end of their 4 KiB frame.
#pragma once

#include <array>
#include <optional>

#include "ir/support/types.h"

namespace ulna::devices {

using PrimeCellId = std::array<u8, 4>; // PeriphID0..3: part, designer, revision, configuration

[[nodiscard]] constexpr std::optional<u32> read_primecell_id(const PrimeCellId& id, u64 offset) {
    constexpr u64 kPeriphId0 = 0xfe0, kCellId0 = 0xff0, kEnd = 0x1000;
    constexpr std::array<u8, 4> kCellId{0x0d, 0xf0, 0x05, 0xb1};
    if (offset < kPeriphId0 || offset >= kEnd || offset % 4 != 0) {
        return std::nullopt;
    }
    return offset < kCellId0 ? id[(offset - kPeriphId0) / 4] : kCellId[(offset - kCellId0) / 4];
}

} // namespace ulna::devices
