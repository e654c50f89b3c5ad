// Files of /proc of other processes of Ulna whose host contents would tell of Ulna: each process
// knows only its own guest, so it is asked. For debuggers and profilers.
#pragma once

#include <optional>
#include <string>

#include "runtime/user/guest_thread.h"

namespace ulna::user {

// "/proc/PID/maps", "smaps" and "auxv" as that process sees them, and "status" of a thread that is
// traced; none: the host's file is right, or nobody answers.
[[nodiscard]] std::optional<std::string> foreign_view(const std::string& path);

// Somebody has asked for one (TraceCall::Show, by the host's handler).
[[nodiscard]] inline bool is_asked_for_view(const GuestThread& thread) {
    return __atomic_load_n(&thread.trace.asked_view, __ATOMIC_RELAXED) >= 0;
}
void give_view(GuestThread& thread);

} // namespace ulna::user
