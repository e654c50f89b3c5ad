#include "runtime/devices/virtio/p9_device.h"

namespace ulna::devices::virtio {
namespace {

constexpr u64 kFeatureMountTag = 1u << 0;
constexpr size_t kMostTagBytes = 255;

} // namespace

class P9Device::Request final : public Worker::Job {
  public:
    Request(P9Device& device, Chain chain) : device_(device), chain_(std::move(chain)) {}

    [[nodiscard]] bool has_room() const {
        return total_bytes(chain_.writable()) >= P9Server::kLeastAnswerBytes &&
               total_bytes(chain_.readable()) <= P9Server::kMostMessageBytes;
    }

    void work() override {
        std::vector<u8> message(total_bytes(chain_.readable()));
        gather(chain_.readable(), 0, message.data(), message.size());
        const auto answer = device_.server_.answer(message, total_bytes(chain_.writable()));
        written_ = scatter(chain_.writable(), 0, answer.data(), answer.size());
    }

    void finish() override { device_.complete(0, chain_, written_); }

  private:
    P9Device& device_;
    Chain chain_;
    u64 written_ = 0;
};

P9Device::P9Device(std::unique_ptr<SharedFolder> folder,
                   std::string_view tag,
                   std::mutex& machine_lock,
                   Worker::Place place)
    : VirtioDevice({128}), server_(std::move(folder)), worker_(machine_lock, place) {
    tag = tag.substr(0, kMostTagBytes);
    config_ = {static_cast<u8>(tag.size()), 0}; // tag_len, then the tag without a zero
    config_.insert(config_.end(), tag.begin(), tag.end());
}

u64 P9Device::features() const { return kFeatureMountTag; }

void P9Device::notified(unsigned queue) {
    while (auto chain = next(queue)) {
        auto request = std::make_unique<Request>(*this, std::move(*chain));
        if (!request->has_room()) {
            return refuse(queue, "9P message without room for its answer, or too long");
        }
        worker_.add(std::move(request));
    }
}

std::string P9Device::identity() const {
    return {config_.begin() + 2, config_.end()}; // the tag
}

// Its files are the host's, which may be other ones when they are opened again.
std::string P9Device::why_not_saved() const {
    return server_.is_in_use() ? "the guest has the shared folder '" + identity() +
                                     "' mounted, which is the host's: unmount it first"
                               : "";
}

void P9Device::stop(unsigned /*queue*/) { worker_.drop_all(); }

void P9Device::reset() {
    worker_.drop_all();
    server_.reset();
}

} // namespace ulna::devices::virtio
