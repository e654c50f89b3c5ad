#include "runtime/host_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "runtime/host_address.h"

namespace ulna::runtime {

namespace {

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
FileDescriptor open_socket(const HostAddress& address, int flags, std::string& why_not, Use use) {
    FileDescriptor fd(::socket(address.at->sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
    if (fd && use(fd.get())) {
        return fd;
    }
    why_not = std::strerror(errno);
    return {};
}

} // namespace

FileDescriptor connect_to(const HostAddress& address, int flags, std::string& why_not) {
    return open_socket(address, flags, why_not,
                       [&](int fd) { return ::connect(fd, address.at, address.bytes) == 0; });
}

FileDescriptor listen_at(const HostAddress& address, int backlog, int flags, std::string& why_not) {
    return open_socket(address, flags, why_not, [&](int fd) {
        const int on = 1;
        return (address.at->sa_family == AF_UNIX ||
                setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0) &&
               bind(fd, address.at, address.bytes) == 0 && ::listen(fd, backlog) == 0;
    });
}

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

FileDescriptor listen_loopback(u16 port, int backlog, std::string& why_not) {
    const sockaddr_in address{.sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
                              .sin_zero = {}};
    return listen_at({reinterpret_cast<const sockaddr*>(&address), sizeof address}, backlog, 0,
                     why_not);
}

} // namespace ulna::runtime
