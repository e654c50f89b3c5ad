// What a virtual CPU remembers of address translation: the pages whose bytes an access finds in
// host memory. Translated code looks here first (HostAddress). A page that is not here is looked up
// by CpuState::find_host_address, which enters it unless each of its accesses has to be seen.
#pragma once

#include <optional>

#include "ir/types.h"

namespace ulna::ir {

inline constexpr unsigned kTlbPageLog2 = 12;
inline constexpr unsigned kTlbLog2 = 11;

inline constexpr u64 kTlbPageBytes = u64{1} << kTlbPageLog2;
inline constexpr std::size_t kTlbEntries = std::size_t{1} << kTlbLog2;

// An entry is the same index of three arrays.
struct Tlb {
    // The page's address for accesses of a kind, which the others do not find.
    u64 read[kTlbEntries], write[kTlbEntries];
    u64 addend[kTlbEntries]; // host address less guest address
};

[[nodiscard]] constexpr std::size_t tlb_index(u64 address) {
    return address >> kTlbPageLog2 & ones(kTlbLog2);
}
// Where the page's address would be if there was one: an address of another entry, which nobody
// looks for here.
[[nodiscard]] constexpr u64 no_tlb_page(std::size_t index) {
    return index == 0 ? kTlbPageBytes : 0;
}
// There, too: accesses of the page are looked up for their alignment, which may be a fault.
inline constexpr u64 kTlbChecked = 1;
[[nodiscard]] constexpr u64 checked_tlb_page(u64 page) {
    return (page ^ kTlbPageBytes) | kTlbChecked;
}
// There, too: a page with allocation tags that accesses are compared with. It is entered without a
// logical tag of its own, as the accesses that find it have all of them.
inline constexpr u64 kTlbTagged = 2, kTlbNoTag = ~(u64{0xf} << 56);
[[nodiscard]] constexpr u64 tagged_tlb_page(u64 page) {
    return checked_tlb_page(page & kTlbNoTag) | kTlbTagged;
}
[[nodiscard]] constexpr u64 tlb_page(u64 known) {
    return (known & kTlbChecked) != 0 ? (known ^ kTlbPageBytes) & ~(kTlbChecked | kTlbTagged)
                                      : known;
}
// All of the access is on the page.
[[nodiscard]] constexpr bool tlb_finds(u64 page, u64 address, u32 bytes) {
    return (address ^ page) <= kTlbPageBytes - bytes;
}

// The page that the last access of an instruction was on. Translated code looks here before it
// looks at the TLB: `limit` is the first offset in the page at which no access of the slot's group
// may begin, 0 while there is no page. Instructions share slots by their address.
struct PageSlot {
    u64 page;
    u64 addend; // host address less guest address
    u64 limit;
    u64 host; // the page's host address
};
inline constexpr unsigned kPageSlots = 64; // of a group
// A slot is found only by those that may do what it was entered for: a group is of one privilege,
// one kind of access, and one greatest size.
enum class SlotSize : u8 { Scalar, Vector, Range };
inline constexpr u32 kSlotBytes[] = {8, 16, 256};
[[nodiscard]] constexpr std::optional<SlotSize> slot_size(u32 bytes) {
    for (const SlotSize size : {SlotSize::Scalar, SlotSize::Vector, SlotSize::Range}) {
        if (bytes <= kSlotBytes[static_cast<unsigned>(size)]) {
            return size;
        }
    }
    return std::nullopt;
}
[[nodiscard]] constexpr unsigned slot_group(bool privileged, bool writes, SlotSize size) {
    return (privileged * 2u + writes) * 3 + static_cast<unsigned>(size);
}
inline constexpr unsigned kPageSlotGroups = 12;

// The bytes that HostRange looks for: imm.
struct RangeInfo {
    i32 displacement = 0; // of the first
    u32 bytes = 0;

    [[nodiscard]] constexpr u64 pack() const {
        return u64{bytes} << 32 | static_cast<u32>(displacement);
    }
    [[nodiscard]] static constexpr RangeInfo unpack(u64 imm) {
        return {static_cast<i32>(static_cast<u32>(imm)), static_cast<u32>(imm >> 32)};
    }
};

} // namespace ulna::ir
