#include "runtime/system/memory_format.h"

#define FMT_HEADER_ONLY
#include <fmt/format.h>

#include <cstring>
#include <vector>

#include "ir/support/bits.h"
#include "runtime/debug/disassemble.h"

namespace ulna::system {

namespace {

constexpr u64 kMostUnits = 4096, kLineBytes = 16;

std::string print_unit(const MemoryFormat& format, u64 value) {
    const unsigned bits = format.unit_bytes * 8;
    switch (format.format) {
    case 'd':
        return fmt::format("{}", static_cast<i64>(sign_extend(value, bits)));
    case 'u':
        return fmt::format("{}", value);
    case 'o':
        return fmt::format("{:#o}", value);
    case 'c':
        return value >= ' ' && value <= '~' ? fmt::format("'{}'", static_cast<char>(value))
                                            : fmt::format("'\\x{:02x}'", value);
    default:
        return fmt::format("{:#0{}x}", value, bits / 4 + 2);
    }
}

std::string print_instructions(u64 at, std::span<const u8> bytes) {
    std::vector<u32> words(bytes.size() / sizeof(u32));
    std::memcpy(words.data(), bytes.data(), words.size() * sizeof(u32));
    return runtime::debug::disassemble_guest(words, at);
}

} // namespace

std::optional<MemoryFormat> parse_memory_format(std::string_view text) {
    MemoryFormat result;
    bool has_size = false;
    u64 count = 0;
    std::size_t i = 0;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9' && count <= kMostUnits; ++i) {
        count = count * 10 + static_cast<u64>(text[i] - '0');
    }
    result.count = i == 0 ? 1 : count;
    constexpr std::string_view kFormats = "xduoci", kSizes = "bhwg";
    for (; i < text.size(); ++i) {
        const std::size_t size = kSizes.find(text[i]);
        if (size != std::string_view::npos) {
            result.unit_bytes = 1u << size;
            has_size = true;
        } else if (kFormats.find(text[i]) != std::string_view::npos) {
            result.format = text[i];
        } else {
            return std::nullopt;
        }
    }
    if (result.format == 'i') {
        result.unit_bytes = 4;
    } else if (result.format == 'c' && !has_size) {
        result.unit_bytes = 1;
    }
    return result.count != 0 && result.count <= kMostUnits ? std::optional{result} : std::nullopt;
}

std::string print_memory(const MemoryFormat& format, u64 at, std::span<const u8> bytes) {
    if (format.format == 'i') {
        return print_instructions(at, bytes);
    }
    std::string text;
    for (u64 done = 0; done + format.unit_bytes <= bytes.size(); done += format.unit_bytes) {
        u64 value = 0;
        std::memcpy(&value, &bytes[done], format.unit_bytes);
        const bool begins_line = done % kLineBytes == 0;
        text += begins_line ? fmt::format("{}{:016x}:", done == 0 ? "" : "\n", at + done) : "";
        text += ' ' + print_unit(format, value);
    }
    return text.empty() ? text : text + '\n';
}

} // namespace ulna::system
