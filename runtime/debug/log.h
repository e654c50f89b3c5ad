// What `-d` prints, and where. Items and their names are qemu-aarch64's, so that scripts carry
// over. Off costs one load and a branch at places that are not hot; translated code never asks.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/support/types.h"

namespace ulna::runtime::debug {

enum class Item : u32 {
#define LOG_ITEM(id, bit, name, meaning) id = 1u << (bit),
#include "runtime/debug/log_items.def"
#undef LOG_ITEM
};

// Half-open guest address ranges of -dfilter; empty: everything.
using AddressRanges = std::vector<std::pair<GuestAddr, GuestAddr>>;

extern u32 log_items_; // bit set of Items; use log_enabled()

[[nodiscard]] inline bool log_enabled(Item item) {
    return (log_items_ & static_cast<u32>(item)) != 0;
}
// Translations are to be seen being made: then all are, when they are executed first, and none is
// found made.
[[nodiscard]] inline bool shows_translations(u32 items = log_items_) {
    constexpr Item kShow[] = {Item::InAsm, Item::Op,     Item::OpOpt,  Item::OutAsm,
                              Item::Regs,  Item::LlvmIr, Item::LlvmAsm};
    return std::ranges::any_of(
        kShow, [items](Item item) { return (items & static_cast<u32>(item)) != 0; });
}
[[nodiscard]] inline bool any_log_enabled() { return log_items_ != 0; }
// False when -dfilter excludes the guest address.
[[nodiscard]] bool log_wants(GuestAddr pc);

// Turns logging on. `file`: path, where %d becomes the process id; empty: standard error.
// Returns a reason on failure, else an empty string.
[[nodiscard]] std::string
configure_log(u32 items, const std::string& file, const AddressRanges& filter);

// Other items, with the file and the filter that there are.
void set_log_items(u32 items);

// "in_asm,op" or "all" -> bit set; nullopt and the bad name for an unknown one.
[[nodiscard]] std::optional<u32> parse_log_items(std::string_view list, std::string& bad_name);
// "a..b,a+len,a-len" -> ranges; nullopt when malformed.
[[nodiscard]] std::optional<AddressRanges> parse_address_ranges(std::string_view list);
// One line per item, for `-d help`.
[[nodiscard]] std::string log_item_help();

// Writes text to the log as one piece, so that threads do not mix lines.
void log_text(std::string_view text);
[[gnu::format(printf, 1, 2)]] void log_printf(const char* format, ...);

} // namespace ulna::runtime::debug
