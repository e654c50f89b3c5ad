// The monitor on a terminal: keys become lines, which a thread of its own executes, as commands
// wait for CPUs and the event loop does not.
#pragma once

#include "runtime/devices/character_backend.h"
#include "runtime/devices/virtio/worker.h"
#include "runtime/system/monitor.h"

namespace ulna::system {

class MonitorConsole final : public devices::CharacterSink {
  public:
    // `to` outlives this, which is destroyed without the machine's lock.
    MonitorConsole(Machine& machine, Monitor& monitor, devices::CharacterBackend& to);

    void prompt(); // with the lock held

    [[nodiscard]] std::size_t room() const override { return 256; }
    void receive(std::span<const u8> bytes) override;
    void opened() override { prompt(); }

  private:
    static constexpr std::size_t kMostBytes = 1024; // of a line
    class Line;

    void take(u8 byte);
    void write(std::string_view text);

    Monitor& monitor_;
    devices::CharacterBackend& to_;
    std::string line_;               // so far
    devices::virtio::Worker worker_; // last: it uses the others
};

} // namespace ulna::system
