#include "runtime/devices/pci/pci_function.h"

#include <bit>
#include <cstring>

#include "ir/support/check.h"

namespace ulna::devices::pci {
namespace {

// The header of type 0 (section 6.1).
constexpr u32 kVendorId = 0x00;
constexpr u32 kDeviceId = 0x02;
constexpr u32 kCommand = 0x04;
constexpr u32 kStatus = 0x06;
constexpr u32 kRevision = 0x08;
constexpr u32 kClassCode = 0x09;
constexpr u32 kCacheLine = 0x0c;
constexpr u32 kBar0 = 0x10;
constexpr u32 kSubsystemVendorId = 0x2c;
constexpr u32 kSubsystemId = 0x2e;
constexpr u32 kCapabilities = 0x34;
constexpr u32 kInterruptLine = 0x3c;
constexpr u32 kInterruptPin = 0x3d;

constexpr u16 kCommandMemory = 1 << 1;
constexpr u16 kCommandMaster = 1 << 2;
constexpr u16 kCommandIntxDisable = 1 << 10;
constexpr u16 kStatusInterrupt = 1 << 3;
constexpr u16 kStatusCapabilities = 1 << 4;
constexpr u32 kBar64Bit = 4;
constexpr u32 kBarPrefetchable = 8;
constexpr u32 kBarTypeBits = 15;

constexpr u8 kMsixId = 0x11;
constexpr u16 kMsixEnable = 1 << 15;
constexpr u16 kMsixMask = 1 << 14;

} // namespace

template <class T> T PciFunction::get(u32 offset) const {
    T value;
    std::memcpy(&value, &config_[offset], sizeof value);
    return value;
}

template <class T> void PciFunction::put(u32 offset, T value) {
    std::memcpy(&config_[offset], &value, sizeof value);
}

PciFunction::PciFunction(const Identity& identity) {
    put(kVendorId, identity.vendor);
    put(kDeviceId, identity.device);
    put(kRevision, identity.revision);
    put(kClassCode, static_cast<u8>(identity.class_code));
    put(kClassCode + 1, static_cast<u16>(identity.class_code >> 8));
    put(kSubsystemVendorId, identity.subsystem_vendor);
    put(kSubsystemId, identity.subsystem);
    put(kInterruptPin, u8{1}); // INTA
    const u16 command = kCommandMemory | kCommandMaster | kCommandIntxDisable;
    std::memcpy(&writable_[kCommand], &command, sizeof command);
    writable_[kCacheLine] = 0xff;
    writable_[kInterruptLine] = 0xff;
}

void PciFunction::add_bar(unsigned bar, u64 bytes, bool is_64_bit) {
    CHECK(bar + (is_64_bit ? 1 : 0) < kBars && std::has_single_bit(bytes) && bytes >= 16);
    bars_[bar] = {bytes, is_64_bit};
    const u32 at = kBar0 + 4 * bar;
    // The guest learns the size by writing ones: what stays zero is inside.
    const u64 mask = ~(bytes - 1);
    std::memcpy(&writable_[at], &mask, is_64_bit ? 8 : 4);
    put<u32>(at, is_64_bit ? kBar64Bit | kBarPrefetchable : 0);
}

u32 PciFunction::add_capability(u8 id, std::span<const u8> body) {
    const u32 at = next_capability_;
    CHECK(at + 2 + body.size() <= config_.size());
    config_[at] = id;
    config_[at + 1] = config_[kCapabilities]; // the newest comes first
    std::memcpy(&config_[at + 2], body.data(), body.size());
    config_[kCapabilities] = static_cast<u8>(at);
    put<u16>(kStatus, get<u16>(kStatus) | kStatusCapabilities);
    next_capability_ = (at + 2 + static_cast<u32>(body.size()) + 3) & ~3u;
    return at;
}

void PciFunction::make_writable(u32 offset, u32 bytes) {
    std::memset(&writable_[offset], 0xff, bytes);
}

void PciFunction::make_writable_bits(u32 offset, u16 bits) {
    std::memcpy(&writable_[offset], &bits, sizeof bits);
}

void PciFunction::attach(const Slot& slot) {
    const bool moves = slot.requester_id != slot_.requester_id;
    slot_ = slot;
    if (moves) {
        update_msix();
    }
}

void PciFunction::add_msix(unsigned bar, unsigned vectors) {
    add_bar(bar, Msix::kBytes, false);
    msix_ = std::make_unique<Msix>(vectors);
    msix_bar_ = bar;
    std::array<u8, 10> body{};
    const u16 control = static_cast<u16>(vectors - 1);
    const u32 table = bar, pending = static_cast<u32>(Msix::kPendingOffset) | bar;
    std::memcpy(&body[0], &control, 2);
    std::memcpy(&body[2], &table, 4);
    std::memcpy(&body[6], &pending, 4);
    msix_capability_ = add_capability(kMsixId, body);
    const u16 changeable = kMsixEnable | kMsixMask;
    std::memcpy(&writable_[msix_capability_ + 2], &changeable, sizeof changeable);
}

void PciFunction::reset() {
    if (has_been_used_) {
        config_ = at_reset_;
    }
    interrupt_ = false;
    if (msix_ != nullptr) {
        msix_->reset();
    }
    update_interrupt();
}

// What the guest cannot write is the function's. Messages that wait go on waiting.
void PciFunction::visit_state(StateVisitor& visit) {
    if (!has_been_used_) {
        has_been_used_ = true;
        at_reset_ = config_;
    }
    const bool was_asserted = interrupt_;
    interrupt_ = false;
    update_status();
    for (std::size_t at = 0; at < config_.size(); ++at) {
        visit.masked(config_[at], writable_[at], "configuration space");
    }
    interrupt_ = was_asserted;
    visit(interrupt_);
    update_status();
    if (msix_ != nullptr) {
        msix_->visit_state(visit);
    }
    if (visit.loading()) {
        if (msix_ != nullptr) {
            msix_->connect(slot_.messages, slot_.requester_id);
        }
        update_interrupt();
    }
}

u32 PciFunction::read_config(u32 offset, unsigned bytes) {
    u32 value = 0;
    if (offset + bytes <= config_.size()) {
        std::memcpy(&value, &config_[offset], bytes);
    }
    return value;
}

void PciFunction::write_config(u32 offset, unsigned bytes, u32 value) {
    if (!has_been_used_) {
        has_been_used_ = true;
        at_reset_ = config_;
    }
    if (offset + bytes > config_.size()) {
        return;
    }
    for (unsigned i = 0; i < bytes; ++i) {
        const u8 mask = writable_[offset + i];
        u8& byte = config_[offset + i];
        byte = static_cast<u8>((byte & ~mask) | (value >> (8 * i) & mask));
    }
    update_msix();
    update_interrupt();
}

PhysAddr PciFunction::bar_base(unsigned bar) const {
    const u32 at = kBar0 + 4 * bar;
    return bars_[bar].is_64_bit ? get<u64>(at) & ~u64{kBarTypeBits} : get<u32>(at) & ~kBarTypeBits;
}

PciFunction::Report PciFunction::report() const {
    Report report{.identity = {.vendor = get<u16>(kVendorId),
                               .device = get<u16>(kDeviceId),
                               .class_code = get<u32>(kRevision) >> 8,
                               .revision = get<u8>(kRevision),
                               .subsystem_vendor = get<u16>(kSubsystemVendorId),
                               .subsystem = get<u16>(kSubsystemId)},
                  .pin = get<u8>(kInterruptPin),
                  .line = get<u8>(kInterruptLine)};
    const bool decodes = (get<u16>(kCommand) & kCommandMemory) != 0;
    for (unsigned bar = 0; bar < kBars; ++bar) {
        if (bars_[bar].bytes != 0) {
            const PhysAddr base = bar_base(bar);
            report.regions.push_back(
                {.bar = bar,
                 .bytes = bars_[bar].bytes,
                 .address = decodes && base != 0 ? std::optional{base} : std::nullopt,
                 .is_64_bit = bars_[bar].is_64_bit,
                 .is_prefetchable = (get<u32>(kBar0 + 4 * bar) & kBarPrefetchable) != 0});
        }
    }
    return report;
}

std::optional<PciFunction::Hit> PciFunction::decode(PhysAddr at, unsigned bytes) const {
    if ((get<u16>(kCommand) & kCommandMemory) == 0) {
        return std::nullopt;
    }
    for (unsigned bar = 0; bar < kBars; ++bar) {
        const u64 offset = at - bar_base(bar);
        if (offset < bars_[bar].bytes && bytes <= bars_[bar].bytes - offset) {
            return Hit{bar, offset};
        }
    }
    return std::nullopt;
}

u64 PciFunction::read_memory(const Hit& hit, unsigned bytes) {
    if (msix_ != nullptr && hit.bar == msix_bar_) {
        return msix_->read(hit.offset, bytes);
    }
    return read_bar(hit.bar, hit.offset, bytes);
}

void PciFunction::write_memory(const Hit& hit, unsigned bytes, u64 value) {
    if (msix_ != nullptr && hit.bar == msix_bar_) {
        return msix_->write(hit.offset, bytes, value);
    }
    write_bar(hit.bar, hit.offset, bytes, value);
}

// --- interrupts

void PciFunction::set_interrupt(bool asserted) {
    interrupt_ = asserted;
    update_interrupt();
}

// The status shows the level even while it goes nowhere (section 6.2.3).
void PciFunction::update_status() {
    const u16 status = get<u16>(kStatus);
    put<u16>(kStatus,
             static_cast<u16>(interrupt_ ? status | kStatusInterrupt : status & ~kStatusInterrupt));
}

void PciFunction::update_interrupt() {
    update_status();
    if (slot_.interrupt != nullptr) {
        const bool off = (get<u16>(kCommand) & kCommandIntxDisable) != 0 || uses_msix();
        slot_.interrupt->set(interrupt_ && !off);
    }
}

bool PciFunction::uses_msix() const { return msix_ != nullptr && msix_->enabled(); }

void PciFunction::update_msix() {
    if (msix_ != nullptr) {
        const u16 control = get<u16>(msix_capability_ + 2);
        msix_->connect(slot_.messages, slot_.requester_id);
        msix_->configure((control & kMsixEnable) != 0, (control & kMsixMask) != 0);
    }
}

void PciFunction::send_message(unsigned vector) {
    if (msix_ != nullptr) {
        msix_->trigger(vector);
    }
}

} // namespace ulna::devices::pci
