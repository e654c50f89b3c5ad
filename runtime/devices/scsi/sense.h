// What a logical unit says of a command that it does not carry out (SPC-4, section 4.5).
#pragma once

#include <array>

#include "ir/support/types.h"

namespace ulna::devices::scsi {

struct Sense {
    u8 key = 0, code = 0, qualifier = 0; // sense key, ASC and ASCQ
    [[nodiscard]] constexpr bool is_good() const { return key == 0; }
};

namespace sense {
constexpr Sense kGood{};
constexpr Sense kNoMedium{2, 0x3a, 0}, kTrayIsOpen{2, 0x3a, 2};
constexpr Sense kWriteError{3, 0x0c, 0}, kReadError{3, 0x11, 0};
constexpr Sense kBadParameterLength{5, 0x1a, 0}, kBadOperation{5, 0x20, 0}, kBadAddress{5, 0x21, 0},
    kBadField{5, 0x24, 0}, kNoUnit{5, 0x25, 0}, kBadParameter{5, 0x26, 0},
    kNoSavedPages{5, 0x39, 0}, kRemovalPrevented{5, 0x53, 2};
constexpr Sense kMediumChanged{6, 0x28, 0}, kReset{6, 0x29, 0}, kMediumWent{6, 0x3a, 0};
constexpr Sense kWriteProtected{7, 0x27, 0}, kNoSpace{7, 0x27, 7};
} // namespace sense

// Current information in fixed format, as it goes with a status.
[[nodiscard]] constexpr std::array<u8, 18> fixed_format(const Sense& sense) {
    std::array<u8, 18> bytes{};
    bytes[0] = 0x70;
    bytes[2] = sense.key;
    bytes[7] = bytes.size() - 8;
    bytes[12] = sense.code;
    bytes[13] = sense.qualifier;
    return bytes;
}

[[nodiscard]] constexpr std::array<u8, 8> descriptor_format(const Sense& sense) {
    return {0x72, sense.key, sense.code, sense.qualifier};
}

} // namespace ulna::devices::scsi
