// The networks that a device can be on, as users ask for them.
#pragma once

#include <string>
#include <variant>

#include "runtime/devices/virtio/user_net.h"

namespace ulna::devices::virtio {

// Where a socket is: a path, or a host (empty: all addresses of this one) and a port.
struct SocketPlace {
    std::string unix_path, host, port;
    [[nodiscard]] bool is_unix() const { return !unix_path.empty(); }
    [[nodiscard]] bool is_given() const { return is_unix() || !port.empty(); }
};

// Frames behind their lengths on a stream, as QEMU sends them.
struct StreamNetOptions {
    SocketPlace place;
    bool server = false;  // of one connection after the other
    u64 reconnect_ms = 0; // a client by a path that is refused or left tries again; 0: it does not
    int fd = -1;          // instead: a connection that whoever started us has made
};

// Each frame a datagram. A remote host may be a multicast group, of which it becomes a member.
struct DatagramNetOptions {
    SocketPlace local, remote;
};

// An interface of the host's.
struct TapNetOptions {
    std::string name; // empty: the kernel chooses
    int fd = -1;      // instead: one that whoever started us has opened
};

using NetOptions =
    std::variant<UserNetOptions, StreamNetOptions, DatagramNetOptions, TapNetOptions>;

// All with the machine's lock held, or before anything runs. Null with a reason, one line. The
// network must go before the loop.
[[nodiscard]] std::unique_ptr<NetBackend>
open_net(EventLoop& loop, const NetOptions& options, std::string& why_not);
[[nodiscard]] std::unique_ptr<NetBackend>
open_stream_net(EventLoop& loop, const StreamNetOptions& options, std::string& why_not);
[[nodiscard]] std::unique_ptr<NetBackend>
open_datagram_net(EventLoop& loop, const DatagramNetOptions& options, std::string& why_not);
[[nodiscard]] std::unique_ptr<NetBackend>
open_tap_net(EventLoop& loop, const TapNetOptions& options, std::string& why_not);

} // namespace ulna::devices::virtio
