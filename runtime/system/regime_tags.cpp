#include "runtime/system/regime_tags.h"

#include <algorithm>

#include "runtime/system/control_bits.h"
#include "runtime/system/fields.h"

namespace ulna::system {

// Of HCR_EL2, which hypervisors change all the time, what walks look at.
RegimeTags::Values RegimeTags::values_of(const RegimeRegisters& registers) {
    Values values{.el = registers.el,
                  .secure = registers.secure,
                  .sctlr = registers.sctlr,
                  .tcr = registers.tcr,
                  .mair = registers.mair};
    if (registers.el == 2) {
        values.hcr = registers.hcr & hcr::E2H;
    } else if (registers.el == 1 && registers.el2_enabled) {
        values.el2_enabled = true;
        values.hcr = registers.hcr & (hcr::VM | hcr::DC | hcr::TGE | hcr::PTW | hcr::FWB);
        values.vtcr = registers.vtcr;
        values.vttbr = registers.vttbr;
    }
    return values;
}

u64 RegimeTags::tag_of(const RegimeRegisters& registers) {
    const Values values = values_of(registers);
    if (current_->tag != 0 && current_->values == values) {
        return current_->tag;
    }
    const auto found = std::ranges::find_if(
        known_, [&](const Known& one) { return one.tag != 0 && one.values == values; });
    if (found != known_.end()) {
        current_ = &*found;
    } else {
        current_ = &*std::ranges::min_element(known_, {}, &Known::last_use);
        *current_ = {.values = values, .tag = ++tags_};
    }
    current_->last_use = ++uses_;
    return current_->tag;
}

} // namespace ulna::system
