// virtio-9p (the "9P transport" device): a folder of the host, mounted by its tag. Messages are
// served by a worker thread.
#pragma once

#include <mutex>

#include "runtime/devices/virtio/p9_server.h"
#include "runtime/devices/virtio/virtio_device.h"
#include "runtime/devices/virtio/worker.h"

namespace ulna::devices::virtio {

class P9Device final : public VirtioDevice {
  public:
    // Destroyed without the machine's lock. `tag` is what the guest mounts.
    P9Device(std::unique_ptr<SharedFolder> folder,
             std::string_view tag,
             std::mutex& machine_lock,
             Worker::Place place = Worker::Place::Thread);

    [[nodiscard]] u32 id() const override { return 9; }
    [[nodiscard]] u64 features() const override;
    [[nodiscard]] std::span<const u8> config() const override { return config_; }
    void notified(unsigned queue) override;
    void stop(unsigned queue) override;
    void reset() override;
    [[nodiscard]] std::string identity() const override;
    [[nodiscard]] std::string why_not_saved() const override;
    void drain() override { worker_.wait_until_idle(); }
    void forget_past() override { server_.reset(); }

  private:
    class Request;

    P9Server server_; // the worker's; ours when it rests
    std::vector<u8> config_;
    Worker worker_; // last: it uses the others
};

} // namespace ulna::devices::virtio
