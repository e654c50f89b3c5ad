// Words of packets and of their answers, between the files of gdb_protocol.h.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/debug/gdb_packet.h"

namespace ulna::runtime::debug {

inline constexpr u64 kPacketBytes = 0x4000; // the longest that we ask for
inline constexpr std::string_view kOk = "OK";
// Numbers mean nothing to gdb.
inline constexpr std::string_view kBadRequest = "E01", kNoRegister = "E02", kNoMemory = "E14";

// "A,B".
inline std::optional<std::pair<u64, u64>> take_pair(std::string_view& text) {
    const auto first = take_hex(text);
    const bool comma = take(text, ",");
    const auto second = take_hex(text);
    return first && comma && second ? std::optional{std::pair{*first, *second}} : std::nullopt;
}

// "-1" is all, as "0" is any: 0.
inline std::optional<u64> take_thread(std::string_view& text) {
    return take(text, "-1") ? std::optional{u64{0}} : take_hex(text);
}

inline std::span<const u8> bytes_of(const std::string& text) {
    return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

} // namespace ulna::runtime::debug
