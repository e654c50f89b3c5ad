// Commands of any unit (SPC-4): what it is.
#include <string_view>

#include "runtime/devices/scsi/limits.h"
#include "runtime/devices/scsi/logical_unit.h"

namespace ulna::devices::scsi {

namespace {

constexpr u64 kNoLimit = ~u64{0};
constexpr u8 kDiskType = 0, kCdType = 5;
// Section 7.8: vital product data.
enum Page : u8 {
    kSupportedPages = 0x00,
    kSerialNumber = 0x80,
    kDeviceIdentification = 0x83,
    kBlockLimits = 0xb0,
    kBlockCharacteristics = 0xb1,
    kLogicalBlockProvisioning = 0xb2,
};
constexpr std::size_t kMostSerialBytes = 36;
constexpr std::size_t kMostDeviceIdBytes = 200;

// Text in a field of fixed size, filled up with spaces.
void put_text(std::span<u8> field, std::string_view text) {
    std::ranges::fill(field, u8{' '});
    std::copy_n(text.begin(), std::min(text.size(), field.size()), field.begin());
}

void append_text(std::vector<u8>& to, std::string_view text, std::size_t most) {
    text = text.substr(0, most);
    to.insert(to.end(), text.begin(), text.end());
}

const std::string& or_default(const std::string& text, const std::string& fallback) {
    return text.empty() ? fallback : text;
}

} // namespace

// Section 6.39. The unit has nothing to tell but what waits for the next command.
Sense LogicalUnit::request_sense(const Cdb& cdb, Data& data) {
    const Sense sense = take_attention();
    const bool as_descriptors = (cdb[1] & 1) != 0;
    return as_descriptors ? reply(data, descriptor_format(sense), cdb[4])
                          : reply(data, fixed_format(sense), cdb[4]);
}

// Section 6.6.
Sense LogicalUnit::inquiry(const Cdb& cdb, Data& data) {
    const bool vital = (cdb[1] & 1) != 0;
    const u64 allocated = cdb.field(3, 2);
    if (vital) {
        return vital_data(cdb[2], data, allocated);
    }
    return cdb[2] != 0 ? sense::kBadField : reply(data, standard_inquiry(), allocated);
}

std::vector<u8> LogicalUnit::standard_inquiry() const {
    constexpr u8 kRemovable = 0x80, kSpc3 = 5, kHierarchical = 0x10, kFormat = 2, kQueues = 2;
    std::vector<u8> bytes(36);
    bytes[0] = is_cd() ? kCdType : kDiskType;
    bytes[1] = is_removable() ? kRemovable : 0;
    bytes[2] = kSpc3;
    bytes[3] = kHierarchical | kFormat;
    bytes[4] = static_cast<u8>(bytes.size() - 5);
    bytes[7] = kQueues;
    const std::span all{bytes};
    put_text(all.subspan(8, 8), or_default(options_.vendor, "QEMU"));
    put_text(all.subspan(16, 16),
             or_default(options_.product, is_cd() ? "QEMU CD-ROM" : "QEMU HARDDISK"));
    put_text(all.subspan(32, 4), or_default(options_.revision, "2.5+"));
    return bytes;
}

std::vector<u8> LogicalUnit::vital_pages() const {
    std::vector<u8> pages{kSupportedPages};
    if (!options_.serial.empty()) {
        pages.push_back(kSerialNumber);
    }
    pages.push_back(kDeviceIdentification);
    if (!is_cd()) {
        pages.insert(pages.end(), {kBlockLimits, kBlockCharacteristics, kLogicalBlockProvisioning});
    }
    return pages;
}

Sense LogicalUnit::vital_data(u8 page, Data& data, u64 allocated) {
    const std::vector<u8> pages = vital_pages();
    if (std::ranges::find(pages, page) == pages.end()) {
        return sense::kBadField;
    }
    std::vector<u8> bytes;
    switch (page) {
    case kSupportedPages:
        bytes = pages;
        break;
    case kSerialNumber:
        append_text(bytes, options_.serial, kMostSerialBytes);
        break;
    case kDeviceIdentification:
        bytes = device_identification();
        break;
    case kBlockLimits:
        bytes = block_limits();
        break;
    case kBlockCharacteristics: // SBC-3, section 6.6.2
        bytes.resize(0x3c);
        store_big_endian(std::span{bytes}.first(2), options_.rotation_rate);
        break;
    case kLogicalBlockProvisioning: // section 6.6.4: UNMAP, both WRITE SAME; thin
        bytes = {0, can_write() ? u8{0xe0} : u8{0}, can_write() ? u8{2} : u8{0}, 0};
        break;
    }
    std::vector<u8> header{is_cd() ? kCdType : kDiskType, page, 0, 0};
    store_big_endian(std::span{header}.subspan(2), bytes.size());
    header.insert(header.end(), bytes.begin(), bytes.end());
    return reply(data, header, allocated);
}

// SPC-4, section 7.8.6: designators.
std::vector<u8> LogicalUnit::device_identification() const {
    constexpr u8 kBinary = 1, kAscii = 2, kVendorSpecific = 0, kNaa = 3;
    std::vector<u8> bytes;
    if (!options_.device_id.empty()) {
        bytes = {kAscii, kVendorSpecific, 0, 0};
        append_text(bytes, options_.device_id, kMostDeviceIdBytes);
        bytes[3] = static_cast<u8>(bytes.size() - 4);
    }
    if (options_.wwn != 0) {
        bytes.insert(bytes.end(), {kBinary, kNaa, 0, 8});
        bytes.resize(bytes.size() + 8);
        store_big_endian(std::span{bytes}.last(8), options_.wwn);
    }
    return bytes;
}

// SBC-3, section 6.6.3; without the header.
std::vector<u8> LogicalUnit::block_limits() const {
    constexpr u8 kNotWithoutLength = 1; // WSNZ
    std::vector<u8> bytes(0x3c);
    const auto put = [&](std::size_t at, std::size_t count, u64 value) {
        store_big_endian(std::span{bytes}.subspan(at - 4, count), value);
    };
    put(4, 1, kNotWithoutLength);
    put(6, 2, kPhysicalBlockBytes / block_bytes());
    if (can_write()) {
        put(20, 4, kMostUnmapBlocks);
        put(24, 4, kMostUnmapExtents);
        put(28, 4, kPhysicalBlockBytes / block_bytes());
        put(36, 8, kMostWriteSameBlocks);
    }
    return bytes;
}

} // namespace ulna::devices::scsi
