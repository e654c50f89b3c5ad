#include "runtime/devices/virtio/console_device.h"

#include <cstring>

namespace ulna::devices::virtio {
namespace {

// Section 5.3.3.
constexpr u64 kFeatureSize = 1u << 0;
constexpr u64 kFeatureEmergencyWrite = 1u << 2;
// Section 5.3.4.
constexpr u64 kColumns = 0;
constexpr u64 kRows = 2;
constexpr u64 kEmergencyWrite = 8;

constexpr unsigned kReceiveQueue = 0;
constexpr unsigned kTransmitQueue = 1;

} // namespace

ConsoleDevice::ConsoleDevice(std::unique_ptr<CharacterBackend> backend)
    : VirtioDevice({128, 128}), backend_(std::move(backend)) {
    backend_->connect(this);
}

ConsoleDevice::~ConsoleDevice() { backend_->connect(nullptr); }

// A size of zero is one that is not known, which drivers take well.
u64 ConsoleDevice::features() const { return kFeatureSize | kFeatureEmergencyWrite; }

void ConsoleDevice::set_terminal_size(u16 columns, u16 rows) {
    std::memcpy(&config_[kColumns], &columns, sizeof columns);
    std::memcpy(&config_[kRows], &rows, sizeof rows);
    driver().config_changed();
}

// Works at any time, without queues: for a kernel's first and last words.
void ConsoleDevice::write_config(u64 offset, unsigned /*bytes*/, u64 value) {
    if (offset == kEmergencyWrite) {
        const u8 byte = static_cast<u8>(value);
        backend_->write({&byte, 1});
    }
}

void ConsoleDevice::notified(unsigned queue) {
    if (queue == kTransmitQueue) {
        return transmit();
    }
    if (!input_) {
        prepare_input();
        backend_->room_grew();
    }
}

void ConsoleDevice::stop(unsigned queue) {
    (queue == kReceiveQueue ? input_ : output_).reset();
    output_done_ = queue == kTransmitQueue ? 0 : output_done_;
}

// Requests that it has taken are put back, and taken again when it is notified. Of the one to be
// sent a part may have been.
void ConsoleDevice::visit_state(StateVisitor& visit) {
    if (!visit.loading()) {
        put_back(kReceiveQueue, input_ ? 1 : 0);
        put_back(kTransmitQueue, output_ ? 1 : 0);
        output_done_ = output_ ? output_done_ : 0;
    }
    input_.reset();
    output_.reset();
    visit(output_done_);
    for (const u64 at : {kColumns, kColumns + 1, kRows, kRows + 1}) {
        visit(config_[at]);
    }
}

// By parts, because a request may be larger than what the other side takes in a long time.
void ConsoleDevice::transmit() {
    while (!backend_->congested()) {
        if (!output_) {
            output_ = next(kTransmitQueue);
            if (!output_) {
                break;
            }
        }
        std::array<u8, 4096> part;
        const u64 bytes = gather(output_->readable(), output_done_, part.data(), part.size());
        output_done_ += bytes;
        backend_->write({part.data(), bytes});
        if (bytes < part.size()) {
            give(kTransmitQueue, *output_, 0);
            output_.reset();
            output_done_ = 0;
        }
    }
    publish(kTransmitQueue);
}

void ConsoleDevice::output_resumed() { transmit(); }

std::size_t ConsoleDevice::room() const { return input_ ? total_bytes(input_->writable()) : 0; }

void ConsoleDevice::receive(std::span<const u8> bytes) {
    if (!input_ || bytes.empty()) {
        return;
    }
    const Chain request = std::move(*input_);
    complete(kReceiveQueue, request, scatter(request.writable(), 0, bytes.data(), bytes.size()));
    input_.reset();
    prepare_input();
}

// Requests without room would look like a driver that takes nothing for now.
void ConsoleDevice::prepare_input() {
    while (!input_ && (input_ = next(kReceiveQueue)) && room() == 0) {
        complete(kReceiveQueue, *input_, 0);
        input_.reset();
    }
}

} // namespace ulna::devices::virtio
