// GITS_* (IHI 0069 12.19).
#include "runtime/devices/gicv3_its.h"

#include "runtime/devices/gicv3_frames.h"
#include "runtime/devices/guest_error.h"

namespace ulna::devices {

using namespace gicv3;

namespace {
constexpr u64 kCtlr = 0x0, kTyper = 0x8, kCbaser = 0x80, kCwriter = 0x88, kCreadr = 0x90,
              kBaser = 0x100, kBaserEnd = 0x140, kControlFrameEnd = 0x10000;
constexpr u64 kEnabled = 1, kQuiescent = u64{1} << 31;
constexpr u8 kPart = 0x94;
constexpr u64 table_kind(u64 type) { return type << 56 | u64{8 - 1} << 48; }
constexpr u64 kTableKinds[] = {table_kind(1), table_kind(4)}; // devices, collections

u64 with_half(u64 whole, u64 offset, unsigned bytes, u64 value) {
    if (bytes == 8) {
        return value;
    }
    const unsigned shift = (offset & 4) != 0 ? 32 : 0;
    return (whole & ~(u64{0xffff'ffff} << shift)) | (value & 0xffff'ffff) << shift;
}
} // namespace

Gicv3Its::Gicv3Its(Gicv3& gic, PhysicalMemory& memory) : gic_(gic), memory_(memory) {
    gic_.enable_lpis(memory);
    reset();
}

void Gicv3Its::reset() {
    enabled_ = false;
    queue_base_ = queue_write_ = queue_read_ = 0;
    tables_ = {kTableKinds[kDevices], kTableKinds[kCollections]};
}

// By 64-bit registers; CTLR and IIDR are the two halves of one.
std::optional<u64> Gicv3Its::read_register(u64 offset) const {
    switch (offset) {
    case kCtlr:
        return u64{kIidr} << 32 | (enabled_ ? kEnabled : kQuiescent);
    case kTyper: {
        constexpr u64 kPhysical = 1, kEntryBytes = u64{8 - 1} << 4;
        // PTA is 0: commands name CPUs by their number. CIDbits is not said: 16.
        return kPhysical | kEntryBytes | (kEventBits - 1) << 8 | (kDeviceBits - 1) << 13;
    }
    case kCbaser:
        return queue_base_;
    case kCwriter:
        return queue_write_;
    case kCreadr:
        return queue_read_;
    default:
        break;
    }
    if (offset >= kBaser && offset < kBaserEnd) {
        const u64 n = (offset - kBaser) / 8;
        return n < kTables ? tables_[n] : 0;
    }
    return std::nullopt;
}

void Gicv3Its::write_register(u64 offset, u64 value) {
    switch (offset) {
    case kCtlr:
        enabled_ = (value & kEnabled) != 0;
        run_queue();
        break;
    case kCbaser:
        if (!enabled_) { // as the other bases: else UNPREDICTABLE
            queue_base_ = value & kQueueFields;
            queue_read_ = 0;
        }
        break;
    case kCwriter:
        queue_write_ = value & kOffsetFields;
        run_queue();
        break;
    default:
        if (offset >= kBaser && offset < kBaserEnd && !enabled_) {
            const u64 n = (offset - kBaser) / 8;
            if (n < kTables) {
                tables_[n] = (value & kBaserFields) | kTableKinds[n];
            }
        }
    }
}

u64 Gicv3Its::read(u64 offset, unsigned bytes) {
    if (bytes == 4 && offset < kControlFrameEnd && is_id_register(offset)) {
        return read_id(offset, kPart);
    }
    const auto whole = bytes >= 4 ? read_register(offset & ~u64{7}) : std::nullopt;
    if (!whole) {
        log_bad_access("gicv3 its", Direction::Read, offset, bytes);
        return 0;
    }
    return bytes == 8 ? *whole : static_cast<u32>((offset & 4) != 0 ? *whole >> 32 : *whole);
}

void Gicv3Its::write(u64 offset, unsigned bytes, u64 value) {
    const u64 at = offset & ~u64{7};
    const auto whole = bytes >= 4 ? read_register(at) : std::nullopt;
    if (!whole) {
        log_bad_access("gicv3 its", Direction::Write, offset, bytes);
    } else if (at != kCwriter || (offset & 4) == 0) { // a half of nothing starts no commands
        write_register(at, with_half(*whole, offset, bytes, value));
    }
}

void Gicv3Its::send(u32 device, u32 event) {
    if (!enabled_) {
        return;
    }
    const auto found = find_event(device, event);
    const auto cpu = found ? find_cpu(found->collection) : std::nullopt;
    if (cpu) {
        gic_.set_lpi(*cpu, found->intid, true);
    }
}

} // namespace ulna::devices
