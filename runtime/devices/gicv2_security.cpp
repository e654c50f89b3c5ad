// What Non-secure accesses see of a GICv2 with Security Extensions (IHI 0048 4.2, 4.4): group 1, as
// if there were no other, by the registers that Secure ones have for group 0.
#include "runtime/devices/gicv2_frames.h"
#include "runtime/devices/guest_error.h"

namespace ulna::devices {

using namespace gic;
using namespace gicv2;

namespace {
constexpr u32 kEnableGrp1 = 1 << 0, kEoiModeNs = 1 << 9; // of the Non-secure GICC_CTLR
constexpr unsigned kActiveShift = 16; // of GICC_NSAPR, the half that GICC_APR shows

// Registers that are there, but Secure accesses' alone.
bool is_secure_register(u64 offset) {
    return offset == kAbpr || offset == kAiar || offset == kAeoir || offset == kAhppir ||
           (offset >= kApr0 && offset <= kNsapr3);
}
} // namespace

View Gicv2::view_of(const InterruptWord& word, u64 offset) const {
    if (is_bank_register(offset) && offset >= kIgrpmodr) { // which GICv2 does not have
        return {.visible = 0};
    }
    if (!is_nonsecure_access()) {
        return {};
    }
    return {.visible = is_group_register(offset) ? 0 : word.group, .half_priorities = true};
}

void Gicv2::set_nonsecure_control(Cpu& cpu, u32 value) {
    cpu.group_enabled[kGroup1] = (value & kEnableGrp1) != 0;
    cpu.nonsecure_eoi_drops_only = (value & kEoiModeNs) != 0;
    look_for_best(cpu);
}

u64 Gicv2::read_nonsecure_interface(Cpu& cpu, u64 offset, unsigned bytes) {
    const Priorities& p = cpu.priorities;
    switch (bytes == 4 ? offset : ~u64{0}) {
    case kCtlr:
        return (cpu.group_enabled[kGroup1] ? kEnableGrp1 : 0) |
               (cpu.nonsecure_eoi_drops_only ? kEoiModeNs : 0);
    case kPmr:
        return Priorities::nonsecure_view(p.mask);
    case kBpr:
        return p.read_bpr(kGroup1);
    case kIar:
        return acknowledge(cpu, true);
    case kHppir:
        return with_source(cpu, visible_pending(cpu, true));
    case kRpr:
        return Priorities::nonsecure_view(p.running());
    case kApr0:
        return p.active[kGroup1] >> kActiveShift;
    case kIidr:
        return kInterfaceId;
    default:
        break;
    }
    if (!is_secure_register(offset)) {
        log_bad_access("gicv2 CPU interface", Direction::Read, offset, bytes);
    }
    return 0;
}

void Gicv2::write_nonsecure_interface(Cpu& cpu, u64 offset, unsigned bytes, u32 value) {
    Priorities& p = cpu.priorities;
    switch (bytes == 4 ? offset : ~u64{0}) {
    case kCtlr:
        set_nonsecure_control(cpu, value);
        return;
    case kEoir:
        end_interrupt(cpu, kGroup1, value);
        return;
    case kDir:
        deactivate_apart(cpu, value);
        return;
    case kPmr:
        p.write_nonsecure_mask(value);
        break;
    case kBpr:
        p.write_bpr(kGroup1, value);
        break;
    case kApr0:
        p.active[kGroup1] = value << kActiveShift;
        break;
    default:
        if (!is_secure_register(offset)) {
            log_bad_access("gicv2 CPU interface", Direction::Write, offset, bytes);
        }
        return;
    }
    update_output(cpu);
}

} // namespace ulna::devices
