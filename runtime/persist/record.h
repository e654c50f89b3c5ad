// One translation as bytes, which is what the persistent cache keeps: host code with what the
// translation cache must know of it, and the guest bytes that it was made from. A record is used
// only while the guest's memory holds these very bytes.
#pragma once

#include <span>
#include <vector>

#include "backend/backend.h"

namespace ulna::runtime {

// A record, or what one is made from. The spans of a decoded one point into its bytes.
struct StoredBlock {
    ir::BlockKey key;
    GuestAddr low = 0, high = 0; // the extent: guest bytes that the translation depends on
    bool masks_tags = false;
    bool guarded = false; // made from a guarded page (PROT_BTI), which changes what BR does
    std::span<const u8> guest_bytes; // at low; fewer than high - low where a page ends before high
    std::span<const u8> code;
    std::span<const u8> links, faults; // packed; unpack() reads them
};

// What a translation was made from, besides its key.
struct Origin {
    GuestAddr low = 0, high = 0;
    bool masks_tags = false, guarded = false;
    std::span<const u8> guest_bytes;
};

// Appends the record of a translation to `out`; returns how many bytes it takes (a multiple of 8).
u32 append_record(std::vector<u8>& out,
                  const backend::CompiledBlock& compiled,
                  const Origin& origin);

// False: these bytes are not a whole, undamaged record.
[[nodiscard]] bool decode_record(std::span<const u8> bytes, StoredBlock& out);

// Fills `out` as a back end would have.
void unpack(const StoredBlock& block, backend::CompiledBlock& out);

} // namespace ulna::runtime
