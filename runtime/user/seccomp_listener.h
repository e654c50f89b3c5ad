// SECCOMP_RET_USER_NOTIF: another process answers the call.
//
// Listeners are the host kernel's, so that they can be polled and passed on, and add descriptors:
// the host gets a filter that notifies of numbers which are no system calls, and a call with such a
// number stands for the guest's. Structures that a listener reads and writes are converted by
// ioctl in its process, if that is an Arm program, too.
#pragma once

#include <optional>

#include "runtime/user/guest_thread.h"

namespace ulna::user {

// For the calling thread, or all with SECCOMP_FILTER_FLAG_TSYNC in `flags` of the guest's call. The
// listener's descriptor or -errno.
[[nodiscard]] i64 open_listener(u32 flags);

// As refuse_by_seccomp: the listener's answer to the call in thread.cpu, none when it is to be
// made.
[[nodiscard]] std::optional<i64> ask_listener(GuestThread& thread, u32 number);

[[nodiscard]] bool is_listener_request(u64 request);
// ioctl(2) with such a request.
[[nodiscard]] i64 listener_ioctl(u64 descriptor, u64 request, u64 argument);

} // namespace ulna::user
