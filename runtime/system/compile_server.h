// Starting the compile server of tier 2 from a machine.
#pragma once

#include "runtime/tier2/launch.h"

namespace ulna::system {

// For runtime::ServerConnection. The server is no child of ours.
[[nodiscard]] bool start_compile_server(int listening_socket, runtime::ServerKind kind);
// What the process executes that the above starts; returns when there is no server to be had.
void become_compile_server(const char* option);

} // namespace ulna::system
