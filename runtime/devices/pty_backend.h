// A serial line on a pseudo terminal of the host: people come and go with a terminal program.
#pragma once

#include "runtime/devices/character_backend.h"
#include "runtime/devices/output_queue.h"
#include "runtime/file_descriptor.h"

namespace ulna::devices {

class PtyBackend final : public CharacterBackend {
  public:
    // Opens one: "pty:FD:PATH", with its master's descriptor and its name; empty, with a reason.
    [[nodiscard]] static std::string open(std::string& why_not);
    // `words` as open() has them.
    PtyBackend(std::string_view words, EventLoop& loop);
    ~PtyBackend() override;

    // What is written while nobody is there is lost.
    void write(std::span<const u8> bytes) override;
    [[nodiscard]] bool congested() const override { return is_there_ && output_.congested(); }
    void room_grew() override { update_interest(); }
    void connect(CharacterSink* sink) override;
    void flush() override;

  private:
    // Nothing but a look from time to time says that somebody has come.
    static constexpr u64 kLookNs = 500'000'000;

    void look();
    void read_input();
    void leave();
    void update_interest();

    EventLoop& loop_;
    runtime::FileDescriptor master_;
    OutputQueue output_;
    EventLoop::Timer looks_;
    bool is_there_ = false;
};

} // namespace ulna::devices
