// The user's terminal while a guest has it: every key goes to the guest. However the program ends,
// the terminal is as it was.
#pragma once

namespace ulna::devices {

// Puts a terminal into raw mode, until the program exits or dies of a signal. One at a time.
// False: it is no terminal, or the program is in its background; nothing has changed.
bool enter_raw_mode(int fd);
// Back to how it was. Async-signal-safe.
void leave_raw_mode();

} // namespace ulna::devices
