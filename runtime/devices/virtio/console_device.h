// virtio-console with one port (virtio 1.2, section 5.3).
#pragma once

#include <array>
#include <memory>

#include "runtime/devices/character_backend.h"
#include "runtime/devices/virtio/virtio_device.h"

namespace ulna::devices::virtio {

class ConsoleDevice final : public VirtioDevice, private CharacterSink {
  public:
    explicit ConsoleDevice(std::unique_ptr<CharacterBackend> backend);
    ~ConsoleDevice() override;

    [[nodiscard]] u32 id() const override { return 3; }
    [[nodiscard]] u64 features() const override;
    [[nodiscard]] std::span<const u8> config() const override { return config_; }
    void write_config(u64 offset, unsigned bytes, u64 value) override;
    void notified(unsigned queue) override;
    void stop(unsigned queue) override;
    void visit_state(StateVisitor& visit) override;

    // The terminal's size; it is not known at first.
    void set_terminal_size(u16 columns, u16 rows);

  private:
    [[nodiscard]] std::size_t room() const override;
    void receive(std::span<const u8> bytes) override;
    void output_resumed() override;
    void transmit();
    void prepare_input();

    std::unique_ptr<CharacterBackend> backend_;
    std::array<u8, 12> config_{};
    std::optional<Chain> input_; // where the next input goes
    std::optional<Chain> output_;
    u64 output_done_ = 0; // bytes of output_
};

} // namespace ulna::devices::virtio
