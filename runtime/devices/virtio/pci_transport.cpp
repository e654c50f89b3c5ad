#include "runtime/devices/virtio/pci_transport.h"

#include <algorithm>
#include <cstring>

namespace ulna::devices::virtio {
namespace {

// Section 4.1.2.1.
constexpr u16 kVendor = 0x1af4;
constexpr u16 kFirstDevice = 0x1040; // + the device type

constexpr unsigned kMsixBar = 1;
constexpr unsigned kBar = 4; // where firmware that knows the peer may look for it
constexpr u64 kBarBytes = 16384;
// Its parts, a page each.
constexpr u32 kCommonPart = 0x0000, kIsrPart = 0x1000, kDevicePart = 0x2000, kNotifyPart = 0x3000;
constexpr u32 kPartBytes = 0x1000;
constexpr u32 kNotifyMultiplier = 4;

// Section 4.1.4: types of virtio's capabilities.
constexpr u8 kVendorCapability = 0x09;
constexpr u8 kCapCommon = 1, kCapNotify = 2, kCapIsr = 3, kCapDevice = 4, kCapAccess = 5;
// Fields of such a capability, from its start.
constexpr u32 kCapBar = 4, kCapOffset = 8, kCapLength = 12, kCapAccessData = 16;

// Section 4.1.4.3.
enum Common : u64 {
    kDeviceFeatureSelect = 0,
    kDeviceFeature = 4,
    kDriverFeatureSelect = 8,
    kDriverFeature = 12,
    kConfigMsixVector = 16,
    kNumQueues = 18,
    kDeviceStatus = 20,
    kConfigGeneration = 21,
    kQueueSelect = 22,
    kQueueSize = 24,
    kQueueMsixVector = 26,
    kQueueEnable = 28,
    kQueueNotifyOff = 30,
    kQueueDesc = 32,
    kQueueDriver = 40,
    kQueueDevice = 48,
};

constexpr u8 kIsrQueue = 1, kIsrConfig = 2;

u32 class_of(u32 device_id) {
    switch (device_id) {
    case 1:
        return 0x02'00'00; // Ethernet
    case 2:
    case 8:
        return 0x01'00'00; // mass storage
    case 3:
        return 0x07'80'00; // communication
    }
    return 0x00'ff'00; // none of those that there are classes for
}

pci::PciFunction::Identity identity_of(const VirtioDevice& device) {
    return {.vendor = kVendor,
            .device = static_cast<u16>(kFirstDevice + device.id()),
            .class_code = class_of(device.id()),
            .revision = 1,
            .subsystem_vendor = kVendor,
            .subsystem = 0x1100};
}

// Replaces the part of a 64-bit field that an access of 4 or 8 bytes covers.
void set_part(u64& field, u64 offset, unsigned bytes, u64 value) {
    if (offset + bytes <= sizeof field) {
        std::memcpy(reinterpret_cast<u8*>(&field) + offset, &value, bytes);
    }
}

} // namespace

PciTransport::PciTransport(VirtioDevice& device, const PhysicalMemory& memory)
    : PciFunction(identity_of(device)),
      driver_(device, memory, *this),
      vectors_(device.queue_count() + 1),
      queue_vectors_(device.queue_count(), kNoVector) {
    add_bar(kBar, kBarBytes, true);
    add_msix(kMsixBar, vectors_);
    const std::array<u8, 4> multiplier{kNotifyMultiplier, 0, 0, 0};
    add_structure(kCapAccess, 0, 0, std::array<u8, 4>{});
    access_capability_ = *config(0x34); // the one just made
    make_writable(access_capability_ + kCapBar, 1);
    make_writable(access_capability_ + kCapOffset, 8);
    add_structure(kCapDevice, kDevicePart, kPartBytes, {});
    add_structure(kCapNotify, kNotifyPart, kPartBytes, multiplier);
    add_structure(kCapIsr, kIsrPart, kPartBytes, {});
    add_structure(kCapCommon, kCommonPart, kPartBytes, {});
}

void PciTransport::add_structure(u8 type, u32 offset, u32 bytes, std::span<const u8> more) {
    std::vector<u8> body(14 + more.size());
    body[0] = static_cast<u8>(2 + body.size()); // cap_len
    body[1] = type;
    body[2] = type == kCapAccess ? 0 : kBar;
    std::memcpy(&body[6], &offset, sizeof offset);
    std::memcpy(&body[10], &bytes, sizeof bytes);
    std::copy(more.begin(), more.end(), body.begin() + 14);
    add_capability(kVendorCapability, body);
}

void PciTransport::reset() {
    driver_.reset();
    isr_ = 0;
    offered_half_ = accepted_half_ = 0;
    queue_ = 0;
    forget_vectors();
    PciFunction::reset();
}

void PciTransport::visit_state(StateVisitor& visit) {
    const auto visit_vector = [&](u16& vector) {
        u16 value = vector;
        visit(value);
        if (value != kNoVector && value >= vectors_) {
            visit.fail("a vector that does not exist");
        } else {
            vector = value;
        }
    };
    visit(offered_half_, accepted_half_, queue_, isr_);
    visit_vector(config_vector_);
    for (u16& vector : queue_vectors_) {
        visit_vector(vector);
    }
    driver_.visit_state(visit);
    PciFunction::visit_state(visit);
}

void PciTransport::forget_vectors() {
    config_vector_ = kNoVector;
    std::fill(queue_vectors_.begin(), queue_vectors_.end(), kNoVector);
}

// --- interrupts

void PciTransport::queue_interrupt(unsigned queue) { interrupt(queue_vectors_[queue], kIsrQueue); }
void PciTransport::config_interrupt() { interrupt(config_vector_, kIsrConfig); }

// Section 4.1.5.3: with MSI-X the status is not used.
void PciTransport::interrupt(u16 vector, u8 isr_bit) {
    if (uses_msix()) {
        if (vector != kNoVector) {
            send_message(vector);
        }
        return;
    }
    isr_ |= isr_bit;
    set_interrupt(true);
}

u8 PciTransport::take_isr() {
    const u8 value = isr_;
    isr_ = 0;
    set_interrupt(false);
    return value;
}

u16 PciTransport::checked_vector(u64 vector) const {
    return vector < vectors_ ? static_cast<u16>(vector) : kNoVector;
}

// --- memory

u64 PciTransport::read_bar(unsigned bar, u64 offset, unsigned bytes) {
    if (bar != kBar) {
        return 0;
    }
    const u64 within = offset % kPartBytes;
    switch (offset - within) {
    case kCommonPart: {
        // Fields of 64 bits may be read by halves (section 4.1.3.1).
        const bool in_address = within >= kQueueDesc && within < kQueueDevice + 8;
        const u64 field = in_address ? within & ~u64{7} : within;
        const u64 value = read_common(field) >> (8 * (within - field));
        return bytes >= 8 ? value : value & ((u64{1} << (8 * bytes)) - 1);
    }
    case kIsrPart:
        return within == 0 ? take_isr() : 0;
    case kDevicePart:
        return read_device_config(within, bytes);
    }
    return 0;
}

u64 PciTransport::read_device_config(u64 offset, unsigned bytes) {
    u64 value = 0;
    const auto config = driver_.device().config();
    if (offset + bytes <= config.size()) {
        std::memcpy(&value, config.data() + offset, bytes);
    }
    return value;
}

u64 PciTransport::read_common(u64 offset) const {
    const Virtqueue::Setup setup = driver_.setup(queue_);
    switch (offset) {
    case kDeviceFeatureSelect:
        return offered_half_;
    case kDeviceFeature:
        return driver_.offered(offered_half_);
    case kDriverFeatureSelect:
        return accepted_half_;
    case kDriverFeature:
        return driver_.accepted(accepted_half_);
    case kConfigMsixVector:
        return config_vector_;
    case kNumQueues:
        return queue_vectors_.size();
    case kDeviceStatus:
        return driver_.status();
    case kConfigGeneration:
        return driver_.config_generation() & 0xff;
    case kQueueSelect:
        return queue_;
    case kQueueSize:
        return setup.entries;
    case kQueueMsixVector:
        return queue_ < queue_vectors_.size() ? queue_vectors_[queue_] : kNoVector;
    case kQueueEnable:
        return driver_.enabled(queue_) ? 1 : 0;
    case kQueueNotifyOff:
        return queue_;
    case kQueueDesc:
        return setup.descriptors;
    case kQueueDriver:
        return setup.driver_area;
    case kQueueDevice:
        return setup.device_area;
    }
    return 0;
}

void PciTransport::write_bar(unsigned bar, u64 offset, unsigned bytes, u64 value) {
    if (bar != kBar) {
        return;
    }
    const u64 within = offset % kPartBytes;
    switch (offset - within) {
    case kCommonPart:
        return write_common(within, bytes, value);
    case kDevicePart:
        return driver_.device().write_config(within, bytes, value);
    case kNotifyPart:
        return driver_.notify(static_cast<u32>(within / kNotifyMultiplier));
    }
}

void PciTransport::write_common(u64 offset, unsigned bytes, u64 value) {
    switch (offset) {
    case kDeviceFeatureSelect:
        offered_half_ = static_cast<u32>(value);
        return;
    case kDriverFeatureSelect:
        accepted_half_ = static_cast<u32>(value);
        return;
    case kDriverFeature:
        return driver_.accept(accepted_half_, static_cast<u32>(value));
    case kConfigMsixVector:
        config_vector_ = checked_vector(value);
        return;
    case kDeviceStatus:
        driver_.set_status(static_cast<u8>(value));
        if (static_cast<u8>(value) == 0) {
            (void)take_isr();
            forget_vectors();
        }
        return;
    case kQueueSelect:
        queue_ = static_cast<u16>(value);
        return;
    case kQueueMsixVector:
        if (queue_ < queue_vectors_.size()) {
            queue_vectors_[queue_] = checked_vector(value);
        }
        return;
    case kQueueEnable: // a queue is disabled by a reset only
        return value == 1 ? driver_.enable(queue_) : void();
    }
    write_queue_register(offset, bytes, value);
}

void PciTransport::write_queue_register(u64 offset, unsigned bytes, u64 value) {
    Virtqueue::Setup* const setup = driver_.changeable_setup(queue_);
    if (setup == nullptr) {
        return;
    }
    if (offset == kQueueSize) {
        setup->entries = static_cast<u16>(value);
    } else if (offset >= kQueueDevice) {
        set_part(setup->device_area, offset - kQueueDevice, bytes, value);
    } else if (offset >= kQueueDriver) {
        set_part(setup->driver_area, offset - kQueueDriver, bytes, value);
    } else if (offset >= kQueueDesc) {
        set_part(setup->descriptors, offset - kQueueDesc, bytes, value);
    }
}

// --- the window of section 4.1.4.9, by which firmware that has mapped nothing reaches the device

bool PciTransport::access_window(u32& bar, u32& offset, u32& bytes) {
    bar = *config(access_capability_ + kCapBar);
    std::memcpy(&offset, config(access_capability_ + kCapOffset), sizeof offset);
    std::memcpy(&bytes, config(access_capability_ + kCapLength), sizeof bytes);
    return bar == kBar && (bytes == 1 || bytes == 2 || bytes == 4) && offset % bytes == 0 &&
           offset < kBarBytes;
}

u32 PciTransport::read_config(u32 at, unsigned size) {
    u32 bar, offset, bytes;
    if (at == access_capability_ + kCapAccessData && access_window(bar, offset, bytes)) {
        return static_cast<u32>(read_bar(bar, offset, bytes));
    }
    return PciFunction::read_config(at, size);
}

void PciTransport::write_config(u32 at, unsigned size, u32 value) {
    u32 bar, offset, bytes;
    if (at == access_capability_ + kCapAccessData && access_window(bar, offset, bytes)) {
        return write_bar(bar, offset, bytes, value);
    }
    PciFunction::write_config(at, size, value);
}

} // namespace ulna::devices::virtio
