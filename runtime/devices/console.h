// The back end on the program's standard input and output. Ctrl-A begins a command to us; all other
// keys are the guest's, or the monitor's after Ctrl-A C.
#pragma once

#include <deque>
#include <functional>

#include "runtime/devices/character_backend.h"
#include "runtime/devices/output_queue.h"

namespace ulna::devices {

class Console : public CharacterBackend {
  public:
    // Puts the terminal into raw mode if `input` is one. The descriptors stay the caller's.
    Console(EventLoop& loop, int input, int output);
    ~Console() override;

    void write(std::span<const u8> bytes) override;
    [[nodiscard]] bool congested() const override;
    void room_grew() override;
    void flush() override;

    void on_quit(std::function<void()> call) { quit_ = std::move(call); } // Ctrl-A X
    // Where input goes after Ctrl-A C; null: nowhere, and the command only says so. The monitor
    // writes by write(), and hears of its turn by `entered`.
    void set_monitor(CharacterSink* monitor, std::function<void()> entered);

  private:
    void read_input(int fd);
    void deliver();
    void take(u8 byte);
    void command(u8 byte);
    void say(std::string_view text);
    [[nodiscard]] CharacterSink* target() const { return in_monitor_ ? monitor_ : sink_; }

    // Keys are read even when the guest takes none, or Ctrl-A X would not work just then; but a
    // file of any length may be standard input.
    static constexpr std::size_t kMostWaiting = 4096;

    EventLoop& loop_;
    int input_;
    OutputQueue output_;
    bool input_ended_ = false;
    bool raw_;
    std::deque<u8> waiting_; // for target()
    bool escaped_ = false;
    bool in_monitor_ = false;
    CharacterSink* monitor_ = nullptr;
    std::function<void()> monitor_entered_, quit_;
};

} // namespace ulna::devices
