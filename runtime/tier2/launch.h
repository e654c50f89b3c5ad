// The compile server's program is a compressed section of our own file; it is unpacked into memory
// and executed there.
#pragma once

#include <array>

#include "ir/support/types.h"

namespace ulna::runtime {

enum class ServerKind : u8 {
    Background, // at low priority
    Waited,     // clients wait for its answers
    Twice,      // the same, and it compiles everything twice
};

// The option by which `ulna`, executing itself, becomes the server.
inline constexpr char kServerOption[] = "--ulna-tier2=";
// Of the server's program, which has none in the background.
inline constexpr char kWaitedOption[] = "--waited";
inline constexpr char kTwiceOption[] = "--twice";
// "--ulna-tier2=<listening socket>,<ServerKind>"
[[nodiscard]] std::array<char, 40> server_option(int listening_socket, ServerKind kind);

// Becomes the server that the option asks for; returns when that is not possible.
void launch_server(const char* option, const char* own_path);

} // namespace ulna::runtime
