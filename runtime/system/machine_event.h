// What happens to a machine as a whole, as those outside are told.
#pragma once

#include <string>

#include "ir/support/types.h"

namespace ulna::system {

// Who wanted a machine to end, or to start again.
enum class Cause : u8 {
    GuestShutdown,
    GuestReset,
    HostQuit,   // a command
    HostReset,  // likewise
    HostSignal, // SIGTERM and its like
    HostUser    // keys, a debugger
};

struct MachineEvent {
    enum class Kind : u8 {
        Stop,
        Resume,
        PowerKey,
        Reset,
        Shutdown,
        BalloonChange,
        TrayMoved,
        DeviceDeleted,
        UnplugRefused
    };
    Kind kind = Kind::Stop;
    Cause cause = Cause::HostQuit; // of Reset and Shutdown
    u64 ram_left = 0;              // of BalloonChange: bytes
    std::string drive, device;     // of TrayMoved: whose (block_drives.h)
    bool is_open = false;
    std::string path; // of DeviceDeleted, UnplugRefused: and `device`, if it has an id
};

} // namespace ulna::system
