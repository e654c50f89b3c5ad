#include "runtime/host_socket.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

namespace ulna::runtime {

namespace {

struct Address {
    const sockaddr* at;
    socklen_t bytes;
};

std::optional<sockaddr_un> unix_address(const std::string& path, std::string& why_not) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        why_not = std::strerror(path.empty() ? ENOENT : ENAMETOOLONG);
        return std::nullopt;
    }
    std::copy(path.begin(), path.end(), address.sun_path);
    return address;
}

// `use` connects or binds.
template <class Use>
FileDescriptor open_socket(const Address& address, int flags, std::string& why_not, Use use) {
    FileDescriptor fd(::socket(address.at->sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
    if (fd && use(fd.get())) {
        return fd;
    }
    why_not = std::strerror(errno);
    return {};
}

FileDescriptor connect_to(const Address& address, int flags, std::string& why_not) {
    return open_socket(address, flags, why_not,
                       [&](int fd) { return ::connect(fd, address.at, address.bytes) == 0; });
}

FileDescriptor listen_at(const Address& address, int backlog, int flags, std::string& why_not) {
    return open_socket(address, flags, why_not, [&](int fd) {
        const int on = 1;
        return (address.at->sa_family == AF_UNIX ||
                setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0) &&
               bind(fd, address.at, address.bytes) == 0 && ::listen(fd, backlog) == 0;
    });
}

// By the first of a name's addresses that `open` succeeds with.
template <class Open>
FileDescriptor open_tcp(
    const std::string& host, const std::string& port, int flags, std::string& why_not, Open open) {
    const addrinfo hints{.ai_flags = flags, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    addrinfo* found = nullptr;
    const int error =
        getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &found);
    if (error != 0) {
        why_not = gai_strerror(error);
        return {};
    }
    FileDescriptor fd;
    for (const addrinfo* at = found; at != nullptr && !fd; at = at->ai_next) {
        fd = open(Address{at->ai_addr, at->ai_addrlen});
    }
    freeaddrinfo(found);
    return fd;
}

} // namespace

FileDescriptor connect_unix(const std::string& path, std::string& why_not, int flags) {
    const auto address = unix_address(path, why_not);
    return address ? connect_to({reinterpret_cast<const sockaddr*>(&*address), sizeof *address},
                                flags, why_not)
                   : FileDescriptor{};
}

FileDescriptor listen_unix(const std::string& path, int backlog, std::string& why_not, int flags) {
    const auto address = unix_address(path, why_not);
    if (!address) {
        return {};
    }
    struct stat old;
    if (lstat(path.c_str(), &old) == 0 && S_ISSOCK(old.st_mode)) {
        unlink(path.c_str());
    }
    return listen_at({reinterpret_cast<const sockaddr*>(&*address), sizeof *address}, backlog,
                     flags, why_not);
}

FileDescriptor connect_tcp(const std::string& host, const std::string& port, std::string& why_not) {
    return open_tcp(host, port, 0, why_not,
                    [&](const Address& address) { return connect_to(address, 0, why_not); });
}

FileDescriptor
listen_tcp(const std::string& host, const std::string& port, int backlog, std::string& why_not) {
    return open_tcp(host, port, AI_PASSIVE, why_not, [&](const Address& address) {
        return listen_at(address, backlog, 0, why_not);
    });
}

} // namespace ulna::runtime
