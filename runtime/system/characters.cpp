#include "runtime/system/characters.h"

#include "runtime/devices/console.h"
#include "runtime/system/machine.h"

namespace ulna::system {

std::unique_ptr<devices::CharacterBackend>
open_characters(const std::string& where, Machine& machine, std::string& why_not) {
    auto characters = devices::make_character_backend(where, machine.loop(), why_not);
    if (characters != nullptr && devices::is_console(where)) {
        static_cast<devices::Console&>(*characters).on_quit([&machine] {
            machine.stop(0, Cause::HostUser);
        });
    }
    return characters;
}

} // namespace ulna::system
