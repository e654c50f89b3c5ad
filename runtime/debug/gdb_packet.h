// Packets of gdb's remote protocol (gdb manual, E.1): $data#checksum, with + and - between them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ir/support/types.h"

namespace ulna::runtime::debug {

[[nodiscard]] std::string gdb_packet(std::string_view data); // framed and escaped

// Finds packets in a stream of bytes.
class GdbPacketReader {
  public:
    enum class Event : u8 { None, Packet, Damaged, Interrupt, Acknowledged, Refused };
    [[nodiscard]] Event take(u8 byte);
    [[nodiscard]] const std::string& packet() const { return data_; } // after Packet
    static constexpr std::size_t kMostBytes = 1 << 16;                // longer ones are damaged

  private:
    enum class State : u8 { Outside, Data, Escaped, FirstDigit, SecondDigit };
    State state_ = State::Outside;
    std::string data_;
    u8 sum_ = 0;
    int expected_ = 0;
};

// --- Hexadecimal digits

[[nodiscard]] int hex_digit(char c); // -1: none
[[nodiscard]] std::string to_hex(std::span<const u8> bytes);
[[nodiscard]] std::string to_hex(std::string_view text);
[[nodiscard]] std::string hex_number(u64 value);
[[nodiscard]] std::optional<std::string> from_hex(std::string_view digits);
// Takes a number off the front; without one, nothing.
[[nodiscard]] std::optional<u64> take_hex(std::string_view& text);
// Takes a prefix off.
[[nodiscard]] bool take(std::string_view& text, std::string_view prefix);

} // namespace ulna::runtime::debug
