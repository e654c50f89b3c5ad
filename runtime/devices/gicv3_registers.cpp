#include "runtime/devices/gicv3_registers.h"

namespace ulna::devices::gicv3 {

namespace {
constexpr u64 kCbpr = 1 << 0, kEoiMode = 1 << 1; // CTLR
}

bool read_priorities(const Priorities& p, u32 encoding, u64& value) {
    switch (encoding) {
    case ICC_PMR_EL1:
        value = p.mask;
        return true;
    case ICC_RPR_EL1:
        value = p.shown_running();
        return true;
    case ICC_BPR0_EL1:
    case ICC_BPR1_EL1:
        value = p.read_bpr(encoding == ICC_BPR1_EL1 ? 1 : 0);
        return true;
    case ICC_AP0R0_EL1:
    case ICC_AP1R0_EL1:
        value = p.active[encoding == ICC_AP1R0_EL1 ? 1 : 0];
        return true;
    case ICC_CTLR_EL1:
        value =
            (p.common_bpr ? kCbpr : 0) | (p.eoi_drops_only ? kEoiMode : 0) | kControlCapabilities;
        return true;
    default:
        return false;
    }
}

bool write_priorities(Priorities& p, u32 encoding, u64 value) {
    switch (encoding) {
    case ICC_PMR_EL1:
        p.write_mask(value);
        return true;
    case ICC_BPR0_EL1:
    case ICC_BPR1_EL1:
        p.write_bpr(encoding == ICC_BPR1_EL1 ? 1 : 0, value);
        return true;
    case ICC_AP0R0_EL1:
    case ICC_AP1R0_EL1:
        p.active[encoding == ICC_AP1R0_EL1 ? 1 : 0] = static_cast<u32>(value);
        return true;
    case ICC_CTLR_EL1:
        p.common_bpr = (value & kCbpr) != 0;
        p.eoi_drops_only = (value & kEoiMode) != 0;
        return true;
    default:
        return false;
    }
}

} // namespace ulna::devices::gicv3
