// A network inside this program, by libslirp: the guest reaches the host's networks without
// privileges. Addresses are those that QEMU's user networking has: 10.0.2.0/24 and fec0::/64, the
// gateway .2, the name server .3, and 10.0.2.15 by DHCP for the guest.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/devices/event_loop.h"
#include "runtime/devices/virtio/net_backend.h"

namespace ulna::devices::virtio {

// A port of the host that leads to one of the guest. Addresses are IPv4, in the host's byte order.
struct HostForward {
    bool udp = false;
    u32 host_address = 0; // 0: all of the host's
    u16 host_port = 0;
    u32 guest_address = 0; // 0: the first that DHCP gives
    u16 guest_port = 0;
};

// "tcp:[address]:port-[address]:port", or udp.
[[nodiscard]] std::optional<HostForward> parse_host_forward(std::string_view text);

struct UserNetOptions {
    std::vector<HostForward> forwards;
    bool restricted = false; // nothing but the forwarded ports
    bool ipv6 = true;
};

// With the machine's lock held, or before anything runs. Null with a reason, one line. The network
// must go before the loop.
[[nodiscard]] std::unique_ptr<NetBackend>
open_user_net(EventLoop& loop, const UserNetOptions& options, std::string& why_not);

} // namespace ulna::devices::virtio
