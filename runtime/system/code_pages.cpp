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

const CodePages::Page& CodePages::enter(const Page& page, unsigned mapping_log2, bool local) {
    local_ = local_ || local;
    seen_.set(filter_of(page.start));
    sizes_.note(page.start, mapping_log2);
    return pages_[index_of(page.start)] = page;
}

bool CodePages::may_have(GuestAddr address) const {
    bool any = sizes_.may_be_large(address);
    sizes_.for_each_piece(address, [&](GuestAddr page) { any = any || seen_[filter_of(page)]; });
    return any;
}

void CodePages::forget() {
    if (seen_.any()) {
        std::fill(std::begin(pages_), std::end(pages_), Page{});
        seen_.reset();
        sizes_.reset();
    }
    local_ = !privileged_;
}

} // namespace ulna::system
