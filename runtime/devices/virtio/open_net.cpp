#include "runtime/devices/virtio/net_options.h"

namespace ulna::devices::virtio {

namespace {
template <class... Calls> struct Overloaded : Calls... { using Calls::operator()...; };
} // namespace

std::unique_ptr<NetBackend>
open_net(EventLoop& loop, const NetOptions& options, std::string& why_not) {
    return std::visit(
        Overloaded{
            [&](const UserNetOptions& user) { return open_user_net(loop, user, why_not); },
            [&](const StreamNetOptions& stream) { return open_stream_net(loop, stream, why_not); },
            [&](const DatagramNetOptions& datagrams) {
                return open_datagram_net(loop, datagrams, why_not);
            },
            [&](const TapNetOptions& tap) { return open_tap_net(loop, tap, why_not); }},
        options);
}

} // namespace ulna::devices::virtio
