// The addresses that a debugger connects to.
#include "runtime/debug/gdb_socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace ulna::runtime::debug {

namespace {

int give_up(int fd, const std::string& where, std::string& why_not) {
    why_not = "cannot listen at " + where + ": " + std::strerror(errno);
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

int listen_at(const sockaddr* address,
              socklen_t bytes,
              const std::string& where,
              std::string& why_not) {
    const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (fd >= 0) {
        static_cast<void>(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    }
    if (fd < 0 || bind(fd, address, bytes) != 0 || ::listen(fd, 1) != 0) {
        return give_up(fd, where, why_not);
    }
    return fd;
}

// Names are not looked up: this is about interfaces of this host.
int listen_tcp(std::string_view words, const std::string& where, std::string& why_not) {
    const std::size_t colon = words.rfind(':');
    const std::string host{words.substr(0, colon == std::string_view::npos ? 0 : colon)};
    const std::string port{words.substr(colon == std::string_view::npos ? 0 : colon + 1)};
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | AI_NUMERICHOST | AI_PASSIVE;
    const bool local = host.empty() || host == "localhost";
    const std::string number = local ? "127.0.0.1"
                               : host.front() == '[' && host.back() == ']'
                                   ? host.substr(1, host.size() - 2)
                                   : host;
    addrinfo* found = nullptr;
    if (port.empty() || getaddrinfo(number.c_str(), port.c_str(), &hints, &found) != 0) {
        why_not =
            "cannot listen at " + where + ": no address of a host with a port, such as tcp::1234";
        return -1;
    }
    const int fd = listen_at(found->ai_addr, found->ai_addrlen, where, why_not);
    freeaddrinfo(found);
    return fd;
}

// A socket that nobody listens at any more is in the way.
int listen_unix(const std::string& path, const std::string& where, std::string& why_not) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        errno = path.empty() ? ENOENT : ENAMETOOLONG;
        return give_up(-1, where, why_not);
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    struct stat status {};
    if (stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) {
        static_cast<void>(unlink(path.c_str()));
    }
    return listen_at(reinterpret_cast<const sockaddr*>(&address), sizeof address, where, why_not);
}

} // namespace

int listen_for_gdb(const std::string& where, std::string& path, std::string& why_not) {
    std::string_view words = where;
    constexpr std::string_view kTcp = "tcp:", kUnix = "unix:";
    if (words.starts_with(kTcp)) {
        return listen_tcp(words.substr(kTcp.size()), where, why_not);
    }
    if (words.starts_with(kUnix)) {
        words.remove_prefix(kUnix.size());
        path = words.substr(0, words.find(',')); // options of QEMU's, such as ,server=on
        return listen_unix(path, where, why_not);
    }
    why_not = "cannot listen at " + where + ": tcp:[host]:port or unix:path";
    return -1;
}

} // namespace ulna::runtime::debug
