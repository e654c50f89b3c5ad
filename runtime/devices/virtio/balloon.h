// virtio-balloon (virtio 1.2, section 5.5): the guest gives up RAM, which goes back to the host
// until the guest touches it again.
#pragma once

#include <array>
#include <functional>
#include <memory>

#include "runtime/devices/event_loop.h"
#include "runtime/devices/virtio/virtio_device.h"

namespace ulna::devices::virtio {

struct BalloonOptions {
    bool deflates_without_memory = false; // the guest takes RAM back by itself rather than fail
    bool reports_free_pages = false;      // it tells of RAM that it does not use
};

class Balloon final : public VirtioDevice {
  public:
    // `changed` hears how much RAM the guest has left, at most once a second and the last time.
    Balloon(EventLoop& loop,
            PhysicalMemory& memory,
            u64 ram_bytes,
            BalloonOptions options,
            std::function<void(u64 ram_left)> changed);

    [[nodiscard]] u32 id() const override { return 5; }
    [[nodiscard]] u64 features() const override;
    [[nodiscard]] std::span<const u8> config() const override { return config_; }
    void write_config(u64 offset, unsigned bytes, u64 value) override;
    void notified(unsigned queue) override;
    void reset() override;
    void visit_state(StateVisitor& visit) override;

    // How much RAM the guest is to have: all of it, or less.
    void set_target(u64 ram_bytes);
    [[nodiscard]] u64 ram_left() const;

  private:
    static constexpr u64 kPageBytes = 4096;

    void discard_listed(const Chain& request);
    void tell();
    [[nodiscard]] u32 field(u64 offset) const;
    void set_field(u64 offset, u32 value);

    PhysicalMemory& memory_;
    const u64 ram_bytes_;
    const BalloonOptions options_;
    const std::function<void(u64)> changed_;
    std::array<u8, 8> config_{};
    bool is_untold_ = false;
    std::unique_ptr<EventLoop::Timer> quiet_; // set: somebody was told a short time ago
};

} // namespace ulna::devices::virtio
