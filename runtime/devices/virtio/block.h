// virtio-blk (virtio 1.2, section 5.2). A request is checked when the driver makes it available,
// and served by a worker thread, so that no vCPU waits for a file.
#pragma once

#include <array>
#include <mutex>
#include <string>

#include "runtime/devices/virtio/block_backend.h"
#include "runtime/devices/virtio/virtio_device.h"
#include "runtime/devices/virtio/worker.h"

namespace ulna::devices::virtio {

class Block final : public VirtioDevice {
  public:
    // Destroyed without the machine's lock. `serial` is cut to 20 bytes.
    Block(std::shared_ptr<BlockBackend> backend,
          std::string serial,
          std::mutex& machine_lock,
          Worker::Place place = Worker::Place::Thread);

    [[nodiscard]] u32 id() const override { return 2; }
    [[nodiscard]] u64 features() const override;
    [[nodiscard]] std::span<const u8> config() const override { return config_; }
    void write_config(u64 offset, unsigned bytes, u64 value) override;
    void notified(unsigned queue) override;
    void stop(unsigned queue) override;
    void reset() override;
    [[nodiscard]] std::string identity() const override { return backend_->identity(); }
    [[nodiscard]] std::string why_not_loaded() const override { return backend_->why_not_loaded(); }
    void drain() override { worker_.wait_until_idle(); }
    void visit_state(StateVisitor& visit) override;
    void add_images(StateImages& images, const std::string& name) override {
        backend_->add_image(images, name);
    }

  private:
    class Request;

    [[nodiscard]] bool writes_through() const;
    void fill_config();

    std::shared_ptr<BlockBackend> backend_;
    std::string serial_;
    std::array<u8, 60> config_{};
    Worker worker_; // last: it uses the others
};

} // namespace ulna::devices::virtio
