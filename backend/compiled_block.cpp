#include "backend/backend.h"

#include <cstring>

#include "ir/support/check.h"

namespace ulna::backend {

namespace {

bool move_address(u8* at, AddressSite::Form form, u64 by) {
    u64 address = 0;
    if (form == AddressSite::Form::Whole) {
        std::memcpy(&address, at, sizeof address);
        address += by;
        std::memcpy(at, &address, sizeof address);
        return true;
    }
    u32 low = 0;
    const auto extended = [&] {
        return form == AddressSite::Form::ZeroExtended
                   ? u64{low}
                   : static_cast<u64>(i64{static_cast<i32>(low)});
    };
    std::memcpy(&low, at, sizeof low);
    address = extended() + by;
    low = static_cast<u32>(address);
    std::memcpy(at, &low, sizeof low);
    return extended() == address;
}

} // namespace

void CompiledBlock::reset() {
    code.clear();
    hot_bytes = 0;
    links.clear();
    faults.clear();
    locations.clear();
    location_ends.clear();
    addresses.clear();
    guest_pcs.clear();
    guest_bytes_low = 0;
}

bool CompiledBlock::move_to(GuestAddr pc) {
    const u64 by = pc - key.pc;
    DCHECK(by % (u64{1} << ir::kCodePageLog2) == 0);
    if (by == 0) {
        return true;
    }
    key.pc = pc;
    for (LinkSite& link : links) {
        link.target += by;
    }
    for (GuestAddr& guest_pc : guest_pcs) {
        guest_pc += by;
    }
    bool fits = true;
    for (const AddressSite& site : addresses) {
        fits &= move_address(code.data() + site.code_offset, site.form, by);
    }
    return fits;
}

} // namespace ulna::backend
