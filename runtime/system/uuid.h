// UUIDs, as they are printed and as tables have them.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/system/byte_writer.h"

namespace ulna::system {

using Uuid = std::array<u8, 16>; // as it is printed

// Such as 33db4d5b-1ff7-401c-9657-7441c03dd766.
[[nodiscard]] std::optional<Uuid> parse_uuid(std::string_view text);
[[nodiscard]] std::string print_uuid(const Uuid& uuid);
// In ACPI's ToUUID, and in SMBIOS since 2.6, its first three groups are little-endian.
[[nodiscard]] Bytes table_order(const Uuid& uuid);

} // namespace ulna::system
