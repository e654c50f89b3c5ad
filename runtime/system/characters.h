// Where a machine's serial ports, consoles and monitors lead.
#pragma once

#include "runtime/devices/character_backend.h"

namespace ulna::system {

class Machine;

// make_character_backend(), and Ctrl-A X on the terminal ends the machine. With the lock held.
[[nodiscard]] std::unique_ptr<devices::CharacterBackend>
open_characters(const std::string& where, Machine& machine, std::string& why_not);

} // namespace ulna::system
