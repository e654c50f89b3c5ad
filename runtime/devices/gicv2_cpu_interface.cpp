// GICC_* (IHI 0048 4.4).
#include "runtime/devices/gicv2_frames.h"

#include "runtime/devices/guest_error.h"

namespace ulna::devices {

using namespace gic;
using namespace gicv2;

namespace {
constexpr u32 kEnableGrp0 = 1 << 0, kEnableGrp1 = 1 << 1, kAckCtl = 1 << 2, kFiqEn = 1 << 3,
              kCbpr = 1 << 4, kEoiMode = 1 << 9, kEoiModeNs = 1 << 10;
constexpr u32 kOtherGroup = 1022; // what is pending is of group 1, and for GICC_AIAR
constexpr u32 kIntidMask = 0x3ff;
} // namespace

// What GICC_HPPIR (group 0, and group 1 with AckCtl) and GICC_AHPPIR (group 1) show.
u32 Gicv2::visible_pending(const Cpu& cpu, bool alias) const {
    if (!cpu.best.exists()) {
        return kSpurious;
    }
    if (alias) {
        return cpu.best.group == 1 ? cpu.best.intid : kSpurious;
    }
    return cpu.best.group == 0 || cpu.ack_control ? cpu.best.intid : kOtherGroup;
}

// An SGI is told with the CPU that sent it.
u32 Gicv2::with_source(const Cpu& cpu, u32 intid) {
    const u32 source =
        intid < 16 ? static_cast<u32>(std::countr_zero(cpu.sgi_sources[intid])) & 7 : 0;
    return source << 10 | intid;
}

u32 Gicv2::acknowledge(Cpu& cpu, bool alias) {
    if (!signals(cpu)) {
        return kSpurious;
    }
    const u32 intid = visible_pending(cpu, alias);
    if (intid >= kFirstSpecial) {
        return intid;
    }
    cpu.priorities.activate(cpu.best);
    InterruptWord& word = *word_of(cpu, intid);
    const u32 bit = 1u << intid % 32;
    const u32 told = with_source(cpu, intid);
    word.active |= bit;
    if (intid < 16) {
        u8& sources = cpu.sgi_sources[intid];
        sources &= static_cast<u8>(sources - 1);
        word.latched = sources != 0 ? word.latched : word.latched & ~bit;
    } else {
        word.latched &= ~bit;
    }
    refresh_word_of(cpu, intid);
    return told;
}

void Gicv2::end_interrupt(Cpu& cpu, unsigned group, u32 value) {
    const u32 intid = value & kIntidMask;
    if (intid >= kFirstSpecial || !cpu.priorities.drop(group)) {
        return;
    }
    if (!drops_only(cpu)) {
        deactivate(cpu, value);
    }
    update_output(cpu);
}

bool Gicv2::drops_only(const Cpu& cpu) const {
    return is_nonsecure_access() ? cpu.nonsecure_eoi_drops_only : cpu.priorities.eoi_drops_only;
}

void Gicv2::deactivate_apart(Cpu& cpu, u32 value) {
    const u32 intid = value & kIntidMask;
    const InterruptWord* const word = word_of(cpu, intid);
    const bool visible =
        !is_nonsecure_access() || (word != nullptr && word->group_of(intid % 32) == kGroup1);
    if (drops_only(cpu) && visible) {
        deactivate(cpu, value);
    }
}

void Gicv2::deactivate(Cpu& cpu, u32 value) {
    const u32 intid = value & kIntidMask;
    if (InterruptWord* const word = word_of(cpu, intid)) {
        word->active &= ~(1u << intid % 32);
        refresh_word_of(cpu, intid);
    }
}

u32 Gicv2::interface_control(const Cpu& cpu) {
    return (cpu.group_enabled[0] ? kEnableGrp0 : 0) | (cpu.group_enabled[1] ? kEnableGrp1 : 0) |
           (cpu.ack_control ? kAckCtl : 0) | (cpu.fiq_enabled ? kFiqEn : 0) |
           (cpu.priorities.common_bpr ? kCbpr : 0) |
           (cpu.priorities.eoi_drops_only ? kEoiMode : 0) |
           (cpu.nonsecure_eoi_drops_only ? kEoiModeNs : 0);
}

void Gicv2::set_interface_control(Cpu& cpu, u32 value) {
    cpu.group_enabled = {(value & kEnableGrp0) != 0, (value & kEnableGrp1) != 0};
    cpu.ack_control = (value & kAckCtl) != 0;
    cpu.fiq_enabled = (value & kFiqEn) != 0;
    cpu.priorities.common_bpr = (value & kCbpr) != 0;
    cpu.priorities.eoi_drops_only = (value & kEoiMode) != 0;
    cpu.nonsecure_eoi_drops_only = accesses_securely_ != nullptr && (value & kEoiModeNs) != 0;
    look_for_best(cpu);
}

u64 Gicv2::read_cpu_interface(Cpu& cpu, u64 offset, unsigned bytes) {
    const Priorities& p = cpu.priorities;
    if (is_nonsecure_access()) {
        return read_nonsecure_interface(cpu, offset, bytes);
    }
    switch (bytes == 4 ? offset : ~u64{0}) {
    case kCtlr:
        return interface_control(cpu);
    case kPmr:
        return p.mask;
    case kBpr:
        return p.bpr[0];
    case kAbpr:
        return p.bpr[1];
    case kIar:
    case kAiar:
        return acknowledge(cpu, offset == kAiar);
    case kHppir:
    case kAhppir:
        return with_source(cpu, visible_pending(cpu, offset == kAhppir));
    case kRpr:
        return p.shown_running();
    case kApr0:
        return p.active[0];
    case kNsapr0:
        return p.active[1];
    case kIidr:
        return kInterfaceId;
    default:
        break;
    }
    if (offset < kApr0 || offset > kNsapr3) { // one register each holds all active priorities
        log_bad_access("gicv2 CPU interface", Direction::Read, offset, bytes);
    }
    return 0;
}

void Gicv2::write_cpu_interface(Cpu& cpu, u64 offset, unsigned bytes, u32 value) {
    Priorities& p = cpu.priorities;
    if (is_nonsecure_access()) {
        return write_nonsecure_interface(cpu, offset, bytes, value);
    }
    switch (bytes == 4 ? offset : ~u64{0}) {
    case kCtlr:
        set_interface_control(cpu, value);
        return;
    case kEoir: {
        // With AckCtl it ends what GICC_IAR acknowledged, of whichever group.
        const bool group1 = cpu.ack_control && p.running_group() == 1;
        end_interrupt(cpu, group1 ? 1 : 0, value);
        return;
    }
    case kAeoir:
        end_interrupt(cpu, 1, value);
        return;
    case kDir:
        deactivate_apart(cpu, value);
        return;
    case kPmr:
        p.write_mask(value);
        break;
    case kBpr:
        p.write_bpr(0, value);
        break;
    case kAbpr:
        p.set_bpr(1, value); // CBPR counts for others' accesses, not for this alias
        break;
    case kApr0:
        p.active[0] = value;
        break;
    case kNsapr0:
        p.active[1] = value;
        break;
    default:
        if (offset < kApr0 || offset > kNsapr3) {
            log_bad_access("gicv2 CPU interface", Direction::Write, offset, bytes);
        }
        return;
    }
    update_output(cpu);
}

} // namespace ulna::devices
