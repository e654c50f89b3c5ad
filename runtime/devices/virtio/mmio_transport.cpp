#include "runtime/devices/virtio/mmio_transport.h"

#include <cstring>

#include "runtime/devices/guest_error.h"

namespace ulna::devices::virtio {
namespace {

// Section 4.2.2. DeviceStatus, QueueReady and InterruptStatus among them are read and written.
enum Register : u64 {
    kMagicValue = 0x000,
    kVersion = 0x004,
    kDeviceID = 0x008,
    kVendorID = 0x00c,
    kDeviceFeatures = 0x010,
    kDeviceFeaturesSel = 0x014,
    kDriverFeatures = 0x020,
    kDriverFeaturesSel = 0x024,
    kQueueSel = 0x030,
    kQueueNumMax = 0x034,
    kQueueNum = 0x038,
    kQueueReady = 0x044,
    kQueueNotify = 0x050,
    kInterruptStatus = 0x060,
    kInterruptACK = 0x064,
    kDeviceStatus = 0x070,
    kQueueDescLow = 0x080,
    kQueueDescHigh = 0x084,
    kQueueDriverLow = 0x090,
    kQueueDriverHigh = 0x094,
    kQueueDeviceLow = 0x0a0,
    kQueueDeviceHigh = 0x0a4,
    kSHMLenLow = 0x0b0,
    kSHMLenHigh = 0x0b4,
    kSHMBaseLow = 0x0b8,
    kSHMBaseHigh = 0x0bc,
    kConfigGeneration = 0x0fc,
    kConfig = 0x100,
};

constexpr u32 kMagic = 0x74726976;  // "virt"
constexpr u32 kVendor = 0x616e6c55; // "Ulna"
constexpr u32 kPendingQueue = 1;
constexpr u32 kPendingConfig = 2;

constexpr char kName[] = "virtio-mmio";

void set_low(u64& value, u32 low) { value = (value & ~u64{0xffff'ffff}) | low; }
void set_high(u64& value, u32 high) { value = (value & 0xffff'ffff) | u64{high} << 32; }

} // namespace

MmioTransport::MmioTransport(VirtioDevice* device,
                             const PhysicalMemory& memory,
                             InterruptLine& line)
    : line_(line) {
    if (device != nullptr) {
        driver_.reset(new Handshake(*device, memory, *this)); // sees the base that is private
    }
}

void MmioTransport::reset() {
    offered_half_ = accepted_half_ = queue_ = 0;
    if (driver_ != nullptr) {
        driver_->reset();
    }
    set_pending(0);
}

void MmioTransport::visit_state(StateVisitor& visit) {
    u32 pending = visit.loading() ? 0 : pending_;
    visit(offered_half_, accepted_half_, queue_);
    visit.masked(pending, kPendingQueue | kPendingConfig, "InterruptStatus");
    driver_->visit_state(visit);
    if (visit.loading()) {
        set_pending(pending);
    }
}

void MmioTransport::set_pending(u32 bits) {
    pending_ = bits;
    line_.set(bits != 0);
}

void MmioTransport::queue_interrupt(unsigned /*queue*/) { set_pending(pending_ | kPendingQueue); }
void MmioTransport::config_interrupt() { set_pending(pending_ | kPendingConfig); }

u64 MmioTransport::read(u64 offset, unsigned bytes) {
    if (offset >= kConfig) {
        return read_config(offset - kConfig, bytes);
    }
    if (bytes != 4) { // section 4.2.2.2: registers are read and written as words
        log_bad_access(kName, Direction::Read, offset, bytes);
        return 0;
    }
    return read_register(offset);
}

void MmioTransport::write(u64 offset, unsigned bytes, u64 value) {
    if (offset >= kConfig) {
        if (driver_ != nullptr) {
            driver_->device().write_config(offset - kConfig, bytes, value);
        }
    } else if (bytes != 4) {
        log_bad_access(kName, Direction::Write, offset, bytes);
    } else if (driver_ != nullptr) {
        write_register(offset, static_cast<u32>(value));
    }
}

u64 MmioTransport::read_config(u64 offset, unsigned bytes) const {
    u64 value = 0;
    if (driver_ != nullptr) {
        const auto config = driver_->device().config();
        if (offset + bytes <= config.size()) {
            std::memcpy(&value, config.data() + offset, bytes);
        }
    }
    return value;
}

u64 MmioTransport::read_register(u64 offset) const {
    switch (offset) { // what an empty slot has
    case kMagicValue:
        return kMagic;
    case kVersion:
        return 2;
    case kDeviceID:
        return driver_ == nullptr ? 0 : driver_->device().id();
    case kVendorID:
        return kVendor;
    }
    if (driver_ == nullptr) {
        return 0;
    }
    switch (offset) {
    case kDeviceFeatures:
        return driver_->offered(offered_half_);
    case kQueueNumMax:
        return driver_->most_entries(queue_);
    case kQueueReady:
        return driver_->enabled(queue_) ? 1 : 0;
    case kInterruptStatus:
        return pending_;
    case kDeviceStatus:
        return driver_->status();
    case kSHMLenLow: // a region that is absent has length and base -1 (section 4.2.2)
    case kSHMLenHigh:
    case kSHMBaseLow:
    case kSHMBaseHigh:
        return 0xffff'ffff;
    case kConfigGeneration:
        return driver_->config_generation();
    }
    log_bad_access(kName, Direction::Read, offset, 4);
    return 0;
}

void MmioTransport::write_register(u64 offset, u32 value) {
    switch (offset) {
    case kDeviceFeaturesSel:
        offered_half_ = value;
        return;
    case kDriverFeatures:
        return driver_->accept(accepted_half_, value);
    case kDriverFeaturesSel:
        accepted_half_ = value;
        return;
    case kQueueSel:
        queue_ = value;
        return;
    case kQueueReady:
        return value != 0 ? driver_->enable(queue_) : driver_->disable(queue_);
    case kQueueNotify:
        return driver_->notify(value);
    case kInterruptACK:
        // What came up meanwhile is an edge again: device trees say that these interrupts are
        // edges.
        line_.set(false);
        return set_pending(pending_ & ~value);
    case kDeviceStatus:
        driver_->set_status(value);
        if (value == 0) {
            set_pending(0);
        }
        return;
    }
    write_queue_register(offset, value);
}

void MmioTransport::write_queue_register(u64 offset, u32 value) {
    Virtqueue::Setup* const setup = driver_->changeable_setup(queue_);
    if (setup == nullptr) {
        return log_bad_access(kName, Direction::Write, offset, 4);
    }
    switch (offset) {
    case kQueueNum:
        setup->entries = value;
        return;
    case kQueueDescLow:
        return set_low(setup->descriptors, value);
    case kQueueDescHigh:
        return set_high(setup->descriptors, value);
    case kQueueDriverLow:
        return set_low(setup->driver_area, value);
    case kQueueDriverHigh:
        return set_high(setup->driver_area, value);
    case kQueueDeviceLow:
        return set_low(setup->device_area, value);
    case kQueueDeviceHigh:
        return set_high(setup->device_area, value);
    }
    log_bad_access(kName, Direction::Write, offset, 4);
}

} // namespace ulna::devices::virtio
