#include "runtime/debug/log.h"

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include "runtime/file_descriptor.h"
#include "runtime/option_values.h"

namespace ulna::runtime::debug {

u32 log_items_ = 0;

namespace {

struct ItemRow {
    Item item;
    const char* name;
    const char* meaning;
};
constexpr ItemRow kItems[] = {
#define LOG_ITEM(id, bit, name, meaning) {Item::id, name, meaning},
#include "runtime/debug/log_items.def"
#undef LOG_ITEM
};

constexpr u32 kAllItems = 0
#define LOG_ITEM(id, bit, name, meaning) | static_cast<u32>(Item::id)
#include "runtime/debug/log_items.def"
#undef LOG_ITEM
    ;

int log_fd = 2;
AddressRanges log_filter;

// Calls `use` for each part between commas; stops and returns false as soon as it does.
template <class Use> bool for_each_part(std::string_view list, Use use) {
    while (!list.empty()) {
        const auto comma = list.find(',');
        const auto part = list.substr(0, comma);
        if (!part.empty() && !use(part)) {
            return false;
        }
        list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    }
    return true;
}

// A range reaches at most to the last address, which it then leaves out.
constexpr u64 saturated(u64 address, u64 more) {
    return address + std::min(more, ~u64{0} - address);
}

// "a..b" (inclusive, as in QEMU), "a+len", "a-len".
bool parse_range(std::string_view text, std::pair<GuestAddr, GuestAddr>& range) {
    const auto at = text.find_first_of("+-.");
    if (at == std::string_view::npos) {
        return false;
    }
    const bool dots = text.substr(at).starts_with("..");
    const auto from = parse_number(text.substr(0, at));
    const auto to = parse_number(text.substr(at + (dots ? 2 : 1)));
    if ((text[at] == '.' && !dots) || !from || !to) {
        return false;
    }
    switch (text[at]) {
    case '+':
        range = {*from, saturated(*from, *to)};
        break;
    case '-':
        range = {*from - std::min(*from, *to), saturated(*from, 1)};
        break;
    default:
        range = {*from, saturated(*to, 1)};
        break;
    }
    return true;
}

} // namespace

bool log_wants(GuestAddr pc) {
    if (log_filter.empty()) {
        return true;
    }
    for (const auto& [low, high] : log_filter) {
        if (pc >= low && pc < high) {
            return true;
        }
    }
    return false;
}

std::string configure_log(u32 items, const std::string& file, const AddressRanges& filter) {
    std::string path = file;
    if (const auto at = path.find("%d"); at != std::string::npos) {
        path.replace(at, 2, std::to_string(getpid()));
    }
    if (!path.empty()) {
        FileDescriptor opened{
            open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666)};
        if (!opened) {
            return path + ": " + std::strerror(errno);
        }
        log_fd = renumbered(std::move(opened), kLowestOwnDescriptor).release();
    }
    log_filter = filter;
    log_items_ = items;
    return {};
}

void set_log_items(u32 items) { log_items_ = items; }

std::optional<u32> parse_log_items(std::string_view list, std::string& bad_name) {
    u32 items = 0;
    const bool good = for_each_part(list, [&](std::string_view name) {
        if (name == "all") {
            items = kAllItems;
            return true;
        }
        for (const ItemRow& row : kItems) {
            if (name == row.name) {
                items |= static_cast<u32>(row.item);
                return true;
            }
        }
        bad_name = name;
        return false;
    });
    return good ? std::optional{items} : std::nullopt;
}

std::optional<AddressRanges> parse_address_ranges(std::string_view list) {
    AddressRanges ranges;
    const bool good = for_each_part(list, [&](std::string_view text) {
        std::pair<GuestAddr, GuestAddr> range;
        if (!parse_range(text, range)) {
            return false;
        }
        ranges.push_back(range);
        return true;
    });
    return good ? std::optional{ranges} : std::nullopt;
}

std::string log_item_help() {
    std::string text = "Log items (comma separated):\n";
    for (const ItemRow& row : kItems) {
        char line[160];
        std::snprintf(line, sizeof line, "%-15s %s\n", row.name, row.meaning);
        text += line;
    }
    return text;
}

void log_text(std::string_view text) {
    while (!text.empty()) {
        const ssize_t done = write(log_fd, text.data(), text.size());
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return;
        }
        text.remove_prefix(static_cast<std::size_t>(done));
    }
}

void log_printf(const char* format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    const int length = std::vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (length > 0) {
        log_text({line, std::min(static_cast<std::size_t>(length), sizeof line - 1)});
    }
}

} // namespace ulna::runtime::debug
