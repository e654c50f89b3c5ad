#include "runtime/devices/physical_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ir/support/bits.h"

namespace ulna::devices {

PhysicalMemory::PhysicalMemory() = default;

PhysicalMemory::~PhysicalMemory() {
    for (const Ram& part : ram_) {
        munmap(part.mapping, part.mapping_bytes);
    }
}

u8* PhysicalMemory::add_ram(PhysAddr base, u64 bytes, std::string& why_not) {
    constexpr u64 kHugePageBytes = u64{2} << 20;
    constexpr int kAccess = PROT_READ | PROT_WRITE;
    void* const host = mmap(nullptr, bytes + kHugePageBytes, kAccess,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (host == MAP_FAILED) {
        why_not = "cannot have " + std::to_string(bytes >> 20) +
                  " MiB of guest memory: " + std::strerror(errno);
        return nullptr;
    }
    u8* const aligned = reinterpret_cast<u8*>(
        align_down(reinterpret_cast<u64>(host) + kHugePageBytes - 1, kHugePageBytes));
    madvise(aligned, bytes, MADV_HUGEPAGE); // as good as it gets without
    madvise(aligned, bytes, MADV_DONTFORK);
    ram_.push_back({base, bytes, aligned, host, bytes + kHugePageBytes});
    return aligned;
}

void PhysicalMemory::add_device(PhysAddr base, u64 bytes, Device& device) {
    const auto after = std::upper_bound(devices_.begin(), devices_.end(), base,
                                        [](PhysAddr at, const Mapped& m) { return at < m.base; });
    devices_.insert(after, {base, bytes, &device});
}

u8* PhysicalMemory::ram(PhysAddr at, u64 bytes) const {
    for (const Ram& part : ram_) {
        if (at >= part.base && at - part.base < part.bytes &&
            bytes <= part.bytes - (at - part.base)) {
            return part.host + (at - part.base);
        }
    }
    return nullptr;
}

const u8* PhysicalMemory::readable(PhysAddr at, u64 bytes) const {
    if (const u8* host = ram(at, bytes)) {
        return host;
    }
    const Place place = device_at(at, 1);
    return place.device != nullptr ? place.device->rom(place.offset, bytes) : nullptr;
}

PhysicalMemory::Place PhysicalMemory::device_at(PhysAddr at, unsigned bytes) const {
    auto after = std::upper_bound(devices_.begin(), devices_.end(), at,
                                  [](PhysAddr a, const Mapped& m) { return a < m.base; });
    if (after == devices_.begin()) {
        return {};
    }
    const Mapped& part = *--after;
    const u64 offset = at - part.base;
    return offset < part.bytes && bytes <= part.bytes - offset ? Place{part.device, offset}
                                                               : Place{};
}

bool PhysicalMemory::read(PhysAddr at, unsigned bytes, u64& value) const {
    value = 0;
    if (const u8* host = ram(at, bytes)) {
        std::memcpy(&value, host, bytes);
        return true;
    }
    const Place place = device_at(at, bytes);
    if (place.device != nullptr) {
        value = place.device->read(place.offset, bytes);
    }
    return place.device != nullptr;
}

bool PhysicalMemory::write(PhysAddr at, unsigned bytes, u64 value) const {
    if (u8* host = ram(at, bytes)) {
        std::memcpy(host, &value, bytes);
        return true;
    }
    const Place place = device_at(at, bytes);
    if (place.device != nullptr) {
        place.device->write(place.offset, bytes, value);
    }
    return place.device != nullptr;
}

bool PhysicalMemory::read_ram(PhysAddr at, void* to, u64 bytes) const {
    const u8* host = ram(at, bytes);
    if (host != nullptr) {
        std::memcpy(to, host, bytes);
    }
    return host != nullptr;
}

bool PhysicalMemory::write_ram(PhysAddr at, const void* from, u64 bytes) const {
    u8* host = ram(at, bytes);
    if (host != nullptr) {
        std::memcpy(host, from, bytes);
    }
    return host != nullptr;
}

} // namespace ulna::devices
