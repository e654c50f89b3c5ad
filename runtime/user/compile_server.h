// Starting the compile server from inside a guest process.
#pragma once

#include "runtime/tier2/launch.h"

namespace ulna::user {

// For runtime::ServerConnection. The server is no child of the guest's.
[[nodiscard]] bool start_compile_server(int listening_socket, runtime::ServerKind kind);

} // namespace ulna::user
