// What the kernel tells other processes about this one.
#pragma once

namespace ulna::user {

// Makes /proc/PID/cmdline and environ the guest's for everybody (ps, pgrep -f): they are read from
// its stack, where it may also change them. Once, when the initial stack stands. A kernel without
// CONFIG_CHECKPOINT_RESTORE, or a /proc out of reach, leaves them ours.
void show_guest_arguments();
// Makes /proc/PID/auxv the guest's, for its debugger: from then on Ulna's own debuggers miss it.
void show_guest_auxv();

} // namespace ulna::user
