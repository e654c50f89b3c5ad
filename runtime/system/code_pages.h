// Where a virtual CPU has found its code: pages by virtual address, at EL0 and above it.
//
// They hold for the tables they were found in. At EL0 those are both TTBRs with their ASID. Above
// it a kernel's code mostly is global: then only TTBR1's tables count.
#pragma once

#include <bitset>

#include "ir/guest_state.h"
#include "runtime/system/mapping_sizes.h"

namespace ulna::system {

class CodePages {
  public:
    struct Page {
        GuestAddr start = 1; // of no page
        u64 number = 0;      // physical
        const u8* bytes = nullptr;
        bool guarded = false; // BTI
    };

    // False: what was found before holds no longer, and is forgotten; whoever else has it must,
    // too.
    [[nodiscard]] bool use(u64 ttbr0, u64 ttbr1);
    [[nodiscard]] const Page* find(GuestAddr pc) const {
        const Page& page = pages_[index_of(pc)];
        return page.start == align_down(pc, kPageBytes) ? &page : nullptr;
    }
    // `local`: for these tables and this ASID only.
    const Page& enter(const Page& page, unsigned mapping_log2, bool local);
    // Code of the address's mapping may have been found since the last forget().
    [[nodiscard]] bool may_have(GuestAddr address) const;
    void forget();

    explicit CodePages(bool privileged) : local_{!privileged}, privileged_{privileged} {}

  private:
    static constexpr u64 kPageBytes = u64{1} << ir::kTlbPageLog2;
    static constexpr std::size_t kPages = 256, kFilterBits = 4096;
    static std::size_t index_of(GuestAddr pc) { return pc / kPageBytes % kPages; }
    static std::size_t filter_of(GuestAddr pc) {
        return (pc / kPageBytes ^ pc / kPageBytes / kFilterBits) % kFilterBits;
    }

    Page pages_[kPages];
    std::bitset<kFilterBits> seen_;
    MappingSizes sizes_;
    u64 ttbr0_ = 0, ttbr1_ = 0;
    bool local_; // some page is
    const bool privileged_;
};

} // namespace ulna::system
