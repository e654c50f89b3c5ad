// -device loader: files and numbers that are put into memory before the machine starts, and again
// after each reset.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/devices/physical_memory.h"
#include "runtime/devices/virt_map.h"

namespace ulna::system {

struct LoadItem {
    std::string file;                         // an ELF file, or bytes for `address`
    bool raw = false;                         // bytes, whatever they look like
    std::vector<u8> data;                     // without a file; may be empty
    std::optional<devices::PhysAddr> address; // where bytes go
    bool starts = false; // the first CPU starts here: at the ELF file's entry, else at `address`
};

// In their order. `start` is where the first CPU starts, when an item says so. False, with a reason
// of one line, when something cannot be read or does not fit in RAM.
[[nodiscard]] bool load_items(std::span<const LoadItem> items,
                              devices::virt::Range ram,
                              const devices::PhysicalMemory& memory,
                              std::optional<devices::PhysAddr>& start,
                              std::string& why_not);

} // namespace ulna::system
