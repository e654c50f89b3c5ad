// The two ends of a serial line: a device, and where its bytes go and come from.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "ir/support/types.h"
#include "runtime/file_descriptor.h"

namespace ulna::devices {

class EventLoop;

// Takes input bytes: a device, or a monitor. Called with the machine's lock held.
class CharacterSink {
  public:
    virtual ~CharacterSink() = default;
    [[nodiscard]] virtual std::size_t room() const = 0;  // how many bytes it takes now
    virtual void receive(std::span<const u8> bytes) = 0; // at most room()
    virtual void receive_break() {}
    virtual void receive_descriptor(runtime::FileDescriptor) {} // before the bytes that it is with
    virtual void opened() {}         // somebody has come to the other end
    virtual void closed() {}         // and has gone
    virtual void output_resumed() {} // CharacterBackend::congested() is false again
};

// Called with the machine's lock held. It calls its sink only from the event loop, or from within
// room_grew() and disconnect().
class CharacterBackend {
  public:
    virtual ~CharacterBackend() = default;
    // Takes all bytes, and never waits.
    virtual void write(std::span<const u8> bytes) = 0;
    // The other side does not keep up: a device should take nothing more from its guest.
    [[nodiscard]] virtual bool congested() const { return false; }
    virtual void room_grew() {} // of the sink: input that waits may come
    virtual void connect(CharacterSink* sink) { sink_ = sink; }
    // Sends away who is at the other end of a socket, for others to come.
    virtual void disconnect() {}
    // Writes what is left, before the program ends; gives up on a side that does not take it.
    virtual void flush() {}

  protected:
    // Gives the sink what it has room for, as `read` finds it (read(2)'s result). False: the other
    // side has ended.
    template <class Read> [[nodiscard]] bool take_input(Read read) {
        std::array<u8, 1024> bytes;
        const std::size_t most = std::min(bytes.size(), sink_ != nullptr ? sink_->room() : 0);
        if (most == 0) {
            return true;
        }
        const ssize_t count = read(std::span(bytes).first(most));
        if (count > 0) {
            sink_->receive(std::span(bytes).first(static_cast<std::size_t>(count)));
        }
        return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
    }

    CharacterSink* sink_ = nullptr;
};

// The back end that a user's words mean: "null" (or "none"), "stdio" (or "mon:stdio"), "file:PATH",
// "unix:PATH", "tcp:HOST:PORT" and "fd:NUMBER" (a socket that we have inherited), which take
// ",server=on" and ",wait=off", and "pty:FD:PATH" (pty_backend.h). Null, with a reason, when there
// is none. With the lock held.
[[nodiscard]] std::unique_ptr<CharacterBackend>
make_character_backend(std::string_view words, EventLoop& loop, std::string& why_not);
// Of "stdio" and "mon:stdio": a Console.
[[nodiscard]] bool is_console(std::string_view words);
// Of "unix:", "tcp:" and "fd:": people come and go.
[[nodiscard]] bool is_socket(std::string_view words);

} // namespace ulna::devices
