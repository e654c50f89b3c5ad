// virtio-net (virtio 1.2, section 5.1): one pair of queues, no offloads.
#pragma once

#include <array>
#include <deque>
#include <memory>

#include "runtime/devices/virtio/net_backend.h"
#include "runtime/devices/virtio/virtio_device.h"

namespace ulna::devices::virtio {

using MacAddress = std::array<u8, 6>;

class Net final : public VirtioDevice, private FrameReceiver {
  public:
    Net(std::unique_ptr<NetBackend> backend, const MacAddress& mac);
    ~Net() override;

    [[nodiscard]] u32 id() const override { return 1; }
    [[nodiscard]] u64 features() const override;
    [[nodiscard]] std::span<const u8> config() const override { return config_; }
    void notified(unsigned queue) override;
    void stop(unsigned queue) override;
    [[nodiscard]] std::string identity() const override;
    void visit_state(StateVisitor& visit) override;
    void forget_past() override;

    void set_link(bool up); // plugs the cable in or out

  private:
    void receive(std::span<const u8> frame) override;
    [[nodiscard]] bool link_is_up() const;
    void transmit_all();
    void deliver_waiting();
    [[nodiscard]] bool deliver(std::span<const u8> frame);

    std::unique_ptr<NetBackend> backend_;
    std::array<u8, 8> config_{};
    // What the driver has had no buffers for. Drivers that are slow for a moment lose nothing.
    std::deque<std::vector<u8>> waiting_;
    std::vector<u8> sending_;
};

} // namespace ulna::devices::virtio
