#include "runtime/system/uuid.h"

#define FMT_HEADER_ONLY
#include <fmt/format.h>

#include <charconv>

namespace ulna::system {

std::optional<Uuid> parse_uuid(std::string_view text) {
    constexpr std::string_view kForm = "00000000-0000-0000-0000-000000000000";
    Uuid uuid{};
    std::size_t digits = 0;
    if (text.size() != kForm.size()) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (kForm[i] == '-') {
            if (text[i] != '-') {
                return std::nullopt;
            }
            continue;
        }
        u8 digit = 0;
        const char* const at = text.data() + i;
        if (std::from_chars(at, at + 1, digit, 16).ptr != at + 1) {
            return std::nullopt;
        }
        uuid[digits / 2] = static_cast<u8>(uuid[digits / 2] << 4 | digit);
        ++digits;
    }
    return uuid;
}

std::string print_uuid(const Uuid& uuid) {
    std::string text;
    for (std::size_t n = 0; n < uuid.size(); ++n) {
        text += fmt::format("{}{:02x}", n == 4 || n == 6 || n == 8 || n == 10 ? "-" : "", uuid[n]);
    }
    return text;
}

Bytes table_order(const Uuid& uuid) {
    constexpr std::array<u8, 16> kOrder{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    Bytes bytes;
    for (const u8 at : kOrder) {
        bytes.push_back(uuid[at]);
    }
    return bytes;
}

} // namespace ulna::system
