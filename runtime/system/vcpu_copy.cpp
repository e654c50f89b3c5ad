// Copying and setting memory (FEAT_MOPS), page by page: the bytes that are in host memory. What
// translated code calls, and what goes on from there (vcpu_access.cpp).
//
// The order is that of single bytes, each of which is found before it is moved, so a fault names it
// and finds all before it done.
#include <algorithm>
#include <cstring>

#include "ir/guest_string.h"
#include "runtime/system/machine.h"
#include "runtime/system/vcpu.h"

namespace ulna::system {

namespace {
constexpr u64 kPageBytes = ir::kTlbPageBytes;

// As single bytes would: what has been written may be read again.
void move(u8* to, const u8* from, u64 bytes, bool up) {
    const u64 behind = static_cast<u64>(to - from), before = static_cast<u64>(from - to);
    if (behind >= bytes && before >= bytes) {
        std::memcpy(to, from, bytes);
        return;
    }
    constexpr u32 kGoOn = 0;
    u64 left = up ? u64{0} - bytes : bytes;
    const u64 offset = up ? bytes : 0;
    static_cast<void>(ir::copy_guest(reinterpret_cast<u64>(to) + offset,
                                     reinterpret_cast<u64>(from) + offset, left, left, kGoOn));
}

// From a byte whose tag is right (or has been noted), those up to the end of its granule or, down,
// to its start, and of the next few granules as long as they have the tag, too.
u64 bytes_with_tag(const devices::PhysicalMemory& memory,
                   GuestAddr first,
                   const u8* host,
                   bool up) {
    constexpr u64 kGranule = ir::kTagGranuleBytes, kMost = 256;
    const u64 in_page = first % kPageBytes, in_granule = first % kGranule;
    u64 bytes = up ? kGranule - in_granule : in_granule + 1;
    const u64 limit = std::min(kMost, up ? kPageBytes - in_page : in_page + 1);
    const u8* tag = memory.tags_of(host);
    const auto matches = [&] {
        return __atomic_load_n(tag, __ATOMIC_RELAXED) == ir::logical_tag(first);
    };
    if (tag == nullptr || !matches()) {
        return bytes;
    }
    while (bytes + kGranule <= limit && (tag = up ? tag + 1 : tag - 1, matches())) {
        bytes += kGranule;
    }
    return bytes;
}
} // namespace

// From the byte on up, or down, those that are found with it. None: no_place_ says why.
std::optional<Vcpu::Bytes>
Vcpu::find_bytes(GuestAddr first, bool up, ir::Access access, bool unprivileged) {
    const bool privileged = !unprivileged && cpu_.pstate.el != 0;
    const ir::Tlb& tlb = *cpu_.state->tlb[privileged];
    const std::size_t index = ir::tlb_index(first);
    const auto is_known = [&] {
        return (access == ir::Access::Reads ? tlb.read : tlb.write)[index] ==
               align_down(first, kPageBytes);
    };
    const u64 host =
        is_known() ? first + tlb.addend[index]
                   : find_host_address(first, {.access = access, .unprivileged = unprivileged});
    if (host == 0) {
        return std::nullopt;
    }
    u8* const bytes = reinterpret_cast<u8*>(host);
    if (is_watched_page(first)) {
        return Bytes{bytes, 1};
    }
    if (tag_checks_[privileged] != ir::TagCheck::None && !is_known()) {
        return Bytes{bytes, bytes_with_tag(machine_.memory(), first, bytes, up)};
    }
    const u64 in_page = first % kPageBytes;
    return Bytes{bytes, up ? kPageBytes - in_page : in_page + 1};
}

Vcpu::Moved Vcpu::copy_or_set(GuestAddr to, u64 source, u64& left, const ir::CopyOrSetInfo& how) {
    no_place_ = {};
    for (u64 most = ir::kStringChunkBytes; left != 0 && most != 0;) {
        const bool up = static_cast<i64>(left) < 0;
        const u64 index = up ? left : left - 1;
        u64 bytes = std::min(most, up ? u64{0} - left : left);
        Bytes from{};
        if (!how.sets) {
            const auto found =
                find_bytes(source + index, up, ir::Access::Reads, how.reads_unprivileged);
            if (!found) {
                return Moved::NoPlace;
            }
            from = *found;
            bytes = std::min(bytes, from.count);
        }
        const auto found = find_bytes(to + index, up, ir::Access::Writes, how.writes_unprivileged);
        if (!found) {
            return Moved::NoPlace;
        }
        bytes = std::min(bytes, found->count);
        const u64 lowest = up ? 0 : bytes - 1; // below the first byte
        if (how.sets) {
            std::memset(found->host - lowest, static_cast<u8>(source), bytes);
        } else {
            move(found->host - lowest, from.host - lowest, bytes, up);
        }
        left = up ? left + bytes : left - bytes;
        most -= bytes;
    }
    return left == 0 ? Moved::All : Moved::Enough;
}

} // namespace ulna::system
