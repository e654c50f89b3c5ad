// A network on a descriptor that is read and written frame by frame: a datagram socket, an
// interface of the host's. A frame that it does not take at once is lost.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>

#include "runtime/devices/event_loop.h"
#include "runtime/devices/virtio/net_backend.h"
#include "runtime/file_descriptor.h"

namespace ulna::devices::virtio {

class PacketNet final : public NetBackend {
  public:
    struct Options {
        u64 header_bytes = 0;               // before each frame; zeroes
        std::optional<sockaddr_storage> to; // where a socket's go
        socklen_t to_bytes = 0;
        std::string unix_path; // of a socket of ours, to be removed in the end
    };
    // The descriptor does not block.
    PacketNet(EventLoop& loop, runtime::FileDescriptor fd, Options options);
    ~PacketNet() override;

    void connect(FrameReceiver* receiver) override { receiver_ = receiver; }
    void send(std::span<const u8> frame) override;

  private:
    void read_all();

    EventLoop& loop_;
    runtime::FileDescriptor fd_;
    const Options options_;
    FrameReceiver* receiver_ = nullptr;
};

} // namespace ulna::devices::virtio
