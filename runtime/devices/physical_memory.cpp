#include "runtime/devices/physical_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "ir/support/bits.h"
#include "ir/support/check.h"

namespace ulna::devices {

namespace {
// In a folder, such as one of hugetlbfs, it is a file of its own that is gone with us.
int open_shared(const std::string& file) {
    if (file.empty()) {
        return memfd_create("ulna-ram", MFD_CLOEXEC);
    }
    struct stat info;
    if (stat(file.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
        return open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    }
    std::string name = file + "/ulna-ram-XXXXXX";
    const int fd = mkostemp(name.data(), O_CLOEXEC);
    if (fd >= 0) {
        unlink(name.c_str());
    }
    return fd;
}

bool make_larger(int fd, u64 bytes) {
    const off_t wanted = static_cast<off_t>(bytes);
    struct stat info;
    return fstat(fd, &info) == 0 && (info.st_size >= wanted || ftruncate(fd, wanted) == 0);
}

bool finds(Space by, Space what) { return by == Space::Secure || what == Space::NonSecure; }
} // namespace

PhysicalMemory::PhysicalMemory() = default;

PhysicalMemory::~PhysicalMemory() {
    for (const Ram& part : ram_) {
        give_back(part);
    }
}

u8* PhysicalMemory::add_ram(PhysAddr base,
                            u64 bytes,
                            std::string& why_not,
                            RamKind kind,
                            Space space,
                            const std::string& file) {
    constexpr u64 kHugePageBytes = u64{2} << 20;
    constexpr int kAccess = PROT_READ | PROT_WRITE;
    const u64 reserved = bytes + kHugePageBytes;
    Ram part{base, bytes, space, nullptr, -1, nullptr, reserved};
    part.mapping =
        mmap(nullptr, reserved, kAccess, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bool made = part.mapping != MAP_FAILED;
    if (made) {
        const u64 at = reinterpret_cast<u64>(part.mapping);
        part.host = reinterpret_cast<u8*>(align_down(at + kHugePageBytes - 1, kHugePageBytes));
    }
    if (made && kind == RamKind::Shared) {
        part.fd = open_shared(file);
        made = part.fd >= 0 && make_larger(part.fd, bytes) &&
               mmap(part.host, bytes, kAccess, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, part.fd,
                    0) != MAP_FAILED;
    }
    if (!made) {
        why_not = "cannot have " + std::to_string(bytes >> 20) + " MiB of guest memory" +
                  (file.empty() ? "" : " in '" + file + "'") + ": " + std::strerror(errno);
        give_back(part);
        return nullptr;
    }
    madvise(part.host, bytes, MADV_HUGEPAGE); // as good as it gets without
    ram_.push_back(part);
    return part.host;
}

bool PhysicalMemory::add_tags(std::string& why_not) {
    for (Ram& part : ram_) {
        void* const tags = mmap(nullptr, part.tag_bytes(), PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (tags == MAP_FAILED) {
            why_not = std::string{"no memory for allocation tags: "} + std::strerror(errno);
            return false;
        }
        part.tags = static_cast<u8*>(tags);
    }
    return true;
}

u8* PhysicalMemory::tags_of(const u8* host) const {
    for (const Ram& part : ram_) {
        if (host >= part.host && host < part.host + part.bytes) {
            return part.tags == nullptr
                       ? nullptr
                       : part.tags + static_cast<u64>(host - part.host) / kBytesOfTag;
        }
    }
    return nullptr;
}

void PhysicalMemory::give_back(const Ram& part) {
    if (part.tags != nullptr) {
        munmap(part.tags, part.tag_bytes());
    }
    if (part.mapping != MAP_FAILED) {
        munmap(part.mapping, part.mapping_bytes);
    }
    if (part.fd >= 0) {
        close(part.fd);
    }
}

void PhysicalMemory::reset() {
    for (const Mapped& part : devices_) {
        part.device->reset();
    }
    for (const Ram& part : ram_) { // reads as zero afterwards
        CHECK(madvise(part.host, part.bytes, part.fd < 0 ? MADV_DONTNEED : MADV_REMOVE) == 0);
        CHECK(part.tags == nullptr || madvise(part.tags, part.tag_bytes(), MADV_DONTNEED) == 0);
    }
}

void PhysicalMemory::discard(u8* host, u64 bytes) const {
    constexpr u64 kPageBytes = 4096;
    const u64 start = align_up(reinterpret_cast<u64>(host), kPageBytes);
    const u64 end = align_down(reinterpret_cast<u64>(host) + bytes, kPageBytes);
    const auto part = std::ranges::find_if(
        ram_, [&](const Ram& one) { return host >= one.host && host < one.host + one.bytes; });
    CHECK(part != ram_.end());
    if (start < end) { // where the host cannot, nothing is lost
        (void)madvise(reinterpret_cast<void*>(start), end - start,
                      part->fd < 0 ? MADV_DONTNEED : MADV_REMOVE);
    }
}

void PhysicalMemory::add_device(PhysAddr base, u64 bytes, Device& device, Space space) {
    const auto after = std::upper_bound(devices_.begin(), devices_.end(), base,
                                        [](PhysAddr at, const Mapped& m) { return at < m.base; });
    devices_.insert(after, {base, bytes, &device, space});
}

u8* PhysicalMemory::ram(PhysAddr at, u64 bytes, Space by) const {
    for (const Ram& part : ram_) {
        if (at >= part.base && at - part.base < part.bytes &&
            bytes <= part.bytes - (at - part.base) && finds(by, part.space)) {
            return part.host + (at - part.base);
        }
    }
    return nullptr;
}

const u8* PhysicalMemory::readable(PhysAddr at, u64 bytes, Space by) const {
    if (const u8* host = ram(at, bytes, by)) {
        return host;
    }
    const Place place = device_at(at, 1, by);
    return place.device != nullptr ? place.device->rom(place.offset, bytes) : nullptr;
}

PhysicalMemory::Place PhysicalMemory::device_at(PhysAddr at, unsigned bytes, Space by) const {
    auto after = std::upper_bound(devices_.begin(), devices_.end(), at,
                                  [](PhysAddr a, const Mapped& m) { return a < m.base; });
    if (after == devices_.begin()) {
        return {};
    }
    const Mapped& part = *--after;
    const u64 offset = at - part.base;
    const bool found = offset < part.bytes && bytes <= part.bytes - offset && finds(by, part.space);
    return found ? Place{part.device, offset} : Place{};
}

bool PhysicalMemory::read(PhysAddr at, unsigned bytes, u64& value, Space by) const {
    value = 0;
    if (const u8* host = ram(at, bytes, by)) {
        std::memcpy(&value, host, bytes);
        return true;
    }
    const Place place = device_at(at, bytes, by);
    if (place.device != nullptr) {
        accessed_by_ = by;
        value = place.device->read(place.offset, bytes);
    }
    return place.device != nullptr;
}

bool PhysicalMemory::write(PhysAddr at, unsigned bytes, u64 value, Space by) const {
    if (u8* host = ram(at, bytes, by)) {
        std::memcpy(host, &value, bytes);
        return true;
    }
    const Place place = device_at(at, bytes, by);
    if (place.device != nullptr) {
        accessed_by_ = by;
        place.device->write(place.offset, bytes, value);
    }
    return place.device != nullptr;
}

std::vector<PhysicalMemory::Region> PhysicalMemory::regions() const {
    std::vector<Region> regions;
    for (const Ram& ram : ram_) {
        regions.push_back({ram.base, ram.bytes, true});
    }
    for (const Mapped& mapped : devices_) {
        regions.push_back({mapped.base, mapped.bytes, false});
    }
    std::ranges::sort(regions, {}, &Region::base);
    return regions;
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
