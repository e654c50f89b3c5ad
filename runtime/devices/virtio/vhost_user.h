// A device whose queues another process serves (vhost-user): it has the machine's RAM mapped, takes
// notifications from one eventfd per queue and interrupts by another. What is left here is what a
// transport needs: type, features, configuration, and the setting up of queues.
#pragma once

#include <memory>

#include "runtime/devices/event_loop.h"
#include "runtime/devices/virtio/vhost_user_link.h"
#include "runtime/devices/virtio/virtio_device.h"

namespace ulna::devices::virtio {

class VhostUser final : public VirtioDevice {
  public:
    // Null with a reason, one line. Loop and memory outlive the device, which is opened and
    // destroyed with the machine's lock held, or while nothing runs.
    [[nodiscard]] static std::unique_ptr<VhostUser> open_block(EventLoop& loop,
                                                               const PhysicalMemory& memory,
                                                               const std::string& path,
                                                               std::string& why_not);
    // A file system (virtiofs), mounted by its tag.
    [[nodiscard]] static std::unique_ptr<VhostUser> open_file_system(EventLoop& loop,
                                                                     const PhysicalMemory& memory,
                                                                     const std::string& path,
                                                                     const std::string& tag,
                                                                     std::string& why_not);
    ~VhostUser() override;

    [[nodiscard]] u32 id() const override { return id_; }
    [[nodiscard]] u64 features() const override;
    [[nodiscard]] u64 ring_features() const override { return offered_ & kRingFeatures; }
    [[nodiscard]] std::span<const u8> config() const override { return config_; }
    void write_config(u64 offset, unsigned bytes, u64 value) override;
    void notified(unsigned queue) override;
    void stop(unsigned queue) override;
    void reset() override { has_session_ = false; }
    [[nodiscard]] std::string why_not_loaded() const override {
        return "the state of a vhost-user device is in another process";
    }

  private:
    struct Ring {
        runtime::FileDescriptor kick, call; // eventfds: to the back end, and from it
        bool runs = false;
    };

    VhostUser(EventLoop& loop, const PhysicalMemory& memory, u32 id, unsigned queues);
    [[nodiscard]] bool connect(const std::string& path, std::string& why_not);
    [[nodiscard]] bool read_config(u32 bytes, std::string& why_not);
    [[nodiscard]] bool start_session();
    [[nodiscard]] bool start_ring(unsigned queue);
    void on_link();
    void on_call(unsigned queue);
    void fail();

    EventLoop& loop_;
    const PhysicalMemory& memory_;
    u32 id_;
    VhostUserLink link_;
    int watched_link_ = -1;
    std::vector<Ring> rings_;
    std::vector<u8> config_;
    u64 offered_ = 0;           // by the back end
    u64 protocol_features_ = 0; // agreed on
    bool has_session_ = false;  // it knows features and memory
};

} // namespace ulna::devices::virtio
