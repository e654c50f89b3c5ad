// virtio-scsi (virtio 1.2, section 5.6): a bus of SCSI disks and CD drives behind one request
// queue. A request is checked when the driver makes it available; a worker thread carries all of
// them out in their order, so what was asked for before a reset of a unit is done when that is.
#pragma once

#include <array>
#include <functional>
#include <mutex>

#include "runtime/devices/scsi/bus.h"
#include "runtime/devices/virtio/virtio_device.h"
#include "runtime/devices/virtio/worker.h"

namespace ulna::devices::virtio {

class Scsi final : public VirtioDevice {
  public:
    // Destroyed without the machine's lock.
    Scsi(std::unique_ptr<scsi::Bus> bus,
         std::mutex& machine_lock,
         Worker::Place place = Worker::Place::Thread,
         bool is_hot_plug = true);

    [[nodiscard]] u32 id() const override { return 8; }
    [[nodiscard]] u64 features() const override;
    [[nodiscard]] std::span<const u8> config() const override { return config_; }
    void write_config(u64 offset, unsigned bytes, u64 value) override;
    void notified(unsigned queue) override;
    void stop(unsigned /*queue*/) override { worker_.drop_all(); }
    void reset() override;
    [[nodiscard]] std::string identity() const override;
    [[nodiscard]] std::string why_not_loaded() const override;
    void drain() override { worker_.wait_until_idle(); }
    void visit_state(StateVisitor& visit) override;
    void add_images(StateImages& images, const std::string& name) override;

    // Calls it with a unit that is there, when it carries out no command. From any thread.
    void call(scsi::Address at, const std::function<void(scsi::LogicalUnit&)>& what);

    // Units that come and go while the machine runs, which the driver is told of. With the
    // machine's lock held.
    void add(scsi::Address at, std::unique_ptr<scsi::LogicalUnit> unit);
    [[nodiscard]] std::unique_ptr<scsi::LogicalUnit> remove(scsi::Address at);

  private:
    class Request;
    class Task;

    template <class Job> void take_all(unsigned queue);
    void tell(u32 event, scsi::Address at, u32 reason);
    void fill_config();
    void set(u64 offset, auto value);
    [[nodiscard]] u32 size_at(u64 offset) const;

    // Of the units' state, which commands change in the worker's thread, and others in theirs.
    // Nobody waits for another lock with it held.
    mutable std::mutex units_lock_;
    std::unique_ptr<scsi::Bus> bus_;
    std::array<u8, 36> config_{};
    const bool is_hot_plug_;
    bool has_missed_events_ = false; // the driver, which had no buffer for one
    Worker worker_;                  // last: it uses the others
};

} // namespace ulna::devices::virtio
