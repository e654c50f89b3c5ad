#include "runtime/debug/gdb_packet.h"

namespace ulna::runtime::debug {

namespace {
constexpr char kDigits[] = "0123456789abcdef";
constexpr u8 kInterrupt = 3;
constexpr u8 kEscape = '}', kEscapeMask = 0x20;
} // namespace

std::string gdb_packet(std::string_view data) {
    std::string packet = "$";
    u8 sum = 0;
    const auto put = [&](char c) {
        packet += c;
        sum = static_cast<u8>(sum + static_cast<u8>(c));
    };
    for (const char c : data) {
        if (c == '$' || c == '#' || c == '}' || c == '*') { // '*' is run-length encoding
            put(static_cast<char>(kEscape));
            put(static_cast<char>(c ^ kEscapeMask));
        } else {
            put(c);
        }
    }
    return packet + '#' + kDigits[sum >> 4] + kDigits[sum & 15];
}

GdbPacketReader::Event GdbPacketReader::take(u8 byte) {
    const auto add = [&](u8 value) {
        sum_ = static_cast<u8>(sum_ + byte);
        if (data_.size() < kMostBytes) {
            data_ += static_cast<char>(value);
        }
    };
    switch (state_) {
    case State::Outside:
        if (byte == '$') {
            state_ = State::Data;
            data_.clear();
            sum_ = 0;
        }
        return byte == kInterrupt ? Event::Interrupt
               : byte == '+'      ? Event::Acknowledged
               : byte == '-'      ? Event::Refused
                                  : Event::None;
    case State::Data:
        if (byte == '#') {
            state_ = State::FirstDigit;
        } else if (byte == kEscape) {
            sum_ = static_cast<u8>(sum_ + byte);
            state_ = State::Escaped;
        } else {
            add(byte);
        }
        return Event::None;
    case State::Escaped:
        add(byte ^ kEscapeMask);
        state_ = State::Data;
        return Event::None;
    case State::FirstDigit:
        expected_ = hex_digit(static_cast<char>(byte));
        state_ = State::SecondDigit;
        return Event::None;
    case State::SecondDigit: {
        const int low = hex_digit(static_cast<char>(byte));
        state_ = State::Outside;
        const bool intact = expected_ >= 0 && low >= 0 && (expected_ << 4 | low) == sum_ &&
                            data_.size() < kMostBytes;
        return intact ? Event::Packet : Event::Damaged;
    }
    }
    return Event::None;
}

int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

std::string to_hex(std::span<const u8> bytes) {
    std::string digits;
    digits.reserve(bytes.size() * 2);
    for (const u8 byte : bytes) {
        digits += kDigits[byte >> 4];
        digits += kDigits[byte & 15];
    }
    return digits;
}

std::string to_hex(std::string_view text) {
    return to_hex(std::span{reinterpret_cast<const u8*>(text.data()), text.size()});
}

std::string hex_number(u64 value) {
    std::string digits;
    do {
        digits.insert(digits.begin(), kDigits[value & 15]);
        value >>= 4;
    } while (value != 0);
    return digits;
}

std::optional<std::string> from_hex(std::string_view digits) {
    if (digits.size() % 2 != 0) {
        return std::nullopt;
    }
    std::string bytes;
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        const int high = hex_digit(digits[i]), low = hex_digit(digits[i + 1]);
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        bytes += static_cast<char>(high << 4 | low);
    }
    return bytes;
}

std::optional<u64> take_hex(std::string_view& text) {
    u64 value = 0;
    std::size_t count = 0;
    for (; count < text.size() && count < 16 && hex_digit(text[count]) >= 0; ++count) {
        value = value << 4 | static_cast<u64>(hex_digit(text[count]));
    }
    text.remove_prefix(count);
    return count != 0 ? std::optional{value} : std::nullopt;
}

bool take(std::string_view& text, std::string_view prefix) {
    const bool found = text.starts_with(prefix);
    text.remove_prefix(found ? prefix.size() : 0);
    return found;
}

} // namespace ulna::runtime::debug
