// A thread's part of seccomp.h, which every thread has at hand.
#pragma once

#include <linux/seccomp.h>

#include <atomic>
#include <memory>

#include "ir/support/types.h"

namespace ulna::user {

class SeccompFilter; // seccomp_filter.h

// The thread itself reads it without a lock at each system call. It is written with the lock of
// seccomp_threads.cpp held, by another thread, too (SECCOMP_FILTER_FLAG_TSYNC).
struct SeccompState {
    std::atomic<u32> mode{SECCOMP_MODE_DISABLED};
    std::atomic<const SeccompFilter*> newest{nullptr};
    std::atomic<bool> gets_no_new_privs{false}; // before its next system call
    // Keeps `newest` alive. A filter is only replaced by one that keeps it as an older one, so
    // the thread may still be using it.
    std::shared_ptr<SeccompFilter> owner;
};

} // namespace ulna::user
