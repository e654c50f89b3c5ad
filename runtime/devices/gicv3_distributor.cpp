// GICD_* (IHI 0069 12.9), with affinity routing: what belongs to SGIs and PPIs is in the
// redistributors, and reads as zero here.
#include "runtime/devices/gicv3_frames.h"

#include "runtime/devices/guest_error.h"

namespace ulna::devices {

using namespace gicv3;

namespace {
constexpr u64 kCtlr = 0x0, kTyper = 0x4, kIidrOffset = 0x8, kTyper2 = 0xc, kStatusr = 0x10;
constexpr u64 kItargetsr = 0x800, kItargetsrEnd = 0xc00; // of legacy operation
constexpr u64 kIspendr = 0x200, kIcpendr = 0x280, kIsactiver = 0x300, kIcactiverEnd = 0x400;
constexpr u64 kNsacr = 0xe00, kNsacrEnd = 0xf00; // of two Security states
constexpr u64 kIrouter = 0x6000, kIrouterEnd = 0x8000;
// With two Security states kAre is ARE_S, in the Non-secure view ARE_NS.
constexpr u32 kEnableGrp0 = 1 << 0, kEnableGrp1 = 1 << 1, kEnableGrp1S = 1 << 2, kAre = 1 << 4,
              kAreNs = 1 << 5, kDs = 1 << 6;
constexpr u64 kRouteFields = 0xff'80ff'ffff; // affinities and Interrupt_Routing_Mode
constexpr u8 kPart = 0x92;

bool reads_as_zero(u64 offset) {
    return offset == kTyper2 || offset == kStatusr ||
           (offset >= kItargetsr && offset < kItargetsrEnd);
}

bool is_nsacr(u64 offset) { return offset >= kNsacr && offset < kNsacrEnd; }
unsigned nsacr_word(u64 offset) { return static_cast<unsigned>((offset - kNsacr) / 8) - 1; }
unsigned nsacr_half(u64 offset) { return static_cast<unsigned>(offset / 4 % 2); }

// Values of a field of GICD_NSACR, each of which permits what those before it do.
enum Reach : u32 { kSetPending = 1, kClearPending = 2, kRoute = 3, kNever = 4 };
u32 reach_needed(u64 offset, bool writes) {
    const bool is_state = offset >= kIcpendr && offset < kIcactiverEnd;
    return offset >= kIspendr && offset < kIcpendr ? kSetPending
           : is_state && (offset < kIsactiver || !writes)
               ? kClearPending // what is active may be read, too
               : kNever;
}

// Those of 32 interrupts whose field has at least this value.
u32 at_least(const std::array<u32, 2>& fields, u32 needed) {
    u32 reached = 0;
    for (unsigned i = 0; i < 32; ++i) {
        reached |= u32{(fields[i / 16] >> i % 16 * 2 & 3) >= needed} << i;
    }
    return reached;
}

// 32-bit half of an IROUTER register.
struct RouteHalf {
    unsigned word, bit, shift;
};
RouteHalf route_half(u64 offset) {
    const unsigned intid = static_cast<unsigned>((offset - kIrouter) / 8);
    return {intid / 32 - 1, intid % 32, (offset & 4) != 0 ? 32u : 0u}; // SGIs, PPIs: word wraps
}
} // namespace

gic::View Gicv3::view_of(const SpiWord& word, u64 offset, bool writes) const {
    const bool is_of_two = offset >= kIgrpmodr; // IGRPMODR, which only two states have
    if (!is_nonsecure_access()) {
        return {.visible = is_of_two && !two_states_ ? 0 : ~u32{0}};
    }
    if (is_group_register(offset)) {
        return {.visible = 0};
    }
    return {.visible = word.group | at_least(word.reach, reach_needed(offset, writes)),
            .half_priorities = true};
}

bool Gicv3::reaches_route(const SpiWord& word, unsigned bit) const {
    return !is_nonsecure_access() || ((word.group | at_least(word.reach, kRoute)) >> bit & 1) != 0;
}

u32 Gicv3::control() const {
    const u32 group0 = group_forwarded_[kGroup0] ? kEnableGrp0 : 0;
    const u32 group1 = group_forwarded_[kGroup1] ? kEnableGrp1 : 0;
    if (!two_states_) {
        return kAre | kDs | group0 | group1;
    }
    if (is_nonsecure_access()) {
        return kAre | group1;
    }
    return kAre | kAreNs | group0 | group1 | (group_forwarded_[kSecureGroup1] ? kEnableGrp1S : 0);
}

void Gicv3::set_control(u32 value) {
    group_forwarded_[kGroup1] = (value & kEnableGrp1) != 0;
    if (!is_nonsecure_access()) {
        group_forwarded_[kGroup0] = (value & kEnableGrp0) != 0;
        group_forwarded_[kSecureGroup1] = two_states_ && (value & kEnableGrp1S) != 0;
        if (two_states_ && (value & kDs) != 0) {
            leave_two_states();
        }
    }
    refresh_all();
}

bool Gicv3::read_distributor(u64 offset, u32& value) const {
    value = 0;
    if (is_bank_register(offset)) {
        const unsigned word = bank_word(offset) - 1; // SGIs and PPIs: wraps
        value = word < spis_.size()
                    ? read_bank(spis_[word], offset, view_of(spis_[word], offset, false))
                    : 0;
        return true;
    }
    if (is_nsacr(offset)) {
        const unsigned word = nsacr_word(offset);
        value = two_states_ && !is_nonsecure_access() && word < spis_.size()
                    ? spis_[word].reach[nsacr_half(offset)]
                    : 0;
        return true;
    }
    if (offset >= kIrouter && offset < kIrouterEnd) {
        const RouteHalf half = route_half(offset);
        value = half.word < spis_.size() && reaches_route(spis_[half.word], half.bit)
                    ? static_cast<u32>(spis_[half.word].route[half.bit] >> half.shift)
                    : 0;
        return true;
    }
    if (is_id_register(offset)) {
        value = read_id(offset, kPart);
        return true;
    }
    switch (offset) {
    case kCtlr:
        value = control();
        return true;
    case kTyper: {
        constexpr u32 kA3v = 1 << 24, kIdBits = (kInterruptIdBits - 1) << 19;
        constexpr u32 kSecurityExtn = 1 << 10, kLpis = 1 << 17;
        value = kA3v | kIdBits | (memory_ != nullptr ? kLpis : 0) |
                (two_states_ ? kSecurityExtn : 0) | static_cast<u32>(spis_.size()); // ITLinesNumber
        return true;
    }
    case kIidrOffset:
        value = kIidr;
        return true;
    default:
        return reads_as_zero(offset);
    }
}

bool Gicv3::write_distributor(u64 offset, u32 value) {
    if (is_bank_register(offset)) {
        const unsigned word = bank_word(offset) - 1;
        if (word < spis_.size()) {
            write_bank(spis_[word], offset, value, view_of(spis_[word], offset, true));
            refresh_spis(word);
            route_again(); // which CPUs may have an SPI also depends on its group
        }
        return true;
    }
    if (is_nsacr(offset)) {
        const unsigned word = nsacr_word(offset);
        if (two_states_ && !is_nonsecure_access() && word < spis_.size()) {
            spis_[word].reach[nsacr_half(offset)] = value;
        }
        return true;
    }
    if (offset >= kIrouter && offset < kIrouterEnd) {
        const RouteHalf half = route_half(offset);
        if (half.word < spis_.size() && reaches_route(spis_[half.word], half.bit)) {
            u64& route = spis_[half.word].route[half.bit];
            route = ((route & ~(u64{0xffff'ffff} << half.shift)) | u64{value} << half.shift) &
                    kRouteFields;
            route_spi(half.word, half.bit);
            refresh_spis(half.word);
        }
        return true;
    }
    if (offset == kCtlr) {
        set_control(value);
        return true;
    }
    return reads_as_zero(offset); // read-only ones are logged
}

u64 Gicv3::Distributor::read(u64 offset, unsigned bytes) {
    if (bytes == 1 && is_priority_register(offset)) {
        const unsigned word = bank_word(offset) - 1;
        return word < gic_.spis_.size()
                   ? read_priority(gic_.spis_[word], offset,
                                   gic_.view_of(gic_.spis_[word], offset, false))
                   : 0;
    }
    u32 low = 0, high = 0;
    const bool known = bytes >= 4 && gic_.read_distributor(offset, low) &&
                       (bytes == 4 || gic_.read_distributor(offset + 4, high));
    if (!known) {
        log_bad_access("gicv3 distributor", Direction::Read, offset, bytes);
    }
    return known ? u64{high} << 32 | low : 0;
}

void Gicv3::Distributor::write(u64 offset, unsigned bytes, u64 value) {
    if (bytes == 1 && is_priority_register(offset)) {
        const unsigned word = bank_word(offset) - 1;
        if (word < gic_.spis_.size()) {
            write_priority(gic_.spis_[word], offset, static_cast<u8>(value),
                           gic_.view_of(gic_.spis_[word], offset, true));
            gic_.refresh_spis(word);
        }
        return;
    }
    const bool known =
        bytes >= 4 && gic_.write_distributor(offset, static_cast<u32>(value)) &&
        (bytes == 4 || gic_.write_distributor(offset + 4, static_cast<u32>(value >> 32)));
    if (!known) {
        log_bad_access("gicv3 distributor", Direction::Write, offset, bytes);
    }
}

} // namespace ulna::devices
