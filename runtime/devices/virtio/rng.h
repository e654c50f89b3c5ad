// virtio-rng (virtio 1.2, section 5.4): random bytes of the host, or of a seed.
#pragma once

#include "runtime/devices/virtio/virtio_device.h"

namespace ulna::devices::virtio {

class Rng final : public VirtioDevice {
  public:
    // With a seed the bytes are the same in each run.
    explicit Rng(std::optional<u64> seed = std::nullopt);

    [[nodiscard]] u32 id() const override { return 4; }
    [[nodiscard]] u64 features() const override { return 0; }
    [[nodiscard]] std::span<const u8> config() const override { return {}; }
    void notified(unsigned queue) override;
    [[nodiscard]] std::string identity() const override { return state_ ? "of a seed" : ""; }
    void visit_state(StateVisitor& visit) override;

  private:
    [[nodiscard]] bool generate(u8* to, u64 bytes);

    std::optional<u64> state_; // of the seeded sequence, which a reset does not repeat
};

} // namespace ulna::devices::virtio
