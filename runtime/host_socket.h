// Stream sockets of this host, by path and by name. What cannot be had is a descriptor that is
// none, with a reason.
#pragma once

#include <string>

#include "ir/support/types.h"
#include "runtime/file_descriptor.h"

namespace ulna::runtime {

// `flags`: of socket(2).
[[nodiscard]] FileDescriptor
connect_unix(const std::string& path, std::string& why_not, int flags = 0);
// A socket of an earlier run is in the way, and goes; any other file stays.
[[nodiscard]] FileDescriptor
listen_unix(const std::string& path, int backlog, std::string& why_not, int flags = 0);

// TCP, for this host's own programs only.
[[nodiscard]] FileDescriptor listen_loopback(u16 port, int backlog, std::string& why_not);

// By name (host_socket_names.cpp). An empty host is this one, or for listening all of its
// addresses.
[[nodiscard]] FileDescriptor
connect_tcp(const std::string& host, const std::string& port, std::string& why_not);
[[nodiscard]] FileDescriptor
listen_tcp(const std::string& host, const std::string& port, int backlog, std::string& why_not);

} // namespace ulna::runtime
