// Pseudo terminals, which have names only once they are open: -chardev pty and -serial pty are
// "pty#ID" in the options until then, and "pty:FD:PATH" afterwards (make_character_backend).
#pragma once

#include "runtime/system/command_line.h"

namespace ulna::system {

[[nodiscard]] std::string unopened_pty(const std::string& id);
// Opens those that the options have; each is told of on standard error, as QEMU does. False with a
// reason.
[[nodiscard]] bool open_ptys(SystemOptions& options, std::string& why_not);
// How people know a character device: without the descriptor of a pseudo terminal.
[[nodiscard]] std::string shown_place(const std::string& words);

} // namespace ulna::system
