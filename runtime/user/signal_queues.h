// The signals that wait, with what came with them: in the host kernel's queues, and the few that it
// has handed over already.
#pragma once

#include <csignal>
#include <optional>
#include <vector>

#include "runtime/user/guest_thread.h"

namespace ulna::user {

enum class SignalQueue : u8 { Thread, Process };

// Of the calling thread, oldest first. None: the host forbids the look.
[[nodiscard]] std::optional<std::vector<siginfo_t>> waiting_signals(const GuestThread& thread,
                                                                    SignalQueue queue);

} // namespace ulna::user
