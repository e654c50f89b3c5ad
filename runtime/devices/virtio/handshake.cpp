#include "runtime/devices/virtio/handshake.h"

#include "runtime/debug/log.h"

namespace ulna::devices::virtio {
namespace {

void log_guest_error(u32 device_id, const char* what) {
    if (runtime::debug::log_enabled(runtime::debug::Item::GuestErrors)) {
        runtime::debug::log_printf("virtio device of type %u: %s\n", device_id, what);
    }
}

} // namespace

Handshake::Handshake(VirtioDevice& device, const PhysicalMemory& memory, InterruptSink& interrupts)
    : device_(device), memory_(memory), interrupts_(interrupts), setups_(device.queue_count()) {
    device.attach(*this);
    for (u32 queue = 0; queue < setups_.size(); ++queue) {
        setups_[queue] = initial_setup(queue);
    }
}

// A driver that says nothing of a queue's size has the largest (over PCI, section 4.1.5.1.3).
Virtqueue::Setup Handshake::initial_setup(u32 queue) const {
    return {.entries = device_.most_entries(queue)};
}

u64 Handshake::all_offered() const {
    return device_.features() | device_.ring_features() | kFeatureVersion1;
}

u32 Handshake::offered(u32 half) const {
    return half < 2 ? static_cast<u32>(all_offered() >> (32 * half)) : 0;
}

u32 Handshake::accepted(u32 half) const {
    return half < 2 ? static_cast<u32>(accepted_ >> (32 * half)) : 0;
}

void Handshake::accept(u32 half, u32 features) {
    if (half > 1 || (status_ & kFeaturesOk) != 0) {
        return log_guest_error(device_.id(), "features cannot be changed now");
    }
    const unsigned shift = 32 * half;
    accepted_ = (accepted_ & ~(u64{0xffff'ffff} << shift)) | (u64{features} << shift);
}

bool Handshake::features_are_right() const {
    return (accepted_ & ~all_offered()) == 0 && (accepted_ & kFeatureVersion1) != 0;
}

bool Handshake::live() const {
    return (status_ & (kDriverOk | kFeaturesOk | kNeedsReset)) == (kDriverOk | kFeaturesOk);
}

void Handshake::set_status(u32 value) {
    if (value == 0) {
        return reset();
    }
    // The driver only adds bits (section 2.1.1). What it may not have is not set, which it sees
    // when it reads the status (section 3.1.1).
    u32 added = value & ~status_ & (kAcknowledge | kDriver | kDriverOk | kFeaturesOk | kFailed);
    if ((added & kFeaturesOk) != 0 && !features_are_right()) {
        log_guest_error(device_.id(), "features that were not offered, or not VIRTIO_F_VERSION_1");
        added &= ~kFeaturesOk;
    }
    status_ |= added;
    if ((added & kFeaturesOk) != 0) {
        device_.set_negotiated(accepted_);
    }
    if ((added & kDriverOk) != 0) {
        start();
    }
}

// Requests that were made available before the driver was done have had their notification lost.
void Handshake::start() {
    for (u32 queue = 0; queue < setups_.size(); ++queue) {
        notify(queue);
    }
}

void Handshake::reset() {
    for (u32 queue = 0; queue < setups_.size(); ++queue) {
        disable(queue);
        setups_[queue] = initial_setup(queue);
    }
    status_ = 0;
    accepted_ = 0;
    device_.set_negotiated(0);
    device_.reset();
}

void Handshake::visit_state(StateVisitor& visit) {
    constexpr u32 kStatus =
        kAcknowledge | kDriver | kDriverOk | kFeaturesOk | kNeedsReset | kFailed;
    u32 status = visit.loading() ? 0 : status_;
    visit.masked(status, kStatus, "a status");
    visit(accepted_, config_generation_);
    if (visit.loading() && !visit.failed()) {
        status_ = status;
        const bool negotiated = (status_ & kFeaturesOk) != 0;
        if (negotiated && !features_are_right()) {
            visit.fail("features that the device does not have");
        } else {
            device_.set_negotiated(negotiated ? accepted_ : 0);
        }
    }
    device_.visit_state(visit);
    for (u32 queue = 0; queue < setups_.size(); ++queue) {
        const u32 most = device_.most_entries(queue);
        Virtqueue::visit_setup(visit, setups_[queue], ~u32{0}); // checked when it is enabled
        device_.queue(queue).visit_state(visit, memory_, most);
    }
}

void Handshake::go_on() {
    if (live()) {
        start();
    }
}

u32 Handshake::most_entries(u32 queue) const {
    return queue < setups_.size() ? device_.most_entries(queue) : 0;
}

Virtqueue::Setup* Handshake::changeable_setup(u32 queue) {
    return queue < setups_.size() && !enabled(queue) ? &setups_[queue] : nullptr;
}

Virtqueue::Setup Handshake::setup(u32 queue) const {
    return queue < setups_.size() ? setups_[queue] : Virtqueue::Setup{};
}

bool Handshake::enabled(u32 queue) const {
    return queue < setups_.size() && device_.queue(queue).enabled();
}

void Handshake::disable(u32 queue) {
    if (enabled(queue)) {
        device_.stop(queue);
    }
    if (queue < setups_.size()) {
        device_.queue(queue).disable();
    }
}

void Handshake::enable(u32 queue) {
    if (queue >= setups_.size() || enabled(queue)) {
        return;
    }
    Virtqueue& ring = device_.queue(queue);
    if ((status_ & kFeaturesOk) == 0) {
        return log_guest_error(device_.id(), "queue enabled before the features are known");
    }
    const Virtqueue::Options options{(accepted_ & kFeatureIndirectDesc) != 0,
                                     (accepted_ & kFeatureEventIdx) != 0};
    if (setups_[queue].entries > most_entries(queue)) {
        ring.break_off("queue size is above the maximum");
    } else {
        ring.enable(memory_, setups_[queue], options);
    }
    if (ring.broken()) {
        ask_for_reset(ring.why_broken().c_str());
    }
}

void Handshake::notify(u32 queue) {
    if (live() && enabled(queue)) {
        device_.notified(queue);
    }
}

void Handshake::buffers_used(unsigned queue) {
    if (live()) {
        interrupts_.queue_interrupt(queue);
    }
}

void Handshake::config_changed() {
    ++config_generation_;
    if ((status_ & kDriverOk) != 0) {
        interrupts_.config_interrupt();
    }
}

void Handshake::ask_for_reset(const char* why) {
    log_guest_error(device_.id(), why);
    if ((status_ & kNeedsReset) == 0) {
        status_ |= kNeedsReset;
        config_changed();
    }
}

} // namespace ulna::devices::virtio
