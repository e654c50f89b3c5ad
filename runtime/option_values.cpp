#include "runtime/option_values.h"

#include <charconv>

namespace ulna::runtime {

std::optional<u64> parse_number(std::string_view text) {
    const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
    text.remove_prefix(is_hex ? 2 : 0);
    const char* const end = text.data() + text.size();
    u64 value = 0;
    const auto [rest, error] = std::from_chars(text.data(), end, value, is_hex ? 16 : 10);
    return error == std::errc{} && rest == end ? std::optional(value) : std::nullopt;
}

std::optional<u64> parse_bytes(std::string_view text, u64 unit) {
    constexpr std::string_view kSuffixes = "bkmgt";
    if (text.empty()) {
        return std::nullopt;
    }
    const auto suffix = kSuffixes.find(static_cast<char>(text.back() | 0x20));
    if (suffix != kSuffixes.npos) {
        text.remove_suffix(1);
        unit = u64{1} << (10 * suffix);
    }
    const std::optional<u64> value = parse_number(text);
    return value && *value <= ~u64{0} / unit ? std::optional(*value * unit) : std::nullopt;
}

std::optional<bool> parse_switch(std::string_view text) {
    for (const char* const yes : {"on", "yes", "true", "y"}) {
        if (text == yes) {
            return true;
        }
    }
    for (const char* const no : {"off", "no", "false", "n"}) {
        if (text == no) {
            return false;
        }
    }
    return std::nullopt;
}

} // namespace ulna::runtime
