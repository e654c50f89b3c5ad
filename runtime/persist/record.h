// One translation as bytes, which is what the persistent cache keeps: host code with what the
// translation cache must know of it, and the guest bytes that it was made from. A record is used
// only while the guest's memory holds these very bytes.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "runtime/jit/linked_blocks.h"

namespace ulna::runtime {

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
// The same of one that was read.
u32 append_record(std::vector<u8>& out, const StoredBlock& block);

// What a record begins with. A bundle (bundle.h) begins alike, so that it can be told from one.
struct RecordHead {
    static constexpr std::size_t kBytes = 56;
    static constexpr u8 kRecord = 0, kBundle = 1;
    u64 checksum; // of everything behind it
    u64 pc;       // of a bundle: of its first block
    u32 mode;
    u8 masks_tags, guarded, is_region;
    u8 kind;
    // Of the parts that follow, each with padding to a multiple of 8.
    std::array<u32, 8> part_bytes;

    [[nodiscard]] ir::BlockKey key() const { return {pc, {mode}}; }
    [[nodiscard]] bool is_bundle() const { return kind == kBundle; }
    // Of the whole.
    [[nodiscard]] u64 bytes() const;
};
static_assert(sizeof(RecordHead) == RecordHead::kBytes);
[[nodiscard]] RecordHead read_head(std::span<const u8> bytes);

using RecordParts =
    std::array<std::span<const u8>, std::tuple_size_v<decltype(RecordHead::part_bytes)>>;
// Appends a record or bundle; `head` says what is not its size. As append_record.
u32 append_parts(std::vector<u8>& out, RecordHead head, const RecordParts& parts);
// What append_parts() was given; nothing when these bytes are not whole and undamaged.
[[nodiscard]] std::optional<RecordParts> read_parts(std::span<const u8> bytes);
// Writes the checksum anew.
void seal_record(std::span<u8> record);

// False: these bytes are not a whole, undamaged record.
[[nodiscard]] bool decode_record(std::span<const u8> bytes, StoredBlock& out);
// The same of what append_record has just made.
void read_record(std::span<const u8> bytes, StoredBlock& out);

// Fills `out` as a back end would have.
void unpack(const StoredBlock& block, backend::CompiledBlock& out);

} // namespace ulna::runtime
