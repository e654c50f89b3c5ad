// Calls that wait under a signal mask of their own.
//
// The host kernel exchanges the masks atomically; ours (signals_state.h) follows: while the call
// waits the guest's mask is the temporary one, and an interrupted call leaves it in force until
// delivery has chosen the handler, whose frame saves the original.
#pragma once

#include <cerrno>
#include <optional>

#include "runtime/user/guest_memory.h"
#include "runtime/user/signals_state.h"

namespace ulna::user {

inline constexpr u64 kSignalSetBytes = sizeof(SignalSet);

// Reads the optional mask argument; an errno when it is bad.
inline i64 read_mask(GuestAddr from, u64 bytes, std::optional<SignalSet>& mask) {
    if (from == 0) {
        return 0;
    }
    SignalSet set;
    if (bytes != kSignalSetBytes) {
        return -EINVAL;
    }
    if (!get_guest(from, set)) {
        return -EFAULT;
    }
    mask = set;
    return 0;
}

// Makes `call` with the address of the host's mask (0: none).
template <class Call>
i64 wait_with_mask(GuestThread& thread, const std::optional<SignalSet>& mask, const Call& call) {
    if (!mask) {
        return call(u64{0});
    }
    begin_temporary_mask(thread, *mask);
    if (thread.signals->held & ~thread.signals->mask) {
        return -EINTR; // a held signal is deliverable under this mask
    }
    const SignalSet host = host_mask_for(*mask);
    return end_temporary_mask(thread, call(reinterpret_cast<u64>(&host)));
}

} // namespace ulna::user
