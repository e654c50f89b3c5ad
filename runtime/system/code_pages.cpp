#include "runtime/system/code_pages.h"

#include <algorithm>

namespace ulna::system {

bool CodePages::use(u64 ttbr0, u64 ttbr1) {
    constexpr unsigned kAsidShift = 48;
    const bool same_kernel = ((ttbr1 ^ ttbr1_) & ones(kAsidShift)) == 0;
    const bool same = ttbr0 == ttbr0_ && ttbr1 == ttbr1_;
    const bool holds = local_ ? same : same_kernel;
    ttbr0_ = ttbr0;
    ttbr1_ = ttbr1;
    if (!holds) {
        forget();
    }
    return holds;
}

const CodePages::Page& CodePages::enter(GuestAddr pc, u64 number, const u8* bytes, bool local) {
    local_ = local_ || local;
    seen_.set(filter_of(pc));
    return pages_[index_of(pc)] = {align_down(pc, kPageBytes), number, bytes};
}

void CodePages::forget() {
    if (seen_.any()) {
        std::fill(std::begin(pages_), std::end(pages_), Page{});
        seen_.reset();
    }
    local_ = !privileged_;
}

} // namespace ulna::system
