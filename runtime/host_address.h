// Addresses of sockets, between the files of host_socket.h.
#pragma once

#include <sys/socket.h>

#include <string>

#include "runtime/file_descriptor.h"

namespace ulna::runtime {

struct HostAddress {
    const sockaddr* at;
    socklen_t bytes;
};
// `flags`: of socket(2).
[[nodiscard]] FileDescriptor
connect_to(const HostAddress& address, int flags, std::string& why_not);
[[nodiscard]] FileDescriptor
listen_at(const HostAddress& address, int backlog, int flags, std::string& why_not);

} // namespace ulna::runtime
