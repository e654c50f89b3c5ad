// The tables of the ITS in the guest's memory. Their entries have eight bytes and our own format;
// bit 63 says that one is valid. The guest is not to write them, but can.
#include "runtime/devices/gicv3_its.h"

namespace ulna::devices {

namespace {
constexpr u64 kEntryBytes = 8;
constexpr u64 kValid = u64{1} << 63, kIndirect = u64{1} << 62; // GITS_BASER has them there, too
constexpr u64 kAddress = 0x000f'ffff'ffff'f000, kEventTableAddress = 0x000f'ffff'ffff'ff00;
constexpr unsigned kCollectionShift = 32; // in an event's entry, above its INTID

u64 page_bytes(u64 baser) {
    constexpr u64 kSizes[] = {4 << 10, 16 << 10, 64 << 10, 64 << 10};
    return kSizes[baser >> 8 & 3];
}

// With 64 KiB pages bits 15 to 12 are those of the address above 47.
PhysAddr table_address(u64 baser) {
    const u64 low = baser & 0xffff'ffff'f000;
    return page_bytes(baser) == 64 << 10 ? (low & ~u64{0xf000}) | (low & 0xf000) << 36 : low;
}
} // namespace

bool Gicv3Its::read_entry(PhysAddr at, u64& entry) const {
    return memory_.read_ram(at, &entry, kEntryBytes) && (entry & kValid) != 0;
}

bool Gicv3Its::write_entry(PhysAddr at, u64 entry) {
    return memory_.write_ram(at, &entry, kEntryBytes);
}

std::optional<PhysAddr> Gicv3Its::entry_of(Table table, u32 index) const {
    const u64 baser = tables_[table];
    if ((baser & kValid) == 0) {
        return std::nullopt;
    }
    const u64 entries = ((baser & 0xff) + 1) * page_bytes(baser) / kEntryBytes;
    if ((baser & kIndirect) == 0) {
        return index < entries ? std::optional{table_address(baser) + index * kEntryBytes}
                               : std::nullopt;
    }
    const u64 per_page = page_bytes(baser) / kEntryBytes;
    u64 page;
    if (index / per_page >= entries ||
        !read_entry(table_address(baser) + index / per_page * kEntryBytes, page)) {
        return std::nullopt;
    }
    return (page & kAddress & ~(page_bytes(baser) - 1)) + index % per_page * kEntryBytes;
}

std::optional<Gicv3Its::DeviceEntry> Gicv3Its::find_device(u32 device) const {
    const auto at = device >> kDeviceBits == 0 ? entry_of(kDevices, device) : std::nullopt;
    u64 entry;
    if (!at || !read_entry(*at, entry)) {
        return std::nullopt;
    }
    return DeviceEntry{entry & kEventTableAddress, static_cast<unsigned>(entry & 31) + 1};
}

bool Gicv3Its::map_device(u32 device, std::optional<DeviceEntry> entry) {
    const auto at = device >> kDeviceBits == 0 ? entry_of(kDevices, device) : std::nullopt;
    if (!at || (entry && entry->event_bits > kEventBits)) {
        return false;
    }
    return write_entry(
        *at, entry ? kValid | (entry->events & kEventTableAddress) | (entry->event_bits - 1) : 0);
}

std::optional<PhysAddr> Gicv3Its::event_place(u32 device, u32 event) const {
    const auto found = find_device(device);
    if (!found || u64{event} >> found->event_bits != 0) {
        return std::nullopt;
    }
    return found->events + u64{event} * kEntryBytes;
}

std::optional<Gicv3Its::Event> Gicv3Its::find_event(u32 device, u32 event) const {
    const auto at = event_place(device, event);
    u64 entry;
    if (!at || !read_entry(*at, entry) || !Gicv3::is_lpi(static_cast<u32>(entry))) {
        return std::nullopt;
    }
    return Event{*at, static_cast<u32>(entry), static_cast<u16>(entry >> kCollectionShift)};
}

bool Gicv3Its::map_event(u32 device, u32 event, u32 intid, u16 collection) {
    const auto at = event_place(device, event);
    return at && Gicv3::is_lpi(intid) &&
           write_entry(*at, kValid | u64{collection} << kCollectionShift | intid);
}

std::optional<unsigned> Gicv3Its::find_cpu(u16 collection) const {
    const auto at = entry_of(kCollections, collection);
    u64 entry;
    if (!at || !read_entry(*at, entry)) {
        return std::nullopt;
    }
    const unsigned cpu = static_cast<unsigned>(entry & 0xffff);
    return cpu < gic_.cpu_count() ? std::optional{cpu} : std::nullopt;
}

bool Gicv3Its::map_collection(u16 collection, std::optional<unsigned> cpu) {
    const auto at = entry_of(kCollections, collection);
    return at && (!cpu || *cpu < gic_.cpu_count()) && write_entry(*at, cpu ? kValid | *cpu : 0);
}

} // namespace ulna::devices
