// Signals of the host that translated code raises: its return stack ran full, or floating point
// trapped.
#pragma once

#include "runtime/engine.h"

namespace ulna::system {

// For all threads of the process; `engine` lives as long as virtual CPUs run.
void handle_host_signals(runtime::Engine& engine);
// Of this thread: handlers need a stack of their own, since translated code has none to spare.
void use_signal_stack();

} // namespace ulna::system
