// Datagram sockets as networks: UDP, multicast or by paths.
#include <netdb.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/devices/virtio/net_options.h"
#include "runtime/devices/virtio/packet_net.h"

namespace ulna::devices::virtio {
namespace {

using runtime::FileDescriptor;

struct Address {
    sockaddr_storage storage{};
    socklen_t bytes = 0;
    [[nodiscard]] const sockaddr* at() const { return reinterpret_cast<const sockaddr*>(&storage); }
    [[nodiscard]] sockaddr_in& ipv4() { return reinterpret_cast<sockaddr_in&>(storage); }
};

std::optional<Address> unix_address(const std::string& path, std::string& reason) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    if (path.size() >= sizeof address.sun_path) {
        reason = std::strerror(ENAMETOOLONG);
        return std::nullopt;
    }
    std::ranges::copy(path, address.sun_path);
    Address result{.bytes = sizeof address};
    std::memcpy(&result.storage, &address, sizeof address);
    return result;
}

// IPv4, as peers have it.
std::optional<Address> address_of(const SocketPlace& place, std::string& reason) {
    if (place.is_unix()) {
        return unix_address(place.unix_path, reason);
    }
    const addrinfo hints{.ai_flags = AI_PASSIVE, .ai_family = AF_INET, .ai_socktype = SOCK_DGRAM};
    addrinfo* found = nullptr;
    if (const int error = getaddrinfo(place.host.empty() ? nullptr : place.host.c_str(),
                                      place.port.c_str(), &hints, &found);
        error != 0) {
        reason = gai_strerror(error);
        return std::nullopt;
    }
    Address result{.bytes = found->ai_addrlen};
    std::memcpy(&result.storage, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return result;
}

// Members hear one another, on one host too; `interface` is the address of one, or empty.
bool join(int fd, Address& group, const std::string& interface, std::string& reason) {
    ip_mreq member{.imr_multiaddr = group.ipv4().sin_addr, .imr_interface = {}};
    const int on = 1;
    if (!interface.empty()) {
        auto address = address_of({.host = interface, .port = "0"}, reason);
        if (!address) {
            return false;
        }
        member.imr_interface = address->ipv4().sin_addr;
    }
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           bind(fd, group.at(), group.bytes) == 0 &&
           setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof member) == 0 &&
           setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &on, sizeof on) == 0 &&
           (interface.empty() || setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &member.imr_interface,
                                            sizeof member.imr_interface) == 0);
}

// A socket of an earlier run is in the way, and goes.
bool bind_at(int fd, const SocketPlace& place, std::string& reason) {
    if (!place.is_given()) {
        return true;
    }
    const auto address = address_of(place, reason);
    struct stat old;
    if (place.is_unix() && lstat(place.unix_path.c_str(), &old) == 0 && S_ISSOCK(old.st_mode)) {
        unlink(place.unix_path.c_str());
    }
    return address && bind(fd, address->at(), address->bytes) == 0;
}

FileDescriptor
open_socket(const DatagramNetOptions& options, Address& remote, std::string& reason) {
    FileDescriptor fd(
        socket(remote.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const bool is_group =
        remote.storage.ss_family == AF_INET && IN_MULTICAST(ntohl(remote.ipv4().sin_addr.s_addr));
    const bool done = fd && (is_group ? join(fd.get(), remote, options.local.host, reason)
                                      : bind_at(fd.get(), options.local, reason));
    if (!done && reason.empty()) {
        reason = std::strerror(errno);
    }
    return done ? std::move(fd) : FileDescriptor{};
}

} // namespace

std::unique_ptr<NetBackend>
open_datagram_net(EventLoop& loop, const DatagramNetOptions& options, std::string& why_not) {
    std::string reason;
    auto remote = address_of(options.remote, reason);
    FileDescriptor fd = remote ? open_socket(options, *remote, reason) : FileDescriptor{};
    if (!fd) {
        why_not = "network: cannot have its socket: " + reason;
        return nullptr;
    }
    return std::make_unique<PacketNet>(loop, std::move(fd),
                                       PacketNet::Options{.to = remote->storage,
                                                          .to_bytes = remote->bytes,
                                                          .unix_path = options.local.unix_path});
}

} // namespace ulna::devices::virtio
