// The monitor on a terminal: keys become lines, which a thread of its own executes, as commands
// wait for CPUs and the event loop does not.
#pragma once

#include <condition_variable>
#include <deque>
#include <thread>

#include "runtime/devices/character_backend.h"
#include "runtime/system/monitor.h"

namespace ulna::system {

class MonitorConsole final : public devices::CharacterSink {
  public:
    // `to` outlives this.
    MonitorConsole(Machine& machine, Monitor& monitor, devices::CharacterBackend& to);
    ~MonitorConsole() override; // without the lock

    void prompt(); // with the lock held

    [[nodiscard]] std::size_t room() const override { return 256; }
    void receive(std::span<const u8> bytes) override;
    void opened() override { prompt(); }

  private:
    static constexpr std::size_t kMostBytes = 1024; // of a line
    void take(u8 byte);
    void write(std::string_view text);
    void run();

    Machine& machine_;
    Monitor& monitor_;
    devices::CharacterBackend& to_;
    std::string line_; // so far
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::string> lines_; // to be executed
    bool quit_ = false;
    std::thread thread_;
};

} // namespace ulna::system
