// How large the mappings are that 4 KiB pages were taken from. TLB maintenance by address drops the
// whole mapping of the address (D8.14.5), of which a TLB of small pages has pieces.
#pragma once

#include <algorithm>

#include "ir/support/bits.h"
#include "ir/support/types.h"

namespace ulna::system {

class MappingSizes {
  public:
    static constexpr unsigned kPageLog2 = 12;

    // A piece of a mapping of 2^log2 bytes was taken.
    void note(GuestAddr address, unsigned log2) {
        if (log2 <= kMostPiecewise) {
            small_log2_ = std::max(small_log2_, log2);
            return;
        }
        low_ = std::min(low_, align_down(address, u64{1} << log2));
        high_ = std::max(high_, address | ones(log2));
    }
    // The address may be in a mapping that has too many pieces to name.
    [[nodiscard]] bool may_be_large(GuestAddr address) const {
        return address >= low_ && address <= high_;
    }
    // Calls visit(page) for all pages that may be of the address's mapping, if it is not large.
    template <class Visit> void for_each_piece(GuestAddr address, Visit visit) const {
        const u64 bytes = u64{1} << small_log2_;
        const GuestAddr first = align_down(address, bytes);
        for (u64 at = 0; at < bytes; at += u64{1} << kPageLog2) {
            visit(first + at);
        }
    }
    void reset() { *this = {}; }

  private:
    static constexpr unsigned kMostPiecewise = 16; // pages of all granules, short contiguous runs

    unsigned small_log2_ = kPageLog2;
    GuestAddr low_ = ~GuestAddr{0}, high_ = 0; // a hull of the large ones
};

} // namespace ulna::system
