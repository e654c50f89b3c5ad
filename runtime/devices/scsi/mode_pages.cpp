// MODE SENSE and MODE SELECT (SPC-4, sections 6.10 to 6.13). All that can be changed is whether
// writes are cached.
#include "runtime/devices/scsi/logical_unit.h"

namespace ulna::devices::scsi {

namespace {

enum Page : u8 {
    kErrorRecovery = 0x01, // SBC-3, section 6.5.8
    kCaching = 0x08,       // section 6.5.6
    kCapabilities = 0x2a,  // MMC-3, section 6.3.11
    kAllPages = 0x3f,
};
constexpr u8 kWriteCache = 4; // WCE, in byte 2 of the caching page
constexpr u8 kModeSense6 = 0x1a, kModeSelect6 = 0x15;
constexpr std::size_t kBlockDescriptorBytes = 8;

std::size_t header_bytes(bool six) { return six ? 4 : 8; }

void append_descriptor(std::vector<u8>& to, u64 blocks, u64 block_bytes) {
    constexpr u64 kMostBlocks = 0xff'ffff; // more of them are none
    to.resize(to.size() + kBlockDescriptorBytes);
    const std::span descriptor = std::span{to}.last(kBlockDescriptorBytes);
    store_big_endian(descriptor.subspan(1, 3), blocks > kMostBlocks ? 0 : blocks);
    store_big_endian(descriptor.subspan(5, 3), block_bytes);
}

} // namespace

std::vector<u8> LogicalUnit::mode_pages() const {
    return is_cd() ? std::vector<u8>{kErrorRecovery, kCaching, kCapabilities}
                   : std::vector<u8>{kErrorRecovery, kCaching};
}

// The page with its values, or with ones for what can be changed; empty: there is none.
std::vector<u8> LogicalUnit::mode_page(u8 page, bool changeable) const {
    std::vector<u8> bytes;
    switch (page) {
    case kErrorRecovery:
        bytes.resize(12);
        bytes[2] = changeable ? 0 : 0x80; // AWRE
        break;
    case kCaching:
        bytes.resize(20);
        bytes[2] = !is_cd() && (changeable || write_cache_) ? kWriteCache : 0;
        break;
    case kCapabilities:
        if (!is_cd()) {
            return {};
        }
        bytes.resize(22);
        if (!changeable) {
            constexpr u16 kSpeed = 50 * 176;                      // KB a second
            bytes[2] = 0x0b;                                      // reads CD-R, CD-RW, DVD-ROM
            bytes[4] = 0x70;                                      // sessions, mode 2
            bytes[6] = 0x29 | (removal_is_prevented_ ? 0x02 : 0); // a tray that locks and ejects
            store_big_endian(std::span{bytes}.subspan(8, 2), kSpeed);
            store_big_endian(std::span{bytes}.subspan(14, 2), kSpeed);
        }
        break;
    default:
        return {};
    }
    bytes[0] = page;
    bytes[1] = static_cast<u8>(bytes.size() - 2);
    return bytes;
}

Sense LogicalUnit::mode_sense(const Cdb& cdb, Data& data) {
    const bool six = cdb[0] == kModeSense6;
    const u8 page = cdb[2] & 0x3f, control = cdb[2] >> 6, subpage = cdb[3];
    if (control == 3) {
        return sense::kNoSavedPages;
    }
    if (subpage != 0 && !(page == kAllPages && subpage == 0xff)) {
        return sense::kBadField;
    }
    std::vector<u8> bytes(header_bytes(six));
    const bool has_descriptor = (cdb[1] & 8) == 0 && !is_cd();
    if (!is_cd()) {
        bytes[six ? 2 : 3] = can_write() ? 0x10 : 0x90; // WP and DPOFUA
    }
    if (has_descriptor) {
        bytes[six ? 3 : 7] = kBlockDescriptorBytes;
        append_descriptor(bytes, blocks(), block_bytes());
    }
    const std::size_t before = bytes.size();
    for (const u8 number : page == kAllPages ? mode_pages() : std::vector{page}) {
        const std::vector<u8> one = mode_page(number, control == 1);
        bytes.insert(bytes.end(), one.begin(), one.end());
    }
    if (bytes.size() == before) {
        return sense::kBadField;
    }
    const std::size_t length_bytes = six ? 1 : 2; // what follows the field
    store_big_endian(std::span{bytes}.first(length_bytes), bytes.size() - length_bytes);
    return reply(data, bytes, six ? cdb[4] : cdb.field(7, 2));
}

Sense LogicalUnit::mode_select(const Cdb& cdb, Data& data) {
    constexpr u8 kPageFormat = 0x10, kSavePages = 1;
    const bool six = cdb[0] == kModeSelect6;
    std::vector<u8> bytes(six ? cdb[4] : cdb.field(7, 2));
    if ((cdb[1] & (kPageFormat | kSavePages)) != kPageFormat) {
        return sense::kBadField;
    }
    if (bytes.empty()) {
        return sense::kGood;
    }
    data.moved = gather(data.out, 0, bytes.data(), bytes.size());
    const std::size_t header = header_bytes(six);
    if (bytes.size() < header) {
        return sense::kBadParameterLength;
    }
    const std::size_t descriptors =
        six ? bytes[3] : load_big_endian(std::span{bytes}.subspan(6, 2));
    if (descriptors != 0 && descriptors != kBlockDescriptorBytes) {
        return sense::kBadParameter;
    }
    if (bytes.size() < header + descriptors) {
        return sense::kBadParameterLength;
    }
    return change_mode_pages(std::span{bytes}.subspan(header + descriptors));
}

// All is looked at before anything changes.
Sense LogicalUnit::change_mode_pages(std::span<const u8> pages) {
    bool write_cache = write_cache_;
    while (!pages.empty()) {
        const u8 number = pages[0] & 0x3f;
        const std::vector<u8> now = mode_page(number, false), mask = mode_page(number, true);
        if (now.empty() || (pages[0] & 0x40) != 0) {
            return sense::kBadParameter;
        }
        if (pages.size() < now.size() || pages[1] != now[1]) {
            return sense::kBadParameterLength;
        }
        for (std::size_t at = 2; at < now.size(); ++at) {
            if (((now[at] ^ pages[at]) & ~mask[at]) != 0) {
                return sense::kBadParameter;
            }
        }
        if (number == kCaching && !is_cd()) {
            write_cache = (pages[2] & kWriteCache) != 0;
        }
        pages = pages.subspan(now.size());
    }
    write_cache_ = write_cache;
    return sense::kGood;
}

} // namespace ulna::devices::scsi
