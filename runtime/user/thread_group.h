// Guest threads and processes: what sys_thread.cpp, sys_process.cpp, clone.cpp and thread.cpp
// share.
//
// A guest thread is a host thread. Clones with CLONE_THREAD are host pthreads, because the runtime
// needs its libc's thread-local storage; a clone that shares memory without being a thread borrows
// the storage of a host thread that sleeps meanwhile (CLONE_VFORK); everything else is a fork.
#pragma once

#include <atomic>
#include <vector>

#include "runtime/user/guest_thread.h"

namespace ulna::user {

// The threads of one guest process. A vfork child has its own, in the memory of its parent.
struct ThreadGroup {
    std::atomic<int> live{1};
    bool borrows_memory = false;       // vfork child: ends without a trace in the shared memory
    std::vector<GuestThread*> members; // see join_group
};

struct CloneRequest {
    u64 flags = 0; // without the exit signal
    u64 exit_signal = 0;
    GuestAddr stack_top = 0; // 0: the parent's stack pointer
    GuestAddr parent_tid = 0, child_tid = 0, tls = 0, pidfd = 0;
    // clone3 only
    GuestAddr set_tid = 0;
    u64 set_tid_count = 0, cgroup = 0;
    TraceSlot* slot = nullptr; // of a child that is traced from the start (ptrace)
};
// 0 < tid of the child, in the parent; 0 in a forked child; -errno, or kRestartNoIntr.
[[nodiscard]] i64 clone_guest(GuestThread& thread, const CloneRequest& request);

// Makes `thread` the calling host thread's (null: none).
void set_current_thread(GuestThread* thread);

// Ends the calling guest thread as exit(2) does. Returns for pthreads, which then leave the run
// loop.
void exit_thread(GuestThread& thread, int status);
// Ends the process as exit_group(2) does.
[[noreturn]] void exit_process(GuestThread& thread, int status);
// Before the process ends or becomes another program: writes new translations to the persistent
// cache, for files that have at least so many. Not for a vfork child, whose memory is its parent's.
void save_translations(const GuestThread& thread, std::size_t least_blocks);
// What is to be done before the process ends by exit: statistics, logs.
void set_exit_hook(void (*hook)());

// PR_GET_TID_ADDRESS: what set_tid_address last set, stored at `to`.
[[nodiscard]] i64 get_tid_address(const GuestThread& thread, GuestAddr to);

// Marks the futexes of a dying thread's robust list, as the kernel's exit_robust_list does.
void release_robust_list(GuestThread& thread);

} // namespace ulna::user
