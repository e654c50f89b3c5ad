// One translation as bytes, which is what the persistent cache keeps: host code with what the
// translation cache must know of it, and the guest bytes that it was made from. A record is used
// only while the guest's memory holds these very bytes.
#pragma once

#include <span>
#include <vector>

#include "backend/backend.h"

namespace ulna::runtime {

// Guest bytes that a translation depends on.
struct GuestRange {
    GuestAddr low;
    u64 bytes;
};

// A record's contents; the spans point into its bytes, and may not be aligned.
struct StoredBlock {
    ir::BlockKey key;
    bool masks_tags = false;
    bool guarded = false;       // made from guarded pages (PROT_BTI), which changes what BR does
    bool is_region = false;     // of tier 2
    std::span<const u8> ranges; // GuestRange each; at least one
    std::span<const u8> guest_bytes; // of all ranges, one after the other
    std::span<const u8> code;
    std::span<const u8> links, faults, locations, location_ends,
        addresses; // packed; unpack() reads them

    [[nodiscard]] std::size_t range_count() const { return ranges.size() / sizeof(GuestRange); }
    [[nodiscard]] GuestRange range(std::size_t index) const;
};

// What a translation was made from, besides its key.
struct Origin {
    std::span<const GuestRange> ranges;
    bool masks_tags = false, guarded = false, is_region = false;
    std::span<const u8> guest_bytes;
};

// Appends the record of a translation to `out`; returns how many bytes it takes (a multiple of 8).
u32 append_record(std::vector<u8>& out,
                  const backend::CompiledBlock& compiled,
                  const Origin& origin);

// What a record begins with, which says where it ends.
struct RecordHead {
    static constexpr std::size_t kBytes = 56;
    ir::BlockKey key;
    u64 bytes; // of the whole record
};
[[nodiscard]] RecordHead read_head(std::span<const u8, RecordHead::kBytes> bytes);

// False: these bytes are not a whole, undamaged record.
[[nodiscard]] bool decode_record(std::span<const u8> bytes, StoredBlock& out);
// The same of what append_record has just made.
void read_record(std::span<const u8> bytes, StoredBlock& out);

// Fills `out` as a back end would have.
void unpack(const StoredBlock& block, backend::CompiledBlock& out);

} // namespace ulna::runtime
