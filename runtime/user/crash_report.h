// What a user sees when the guest dies of a signal: cause, pc, symbol, registers, backtrace.
#pragma once

#include <csignal>

#include "runtime/user/guest_thread.h"

namespace ulna::user {

// Prints the report to standard error. Called when a fatal signal that dumps core is about to end
// the process; thread.cpu is exact. Uses only fault-safe reads of guest memory.
void report_crash(GuestThread& thread, const siginfo_t& info);

} // namespace ulna::user
