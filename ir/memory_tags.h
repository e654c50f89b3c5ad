// Allocation tags of guest memory (FEAT_MTE2): where they are, and the check of an access.
//
// One byte holds the tag of 16 bytes of guest memory, and one says whether a page has tags at all:
// two tables that cover the whole guest address space, sparse because only what is written costs
// memory. Guest address / 16 is an index, so that translated code gets at a tag with a shift and an
// addition. Pages without tags read as tag 0: StoreTag leaves them alone, and whoever takes a
// page's tags away clears them.
#pragma once

#include <optional>

#include "ir/guest_access.h"

namespace ulna::ir {

inline constexpr u64 kTagGranuleBytes = 16; // LOG2_TAG_GRANULE = 4
inline constexpr unsigned kTagPageLog2 = 12;
inline constexpr unsigned kTaggedAddressBits = 47; // where guest memory can be
inline constexpr u64 kTagBytes = u64{1} << (kTaggedAddressBits - 4);
inline constexpr u64 kTagPageBytes = u64{1} << (kTaggedAddressBits - kTagPageLog2);
inline constexpr unsigned kTagShift = 56; // the logical tag: address bits 59:56

[[nodiscard]] constexpr u64 logical_tag(GuestAddr address) { return bits(address, 59, 56); }

// Host addresses of the two tables, null without tags.
struct TagMemory {
    u8* tags = nullptr;  // kTagBytes
    u8* pages = nullptr; // kTagPageBytes; 1: the page has tags
};

// Addresses are untagged, and inside the guest's address space.
[[nodiscard]] inline u64 load_tag(const TagMemory& memory, GuestAddr address) {
    return __atomic_load_n(memory.tags + address / kTagGranuleBytes, __ATOMIC_RELAXED);
}
[[nodiscard]] inline bool has_tags(const TagMemory& memory, GuestAddr address) {
    return __atomic_load_n(memory.pages + (address >> kTagPageLog2), __ATOMIC_RELAXED) != 0;
}
// Of the granule, or of all in the block that DC GVA works on.
void store_tag(const TagMemory& memory, GuestAddr address, u64 tag, TagSpan span);

// The first byte of an access of `bytes`, at least one, whose granule has tags and another one than
// the address, with the address's tag: nothing when the check succeeds. Any address.
[[nodiscard]] std::optional<GuestAddr>
tag_mismatch(const TagMemory& memory, GuestAddr tagged, u64 bytes);

// AArch64.ChooseNonExcludedTag: the tag `offset` tags on, those not excluded counting; 0 when all
// are.
[[nodiscard]] u64 choose_non_excluded_tag(u64 tag, u64 offset, u64 excluded);

} // namespace ulna::ir
