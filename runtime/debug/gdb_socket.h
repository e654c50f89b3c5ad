#pragma once

#include <string>

#include "runtime/file_descriptor.h"

namespace ulna::runtime::debug {

// A socket that listens, by words as GdbServer::listen takes them; none, and a reason. `path`: of a
// Unix socket.
[[nodiscard]] FileDescriptor
listen_for_gdb(const std::string& where, std::string& path, std::string& why_not);

} // namespace ulna::runtime::debug
