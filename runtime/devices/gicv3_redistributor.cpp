// GICR_*: for each CPU the frame RD_base, and SGI_base with the state of SGIs and PPIs (IHI 0069
// 12.10, 12.11).
#include "runtime/devices/gicv3_frames.h"

#include "runtime/devices/guest_error.h"

namespace ulna::devices {

using namespace gicv3;

namespace {
constexpr u64 kCtlr = 0x0, kIidrOffset = 0x4, kTyper = 0x8, kTyperHigh = 0xc, kStatusr = 0x10,
              kWaker = 0x14, kPropbaser = 0x70, kPendbaser = 0x78;
constexpr u64 kSgiBase = 0x10000, kNsacr = 0xe00;
constexpr u64 kSgiConfig = 0xc00; // ICFGR0: SGIs are edges
constexpr u8 kPart = 0x93;
// The fields of the table registers: shareability, cacheability, address, number of ID bits.
constexpr u64 kPropbaserFields = 0x070f'ffff'ffff'ff9f, kPendbaserFields = 0x470f'ffff'ffff'0f80;

u32 half_of(u64 value, u64 offset) {
    return static_cast<u32>((offset & 4) != 0 ? value >> 32 : value);
}

void set_half(u64& whole, u64 offset, u32 value, u64 fields) {
    const unsigned shift = (offset & 4) != 0 ? 32 : 0;
    whole = ((whole & ~(u64{0xffff'ffff} << shift)) | u64{value} << shift) & fields;
}

bool reads_as_zero(u64 offset) { return offset == kStatusr; }

bool is_own_bank(u64 offset) {
    return offset >= kSgiBase && is_bank_register(offset - kSgiBase) &&
           bank_word(offset - kSgiBase) == 0;
}
} // namespace

// `offset`: in the frame SGI_base.
gic::View Gicv3::view_of(const Cpu& cpu, u64 offset) const {
    if (is_nonsecure_access()) {
        return {.visible = is_group_register(offset) ? 0 : cpu.own.group, .half_priorities = true};
    }
    return {.visible = offset >= kIgrpmodr && !two_states_ ? 0 : ~u32{0}};
}

bool Gicv3::read_redistributor(const Cpu& cpu, u64 offset, u32& value) const {
    value = 0;
    if (is_own_bank(offset)) {
        value = read_bank(cpu.own, offset - kSgiBase, view_of(cpu, offset - kSgiBase));
        return true;
    }
    if (is_id_register(offset % kSgiBase)) { // both frames have them
        value = read_id(offset % kSgiBase, kPart);
        return true;
    }
    switch (offset) {
    case kCtlr:
        value = cpu.control;
        return true;
    case kIidrOffset:
        value = kIidr;
        return true;
    case kTyper: {
        const u32 last = cpu.number + 1 == cpus_.size() ? 1 << 4 : 0;
        const u32 lpis = memory_ != nullptr ? 1 : 0; // PLPIS
        value = cpu.number << 8 | last | lpis;
        return true;
    }
    case kTyperHigh: {
        const u64 affinity = gicv3_affinity(cpu.number);
        value = static_cast<u32>((affinity >> 32 & 0xff) << 24 | (affinity & 0xff'ffff));
        return true;
    }
    case kWaker:
        value = is_nonsecure_access() ? 0 : cpu.waker;
        return true;
    case kSgiBase + kNsacr:
        value = two_states_ && !is_nonsecure_access() ? cpu.sgi_reach : 0;
        return true;
    case kPropbaser:
    case kPropbaser + 4:
        value = half_of(cpu.property_base, offset);
        return true;
    case kPendbaser:
    case kPendbaser + 4:
        value = half_of(cpu.pending_base & ~kPendingTableIsZero, offset);
        return true;
    default:
        return reads_as_zero(offset);
    }
}

bool Gicv3::write_redistributor(Cpu& cpu, u64 offset, u32 value) {
    if (is_own_bank(offset)) {
        if (offset != kSgiBase + kSgiConfig) {
            write_bank(cpu.own, offset - kSgiBase, value, view_of(cpu, offset - kSgiBase));
            refresh_own(cpu);
        }
        return true;
    }
    switch (offset) {
    case kCtlr:
        set_lpis_enabled(cpu, (value & kEnableLpis) != 0);
        return true;
    case kWaker:
        // A CPU's interface quiesces at once. A sleeping CPU still gets what is sent to it alone.
        if (!is_nonsecure_access()) {
            cpu.waker = (value & kProcessorSleep) != 0 ? kProcessorSleep | kChildrenAsleep : 0;
            route_again();
        }
        return true;
    case kSgiBase + kNsacr:
        if (two_states_ && !is_nonsecure_access()) {
            cpu.sgi_reach = value;
        }
        return true;
    case kPropbaser:
    case kPropbaser + 4:
        if ((cpu.control & kEnableLpis) == 0) { // else UNPREDICTABLE; so the next one
            set_half(cpu.property_base, offset, value, kPropbaserFields);
        }
        return true;
    case kPendbaser:
    case kPendbaser + 4:
        if ((cpu.control & kEnableLpis) == 0) {
            set_half(cpu.pending_base, offset, value, kPendbaserFields);
        }
        return true;
    default:
        return reads_as_zero(offset);
    }
}

u64 Gicv3::Redistributors::read(u64 offset, unsigned bytes) {
    const u64 number = offset / kRedistributorBytes;
    const u64 at = offset % kRedistributorBytes;
    u32 low = 0, high = 0;
    bool known = number < gic_.cpus_.size();
    if (known) {
        const Cpu& cpu = gic_.cpus_[number];
        if (bytes == 1 && is_own_bank(at) && is_priority_register(at - kSgiBase)) {
            return read_priority(cpu.own, at - kSgiBase, gic_.view_of(cpu, at - kSgiBase));
        }
        known = bytes >= 4 && gic_.read_redistributor(cpu, at, low) &&
                (bytes == 4 || gic_.read_redistributor(cpu, at + 4, high));
    }
    if (!known) {
        log_bad_access("gicv3 redistributor", Direction::Read, offset, bytes);
    }
    return known ? u64{high} << 32 | low : 0;
}

void Gicv3::Redistributors::write(u64 offset, unsigned bytes, u64 value) {
    const u64 number = offset / kRedistributorBytes;
    const u64 at = offset % kRedistributorBytes;
    bool known = number < gic_.cpus_.size();
    if (known) {
        Cpu& cpu = gic_.cpus_[number];
        if (bytes == 1 && is_own_bank(at) && is_priority_register(at - kSgiBase)) {
            write_priority(cpu.own, at - kSgiBase, static_cast<u8>(value),
                           gic_.view_of(cpu, at - kSgiBase));
            gic_.refresh_own(cpu);
            return;
        }
        known =
            bytes >= 4 && gic_.write_redistributor(cpu, at, static_cast<u32>(value)) &&
            (bytes == 4 || gic_.write_redistributor(cpu, at + 4, static_cast<u32>(value >> 32)));
    }
    if (!known) {
        log_bad_access("gicv3 redistributor", Direction::Write, offset, bytes);
    }
}

} // namespace ulna::devices
