// Sockets by the names of hosts, which `ulna` does without: their look-up would need the host
// libc's shared libraries.
#include <netdb.h>
#include <sys/socket.h>

#include "runtime/host_address.h"
#include "runtime/host_socket.h"

namespace ulna::runtime {

namespace {

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
        fd = open(HostAddress{at->ai_addr, at->ai_addrlen});
    }
    freeaddrinfo(found);
    return fd;
}

} // namespace

FileDescriptor connect_tcp(const std::string& host, const std::string& port, std::string& why_not) {
    return open_tcp(host, port, 0, why_not,
                    [&](const HostAddress& address) { return connect_to(address, 0, why_not); });
}

FileDescriptor
listen_tcp(const std::string& host, const std::string& port, int backlog, std::string& why_not) {
    return open_tcp(host, port, AI_PASSIVE, why_not, [&](const HostAddress& address) {
        return listen_at(address, backlog, 0, why_not);
    });
}

} // namespace ulna::runtime
