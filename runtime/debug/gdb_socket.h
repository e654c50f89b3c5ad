#pragma once

#include <string>

namespace ulna::runtime::debug {

// A socket that listens, by words as GdbServer::listen takes them; -1 and a reason. `path`: of a
// Unix socket.
[[nodiscard]] int listen_for_gdb(const std::string& where, std::string& path, std::string& why_not);

} // namespace ulna::runtime::debug
