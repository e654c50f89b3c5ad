// Commands on blocks (SBC-3, chapter 5).
#include <cerrno>

#include "runtime/devices/scsi/limits.h"
#include "runtime/devices/scsi/logical_unit.h"

namespace ulna::devices::scsi {

namespace {

constexpr u8 kForceUnitAccess = 8, kProtect = 0xe0;

bool has_six_bytes(const Cdb& cdb) { return cdb[0] < 0x20; }
// Of READ, WRITE and VERIFY; no unit here is formatted with protection information.
bool asks_for_protection(const Cdb& cdb) { return !has_six_bytes(cdb) && (cdb[1] & kProtect) != 0; }
bool is_write_and_verify(const Cdb& cdb) { return cdb[0] == 0x2e || cdb[0] == 0x8e; }

// The parameter list of UNMAP (section 5.28.2); an empty one names nothing.
Sense parse_unmap(std::span<const u8> list, std::vector<Extent>& extents) {
    constexpr u64 kHeaderBytes = 8, kExtentBytes = 16;
    if (list.empty()) {
        return sense::kGood;
    }
    const u64 bytes = list.size() < kHeaderBytes ? 0 : load_big_endian(list.subspan(2, 2));
    if (list.size() < kHeaderBytes + bytes || bytes % kExtentBytes != 0) {
        return sense::kBadParameterLength;
    }
    u64 count = 0;
    for (u64 at = kHeaderBytes; at < kHeaderBytes + bytes; at += kExtentBytes) {
        const auto one = list.subspan(at, kExtentBytes);
        extents.push_back({load_big_endian(one.first(8)), load_big_endian(one.subspan(8, 4))});
        count += extents.back().count;
    }
    return extents.size() <= kMostUnmapExtents && count <= kMostUnmapBlocks ? sense::kGood
                                                                            : sense::kBadParameter;
}

} // namespace

Sense LogicalUnit::read_capacity(const Cdb&, Data& data) {
    std::array<u8, 8> bytes{};
    const u64 last = std::max<u64>(blocks(), 1) - 1;
    store_big_endian(std::span{bytes}.first(4), std::min<u64>(last, 0xffff'ffff));
    store_big_endian(std::span{bytes}.last(4), block_bytes());
    return reply(data, bytes, bytes.size());
}

// READ CAPACITY (16) is the only one of them.
Sense LogicalUnit::service_action_in(const Cdb& cdb, Data& data) {
    constexpr u8 kReadCapacity16 = 0x10, kProvisioned = 0x80;
    if ((cdb[1] & 0x1f) != kReadCapacity16) {
        return sense::kBadField;
    }
    std::array<u8, 32> bytes{};
    store_big_endian(std::span{bytes}.first(8), std::max<u64>(blocks(), 1) - 1);
    store_big_endian(std::span{bytes}.subspan(8, 4), block_bytes());
    bytes[13] = is_cd() ? 0 : 3; // eight logical blocks in a physical one
    bytes[14] = can_write() ? kProvisioned : 0;
    return reply(data, bytes, cdb.field(10, 4));
}

// Of READ and WRITE; good: they have the blocks that they name.
Sense LogicalUnit::why_not_moved(const Cdb& cdb) const {
    if (asks_for_protection(cdb)) {
        return sense::kBadField;
    }
    const Extent extent = extent_of(cdb);
    return has_blocks(extent.first, extent.count) ? sense::kGood : sense::kBadAddress;
}

Sense LogicalUnit::read(const Cdb& cdb, Data& data) {
    if (const Sense sense = why_not_moved(cdb); !sense.is_good()) {
        return sense;
    }
    const Extent extent = extent_of(cdb);
    const u64 bytes = extent.count * block_bytes();
    if (bytes != 0 && medium_->read(extent.first * block_bytes(), slice(data.in, 0, bytes)) != 0) {
        return sense::kReadError;
    }
    data.moved = bytes;
    return sense::kGood;
}

Sense LogicalUnit::written(int error, bool forced) {
    if (error == 0 && (forced || !write_cache_)) {
        error = medium_->flush();
    }
    return error == 0 ? sense::kGood : error == ENOSPC ? sense::kNoSpace : sense::kWriteError;
}

Sense LogicalUnit::write(const Cdb& cdb, Data& data) {
    if (const Sense sense = why_not_moved(cdb); !sense.is_good()) {
        return sense;
    }
    const Extent extent = extent_of(cdb);
    const u64 bytes = extent.count * block_bytes();
    data.moved = bytes;
    const bool forced =
        is_write_and_verify(cdb) || (!has_six_bytes(cdb) && (cdb[1] & kForceUnitAccess) != 0);
    return bytes == 0
               ? sense::kGood
               : written(medium_->write(extent.first * block_bytes(), slice(data.out, 0, bytes)),
                         forced);
}

// VERIFY without comparison, and SEEK.
Sense LogicalUnit::check_range(const Cdb& cdb, Data&) {
    constexpr u8 kSeek = 0x2b, kCompare = 6;
    if (cdb[0] != kSeek && (asks_for_protection(cdb) || (cdb[1] & kCompare) != 0)) {
        return sense::kBadField;
    }
    const Extent extent = extent_of(cdb);
    return has_blocks(extent.first, cdb[0] == kSeek ? 1 : extent.count) ? sense::kGood
                                                                        : sense::kBadAddress;
}

// The whole cache, whatever blocks it names.
Sense LogicalUnit::synchronize(const Cdb& cdb, Data&) {
    const Extent extent = extent_of(cdb);
    return has_blocks(extent.first, extent.count) ? written(0, true) : sense::kBadAddress;
}

Sense LogicalUnit::unmap(const Cdb& cdb, Data& data) {
    constexpr u8 kAnchor = 1;
    std::vector<u8> list(cdb.field(7, 2));
    if ((cdb[1] & kAnchor) != 0) {
        return sense::kBadField;
    }
    data.moved = gather(data.out, 0, list.data(), list.size());
    std::vector<Extent> extents;
    if (const Sense sense = parse_unmap(list, extents); !sense.is_good()) {
        return sense;
    }
    for (const Extent& extent : extents) {
        if (!has_blocks(extent.first, extent.count)) {
            return sense::kBadAddress;
        }
    }
    int error = 0;
    for (const Extent& extent : extents) {
        if (error == 0 && extent.count != 0) {
            error = medium_->discard(extent.first * block_bytes(), extent.count * block_bytes());
        }
    }
    return written(error, false);
}

Sense LogicalUnit::write_same(const Cdb& cdb, Data& data) {
    constexpr u8 kUnmap = 8, kNoDataOut = 1;
    const Extent extent = extent_of(cdb);
    const u8 known = kUnmap | (is_without_block(cdb) ? kNoDataOut : 0);
    if ((cdb[1] & ~known) != 0 || extent.count == 0 || extent.count > kMostWriteSameBlocks) {
        return sense::kBadField;
    }
    if (!has_blocks(extent.first, extent.count)) {
        return sense::kBadAddress;
    }
    std::vector<u8> block(block_bytes());
    if (!is_without_block(cdb)) {
        data.moved = gather(data.out, 0, block.data(), block.size());
    }
    return write_repeatedly(extent.first * block_bytes(), extent.count * block_bytes(), block);
}

Sense LogicalUnit::write_repeatedly(u64 offset, u64 bytes, std::span<const u8> block) {
    constexpr u64 kBufferBytes = 64 << 10;
    if (std::ranges::all_of(block, [](u8 byte) { return byte == 0; })) {
        return written(medium_->write_zeroes(offset, bytes), false);
    }
    std::vector<u8> buffer(std::min(bytes, kBufferBytes));
    for (std::size_t at = 0; at < buffer.size(); at += block.size()) {
        std::ranges::copy(block, buffer.begin() + static_cast<std::ptrdiff_t>(at));
    }
    int error = 0;
    for (u64 done = 0; done < bytes && error == 0; done += buffer.size()) {
        const iovec piece{buffer.data(), std::min<u64>(buffer.size(), bytes - done)};
        error = medium_->write(offset + done, {&piece, 1});
    }
    return written(error, false);
}

} // namespace ulna::devices::scsi
