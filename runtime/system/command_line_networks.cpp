// The options for networks.
#include "runtime/system/command_line_parse.h"

namespace ulna::system {

namespace {

namespace virtio = devices::virtio;
using virtio::SocketPlace;

virtio::UserNetOptions user_network(Properties& properties) {
    virtio::UserNetOptions to;
    for (const std::string& text : properties.texts("hostfwd")) {
        if (const auto forward = virtio::parse_host_forward(text)) {
            to.forwards.push_back(*forward);
        } else {
            properties.fail("hostfwd=" + text + ": such as tcp::2222-:22");
        }
    }
    to.restricted = properties.flag("restrict");
    to.ipv6 = properties.flag("ipv6", true);
    (void)properties.flag("ipv4", true);
    return to;
}

// "host:port"; the host may be left out.
SocketPlace place_of(Properties& properties, const std::string& key) {
    const std::string text = properties.text(key);
    const std::size_t colon = text.rfind(':');
    if (colon == text.npos || colon + 1 == text.size()) {
        properties.fail(key + "=" + text + ": such as 127.0.0.1:1234");
        return {};
    }
    return {.host = text.substr(0, colon), .port = text.substr(colon + 1)};
}

// Such as addr.type=inet,addr.host=,addr.port=, or addr.type=unix,addr.path=.
SocketPlace typed_place_of(Properties& properties, const std::string& name) {
    if (properties.choice(name + ".type", {"inet", "unix"}, 0) == 1) {
        return {.unix_path = properties.required(name + ".path")};
    }
    return {.host = properties.text(name + ".host"), .port = properties.required(name + ".port")};
}

int descriptor_of(Properties& properties) {
    constexpr u64 kMost = 1 << 20;
    return properties.has("fd") ? static_cast<int>(properties.number("fd", 0, 0, kMost)) : -1;
}

virtio::NetOptions socket_network(Properties& properties) {
    if (properties.has("listen")) {
        return virtio::StreamNetOptions{.place = place_of(properties, "listen"), .server = true};
    }
    if (properties.has("connect")) {
        return virtio::StreamNetOptions{.place = place_of(properties, "connect")};
    }
    if (properties.has("fd")) {
        return virtio::StreamNetOptions{.fd = descriptor_of(properties)};
    }
    if (properties.has("mcast")) {
        return virtio::DatagramNetOptions{.local = {.host = properties.text("localaddr")},
                                          .remote = place_of(properties, "mcast")};
    }
    if (properties.has("udp")) {
        return virtio::DatagramNetOptions{.local = place_of(properties, "localaddr"),
                                          .remote = place_of(properties, "udp")};
    }
    properties.fail("needs listen=, connect=, mcast=, udp= or fd=");
    return {};
}

virtio::NetOptions stream_network(Properties& properties) {
    constexpr u64 kMostMs = 3'600'000;
    const u64 seconds = properties.number("reconnect", 0, 0, kMostMs / 1000);
    const virtio::StreamNetOptions stream{
        .place = typed_place_of(properties, "addr"),
        .server = properties.flag("server"),
        .reconnect_ms = properties.number("reconnect-ms", seconds * 1000, 0, kMostMs)};
    if (stream.reconnect_ms != 0 && (stream.server || !stream.place.is_unix())) {
        properties.fail("reconnect is for clients with addr.type=unix");
    }
    return stream;
}

virtio::NetOptions datagram_network(Properties& properties) {
    virtio::DatagramNetOptions datagrams{.remote = typed_place_of(properties, "remote")};
    if (properties.has("local.type")) {
        datagrams.local = typed_place_of(properties, "local");
    }
    if (datagrams.local.is_given() && datagrams.local.is_unix() != datagrams.remote.is_unix()) {
        properties.fail("local.type= and remote.type= are to be the same");
    }
    return datagrams;
}

virtio::NetOptions tap_network(Properties& properties) {
    const virtio::TapNetOptions tap{.name = properties.text("ifname"),
                                    .fd = descriptor_of(properties)};
    const std::string up = properties.text("script"), down = properties.text("downscript", "no");
    if (tap.fd < 0 && (up != "no" || down != "no")) {
        properties.fail("needs script=no: no program is run to set the interface up");
    }
    for (const char* const name : {"vhost", "vhostfd", "vnet_hdr", "sndbuf"}) {
        properties.ignore(name);
    }
    return tap;
}

virtio::NetOptions network_of(Properties& properties) {
    switch (properties.choice("type", {"user", "socket", "stream", "dgram", "tap"}, 0)) {
    case 1:
        return socket_network(properties);
    case 2:
        return stream_network(properties);
    case 3:
        return datagram_network(properties);
    case 4:
        return tap_network(properties);
    default:
        return user_network(properties);
    }
}

} // namespace

void add_network(CommandLineParse& parse, const std::string& value) {
    Properties properties = Properties::of_option(value, "type");
    add_with_id(parse.options.networks, {properties.required("id"), network_of(properties)},
                properties);
    parse.finish("-netdev", properties);
}

// A network and its device in one.
void add_nic(CommandLineParse& parse, const std::string& value) {
    if (value == "none") {
        return;
    }
    Properties properties(value, "type");
    DeviceOption device{.kind = DeviceOption::Kind::Net};
    device.pci =
        properties.choice("model", {"virtio-net-device", "virtio", "virtio-net-pci"}, 0) == 2;
    device.driver = device.pci ? "virtio-net-pci" : "virtio-net-device";
    device.network = properties.text("id", "nic" + std::to_string(parse.options.networks.size()));
    set_mac(device, properties);
    parse.options.networks.push_back({device.network, network_of(properties)});
    parse.options.add(device);
    parse.finish("-nic", properties);
}

} // namespace ulna::system
