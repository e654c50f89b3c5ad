#include <arpa/inet.h>

#include <charconv>

#include "runtime/devices/virtio/user_net.h"

namespace ulna::devices::virtio {
namespace {

// Takes what comes before `end` off the text.
std::optional<std::string_view> take_until(std::string_view& text, char end) {
    const size_t at = text.find(end);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view taken = text.substr(0, at);
    text.remove_prefix(at + 1);
    return taken;
}

bool parse_port(std::string_view text, u16& port) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc() && end == text.data() + text.size() && port != 0;
}

bool parse_address(std::string_view text, u32& address) {
    in_addr parsed{};
    if (!text.empty() && inet_pton(AF_INET, std::string(text).c_str(), &parsed) != 1) {
        return false;
    }
    address = ntohl(parsed.s_addr);
    return true;
}

} // namespace

std::optional<HostForward> parse_host_forward(std::string_view text) {
    HostForward forward;
    const auto protocol = take_until(text, ':');
    const auto host_address = take_until(text, ':');
    const auto host_port = take_until(text, '-');
    const auto guest_address = take_until(text, ':');
    if (!protocol || !host_address || !host_port || !guest_address ||
        (*protocol != "tcp" && *protocol != "udp") ||
        !parse_address(*host_address, forward.host_address) ||
        !parse_port(*host_port, forward.host_port) ||
        !parse_address(*guest_address, forward.guest_address) ||
        !parse_port(text, forward.guest_port)) {
        return std::nullopt;
    }
    forward.udp = *protocol == "udp";
    return forward;
}

} // namespace ulna::devices::virtio
