#include "ir/memory_tags.h"

namespace ulna::ir {

void store_tag(const TagMemory& memory, GuestAddr address, u64 tag, TagSpan span) {
    if (!has_tags(memory, address)) {
        return;
    }
    const u64 bytes = span == TagSpan::Block ? kZeroBlockBytes : kTagGranuleBytes;
    u8* const cell = memory.tags + align_down(address, bytes) / kTagGranuleBytes;
    const u64 count = bytes / kTagGranuleBytes;
    for (u64 i = 0; i < count; ++i) {
        __atomic_store_n(cell + i, static_cast<u8>(tag), __ATOMIC_RELAXED);
    }
}

std::optional<GuestAddr> tag_mismatch(const TagMemory& memory, GuestAddr tagged, u64 bytes) {
    const GuestAddr first = untagged(tagged);
    const GuestAddr last_granule = align_down(first + bytes - 1, kTagGranuleBytes);
    if (last_granule >> kTaggedAddressBits != 0) {
        return std::nullopt; // nothing of the guest is there: the access itself faults
    }
    for (GuestAddr at = first; at <= last_granule + (kTagGranuleBytes - 1);
         at = align_down(at, kTagGranuleBytes) + kTagGranuleBytes) {
        if (load_tag(memory, at) != logical_tag(tagged) && has_tags(memory, at)) {
            return tagged + (at - first);
        }
    }
    return std::nullopt;
}

u64 choose_non_excluded_tag(u64 tag, u64 offset, u64 excluded) {
    constexpr u64 kTags = 16, kLast = kTags - 1;
    const auto is_excluded = [=](u64 t) { return bit(excluded, static_cast<unsigned>(t)); };
    if ((excluded & ones(kTags)) == ones(kTags)) {
        return 0;
    }
    tag &= kLast;
    offset &= kLast;
    const auto skip_excluded = [&] {
        while (is_excluded(tag)) {
            tag = (tag + 1) & kLast;
        }
    };
    if (offset == 0) {
        skip_excluded();
    }
    for (; offset != 0; --offset) {
        tag = (tag + 1) & kLast;
        skip_excluded();
    }
    return tag;
}

} // namespace ulna::ir
