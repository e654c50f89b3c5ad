#pragma once

#include <string>

#include "runtime/debug/gdb_server.h"

namespace ulna::runtime::debug {

// A socket that listens at "tcp:[HOST]:PORT" (no HOST: this host's own programs only), or at
// "unix:PATH"; none, and a reason.
[[nodiscard]] GdbListener listen_for_gdb(const std::string& where, std::string& why_not);

} // namespace ulna::runtime::debug
