// A serial line over a stream socket: unix:PATH or tcp:HOST:PORT, as a client, or with ",server=on"
// as a server of one connection after the other.
#pragma once

#include <optional>

#include "runtime/devices/character_backend.h"
#include "runtime/devices/output_queue.h"

namespace ulna::devices {

class SocketBackend : public CharacterBackend {
  public:
    // `words` as make_character_backend() has them. A client connects here; a server without
    // ",wait=off" waits for its first client. Null, with a reason, when that fails.
    [[nodiscard]] static std::unique_ptr<SocketBackend>
    create(std::string_view words, EventLoop& loop, std::string& why_not);
    ~SocketBackend() override;

    // What is written while nobody is connected is lost.
    void write(std::span<const u8> bytes) override;
    [[nodiscard]] bool congested() const override { return output_ && output_->congested(); }
    void room_grew() override { update_interest(); }
    void connect(CharacterSink* sink) override;
    void disconnect() override;
    void flush() override;

  private:
    SocketBackend(EventLoop& loop, int listening, std::string unix_path);

    void attach(int connection);
    void detach();
    void accept_one();
    void read_input();
    void update_interest();

    EventLoop& loop_;
    int listening_;         // -1: a client
    std::string unix_path_; // of a server, to be removed in the end
    int connection_ = -1;
    std::optional<OutputQueue> output_;
};

} // namespace ulna::devices
