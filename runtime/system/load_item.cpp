#include "runtime/system/load_item.h"

#include "runtime/system/boot_file.h"
#include "runtime/system/boot_image.h"

namespace ulna::system {

namespace {

using Segments = std::vector<KernelImage::Segment>;

// What an item puts where, and where it would start.
std::optional<Segments> segments_of(const LoadItem& item,
                                    devices::virt::Range ram,
                                    std::optional<devices::PhysAddr>& entry,
                                    std::string& why_not) {
    entry = item.address;
    if (item.file.empty()) {
        return Segments{{item.address.value_or(0), item.data}};
    }
    std::optional<std::vector<u8>> file = read_file(item.file, ram.bytes, why_not);
    if (!file) {
        return std::nullopt;
    }
    if (item.raw || !is_elf(*file)) {
        if (!item.address) {
            why_not = item.file + ": no ELF file, so that addr= is needed";
            return std::nullopt;
        }
        return Segments{{*item.address, std::move(*file)}};
    }
    std::optional<KernelImage> image = parse_elf_kernel(*file, ram, why_not);
    if (!image) {
        why_not = item.file + ": " + why_not;
        return std::nullopt;
    }
    entry = image->entry;
    return std::move(image->segments);
}

} // namespace

bool load_items(std::span<const LoadItem> items,
                devices::virt::Range ram,
                const devices::PhysicalMemory& memory,
                std::optional<devices::PhysAddr>& start,
                std::string& why_not) {
    for (const LoadItem& item : items) {
        std::optional<devices::PhysAddr> entry;
        const std::optional<Segments> segments = segments_of(item, ram, entry, why_not);
        if (!segments) {
            return false;
        }
        for (const auto& [at, bytes] : *segments) {
            if (!bytes.empty() && !memory.write_ram(at, bytes.data(), bytes.size())) {
                why_not = (item.file.empty() ? "-device loader" : item.file) +
                          ": what it loads is not all in RAM";
                return false;
            }
        }
        start = item.starts ? entry : start;
    }
    return true;
}

} // namespace ulna::system
