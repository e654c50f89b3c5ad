// What the three ways to begin a guest thread share (clone.cpp, clone_thread.cpp, clone_memory.cpp,
// fork.cpp).
#pragma once

#include <memory>

#include "runtime/user/signals.h"
#include "runtime/user/signals_state.h"
#include "runtime/user/thread_group.h"

namespace ulna::user {

inline constexpr u64 kCloneStackBytes = 256 << 10; // of the host's C++ code
inline constexpr u64 kLegacyCloneFlags =
    0xffff'ff00; // what clone(2) can express; the low byte is the signal

// What the child sees when clone returns in it.
void enter_child_state(ir::CpuState& cpu, const CloneRequest& request);

struct ChildDeleter {
    void operator()(GuestThread* child) const;
};
using Child = std::unique_ptr<GuestThread, ChildDeleter>;

// A thread with its parent's registers, as clone leaves them. Null: no memory.
[[nodiscard]] Child new_child(const GuestThread& parent, const CloneRequest& request);

// A detached host thread with all signals blocked, as they are in the caller; 0 or an errno. The
// first one makes the host's libc touch dispositions, which are taken back from `signals`.
[[nodiscard]] int
start_host_thread(ThreadSignals& signals, void* (*function)(void*), void* argument);

// What it touches.
void take_back_libc_signals(ThreadSignals& signals);

// With all signals blocked: the tid of the child, 0 in a forked child, or -errno.
[[nodiscard]] i64 clone_thread(GuestThread& parent, const CloneRequest& request);
[[nodiscard]] i64 clone_borrowing_memory(GuestThread& parent, const CloneRequest& request);
[[nodiscard]] i64 fork_guest(GuestThread& thread, const CloneRequest& request);

} // namespace ulna::user
