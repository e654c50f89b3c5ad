// GICD_* (IHI 0069 12.9), with affinity routing: what belongs to SGIs and PPIs is in the
// redistributors, and reads as zero here.
#include "runtime/devices/gicv3_frames.h"

#include "runtime/devices/guest_error.h"

namespace ulna::devices {

using namespace gicv3;

namespace {
constexpr u64 kCtlr = 0x0, kTyper = 0x4, kIidrOffset = 0x8, kTyper2 = 0xc, kStatusr = 0x10;
constexpr u64 kItargetsr = 0x800, kItargetsrEnd = 0xc00; // of legacy operation
constexpr u64 kNsacr = 0xe00, kNsacrEnd = 0xf00;         // of two Security states
constexpr u64 kIrouter = 0x6000, kIrouterEnd = 0x8000;
constexpr u32 kEnableGrp0 = 1 << 0, kEnableGrp1 = 1 << 1, kAre = 1 << 4, kDs = 1 << 6;
constexpr u64 kRouteFields = 0xff'80ff'ffff; // affinities and Interrupt_Routing_Mode
constexpr u8 kPart = 0x92;

bool reads_as_zero(u64 offset) {
    return offset == kTyper2 || offset == kStatusr ||
           (offset >= kItargetsr && offset < kItargetsrEnd) ||
           (offset >= kNsacr && offset < kNsacrEnd);
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

bool Gicv3::read_distributor(u64 offset, u32& value) const {
    value = 0;
    if (is_bank_register(offset)) {
        const unsigned word = bank_word(offset) - 1; // SGIs and PPIs: wraps
        value = word < spis_.size() ? read_bank(spis_[word], offset) : 0;
        return true;
    }
    if (offset >= kIrouter && offset < kIrouterEnd) {
        const RouteHalf half = route_half(offset);
        value = half.word < spis_.size()
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
        value = kAre | kDs | (group_forwarded_[0] ? kEnableGrp0 : 0) |
                (group_forwarded_[1] ? kEnableGrp1 : 0);
        return true;
    case kTyper: {
        constexpr u32 kA3v = 1 << 24, kIdBits = (kInterruptIdBits - 1) << 19;
        constexpr u32 kLpis = 1 << 17;
        value = kA3v | kIdBits | (memory_ != nullptr ? kLpis : 0) |
                static_cast<u32>(spis_.size()); // ITLinesNumber
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
            write_bank(spis_[word], offset, value);
            refresh_spis(word);
            route_again(); // which CPUs may have an SPI also depends on its group
        }
        return true;
    }
    if (offset >= kIrouter && offset < kIrouterEnd) {
        const RouteHalf half = route_half(offset);
        if (half.word < spis_.size()) {
            u64& route = spis_[half.word].route[half.bit];
            route = ((route & ~(u64{0xffff'ffff} << half.shift)) | u64{value} << half.shift) &
                    kRouteFields;
            route_spi(half.word, half.bit);
            refresh_spis(half.word);
        }
        return true;
    }
    if (offset == kCtlr) {
        group_forwarded_[0] = (value & kEnableGrp0) != 0;
        group_forwarded_[1] = (value & kEnableGrp1) != 0;
        refresh_all();
        return true;
    }
    return reads_as_zero(offset); // read-only ones are logged
}

u64 Gicv3::Distributor::read(u64 offset, unsigned bytes) {
    if (bytes == 1 && is_priority_register(offset)) {
        const unsigned word = bank_word(offset) - 1;
        return word < gic_.spis_.size() ? read_priority(gic_.spis_[word], offset) : 0;
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
            write_priority(gic_.spis_[word], offset, static_cast<u8>(value));
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
