#include "runtime/devices/virtio/virtio_device.h"

namespace ulna::devices::virtio {

VirtioDevice::VirtioDevice(const std::vector<u32>& queue_entries) {
    for (const u32 entries : queue_entries) {
        queues_.push_back({entries, {}});
    }
}

std::optional<Chain> VirtioDevice::next(unsigned queue) {
    if (driver_ == nullptr || !driver_->live()) {
        return std::nullopt;
    }
    Virtqueue& ring = queues_[queue].ring;
    const bool was_broken = ring.broken();
    auto chain = ring.pop();
    if (ring.broken() && !was_broken) {
        driver_->ask_for_reset(ring.why_broken().c_str());
    }
    return chain;
}

void VirtioDevice::give(unsigned queue, const Chain& chain, u64 written) {
    queues_[queue].ring.push(chain, written);
}

void VirtioDevice::publish(unsigned queue) {
    if (queues_[queue].ring.publish()) {
        driver_->buffers_used(queue);
    }
}

void VirtioDevice::complete(unsigned queue, const Chain& chain, u64 written) {
    give(queue, chain, written);
    publish(queue);
}

void VirtioDevice::refuse(unsigned queue, const char* why) {
    queues_[queue].ring.break_off(why);
    driver_->ask_for_reset(why);
}

} // namespace ulna::devices::virtio
