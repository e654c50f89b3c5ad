#include "runtime/devices/virtio/net.h"

#include <algorithm>
#include <bit>

namespace ulna::devices::virtio {
namespace {

// Section 5.1.3.
constexpr u64 kFeatureMac = 1u << 5;
constexpr u64 kFeatureMergeRxBuffers = 1u << 15;
constexpr u64 kFeatureStatus = 1u << 16;
// Section 5.1.4: mac, then status.
constexpr u64 kStatusField = 6;
constexpr u8 kLinkUp = 1;

constexpr unsigned kReceiveQueue = 0;
constexpr unsigned kTransmitQueue = 1;
constexpr u32 kQueueEntries = 256;

// Section 5.1.6. All zero but the last field, as there are no offloads.
struct Header {
    u8 flags = 0;
    u8 gso_type = 0;
    u16 hdr_len = 0;
    u16 gso_size = 0;
    u16 csum_start = 0;
    u16 csum_offset = 0;
    u16 num_buffers = 0;
};
static_assert(sizeof(Header) == 12);

constexpr u64 kMostFrameBytes = 65536 + 18;
constexpr size_t kMostWaiting = 1024;

} // namespace

Net::Net(std::unique_ptr<NetBackend> backend, const MacAddress& mac)
    : VirtioDevice({kQueueEntries, kQueueEntries}), backend_(std::move(backend)) {
    std::copy(mac.begin(), mac.end(), config_.begin());
    config_[kStatusField] = kLinkUp;
    backend_->connect(this);
}

Net::~Net() { backend_->connect(nullptr); }

u64 Net::features() const { return kFeatureMac | kFeatureMergeRxBuffers | kFeatureStatus; }

bool Net::link_is_up() const { return (config_[kStatusField] & kLinkUp) != 0; }

void Net::set_link(bool up) {
    if (up != link_is_up()) {
        config_[kStatusField] = up ? kLinkUp : 0;
        driver().config_changed();
    }
}

void Net::notified(unsigned queue) { queue == kTransmitQueue ? transmit_all() : deliver_waiting(); }

void Net::stop(unsigned queue) {
    if (queue == kReceiveQueue) {
        waiting_.clear();
    }
}

std::string Net::identity() const {
    std::string text;
    for (unsigned n = 0; n < std::tuple_size_v<MacAddress>; ++n) {
        constexpr char kDigits[] = "0123456789abcdef";
        text += n == 0 ? "" : ":";
        text += {kDigits[config_[n] >> 4], kDigits[config_[n] & 15]};
    }
    return text;
}

void Net::visit_state(StateVisitor& visit) { visit.bounded(config_[kStatusField], kLinkUp); }

// Frames that waited are lost, as on other networks.
void Net::forget_past() {
    waiting_.clear();
    backend_->forget_past();
}

void Net::transmit_all() {
    while (const auto request = next(kTransmitQueue)) {
        const Scatter from = request->readable();
        const u64 bytes = total_bytes(from);
        if (bytes > sizeof(Header) && bytes <= sizeof(Header) + kMostFrameBytes && link_is_up()) {
            sending_.resize(bytes - sizeof(Header));
            gather(from, sizeof(Header), sending_.data(), sending_.size());
            backend_->send(sending_);
        }
        give(kTransmitQueue, *request, 0);
    }
    publish(kTransmitQueue);
}

void Net::receive(std::span<const u8> frame) {
    if (!queue(kReceiveQueue).enabled() || !link_is_up() || frame.size() > kMostFrameBytes) {
        return;
    }
    if ((!waiting_.empty() || !deliver(frame)) && waiting_.size() < kMostWaiting) {
        waiting_.emplace_back(frame.begin(), frame.end());
    }
}

void Net::deliver_waiting() {
    while (!waiting_.empty() && deliver(waiting_.front())) {
        waiting_.pop_front();
    }
}

// False when the driver has too few buffers. With merging, a frame takes as many requests as it
// needs, which become visible all at once (section 5.1.6.4).
bool Net::deliver(std::span<const u8> frame) {
    const u64 bytes = sizeof(Header) + frame.size();
    std::vector<Chain> requests;
    u64 room = 0;
    while (room < bytes && (requests.empty() || has(kFeatureMergeRxBuffers))) {
        auto request = next(kReceiveQueue);
        if (!request) {
            put_back(kReceiveQueue, static_cast<u16>(requests.size()));
            return false;
        }
        room += total_bytes(request->writable());
        requests.push_back(std::move(*request));
    }
    if (room < bytes) { // never fits: the frame is lost, the buffer is not
        put_back(kReceiveQueue, 1);
        return true;
    }
    const Header header{.num_buffers = static_cast<u16>(requests.size())};
    const auto header_bytes = std::bit_cast<std::array<u8, sizeof(Header)>>(header);
    std::vector<u8> contents(header_bytes.begin(), header_bytes.end());
    contents.insert(contents.end(), frame.begin(), frame.end());
    u64 done = 0;
    for (const Chain& request : requests) {
        const u64 part = scatter(request.writable(), 0, contents.data() + done, bytes - done);
        give(kReceiveQueue, request, part);
        done += part;
    }
    publish(kReceiveQueue);
    return true;
}

} // namespace ulna::devices::virtio
