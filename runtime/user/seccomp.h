// seccomp(2): which system calls a thread may make.
//
// Filters see the guest's numbers and registers, so they are evaluated here, by dispatch_syscall.
// The host's kernel knows nothing of them: what Ulna itself asks of it is never filtered.
#pragma once

#include <optional>
#include <vector>

#include "runtime/user/guest_thread.h"
#include "runtime/user/seccomp_bpf.h"

namespace ulna::user {

// --- at each system call (seccomp.cpp)

[[nodiscard]] inline bool has_seccomp(const GuestThread& thread) {
    return thread.seccomp.mode.load(std::memory_order_relaxed) != SECCOMP_MODE_DISABLED;
}
// Of a thread that has it: what the call in thread.cpu returns instead of being made; none: it is
// to be made.
[[nodiscard]] std::optional<i64> refuse_by_seccomp(GuestThread& thread, u32 number);

// --- what a thread has (seccomp_threads.cpp)

[[nodiscard]] i64 enter_strict_mode(GuestThread& thread);
// 0, a listener, -errno, or the thread that cannot have the caller's filters
// (SECCOMP_FILTER_FLAG_TSYNC). `program` is one that is_seccomp_program accepts.
[[nodiscard]] i64 add_filter(GuestThread& thread, std::vector<sock_filter> program, u32 flags);

// A new thread of the process, or the first one of another process, takes its parent's filters and
// belongs to its group from now on. The thread must leave before either is gone.
void join_group(GuestThread& thread, const GuestThread& parent);
void leave_group(GuestThread& thread);
// Around a fork. The child's group has no members yet.
void lock_groups();
void unlock_groups();

// --- prctl(2) (sys_seccomp.cpp)

[[nodiscard]] bool is_administrator();         // CAP_SYS_ADMIN, in its user namespace
[[nodiscard]] bool is_machine_administrator(); // in the first one

[[nodiscard]] i64 prctl_get_seccomp(const GuestThread& thread);
[[nodiscard]] i64 prctl_set_seccomp(GuestThread& thread, u64 mode, u64 program);

// --- over execve

[[nodiscard]] std::vector<std::string> handed_over_filters(const GuestThread& thread);
// False: they are damaged.
[[nodiscard]] bool take_over_filters(GuestThread& thread, std::span<const char* const> arguments);

// --- as /proc/self/status shows it: with what the host has imposed on us

struct SeccompView {
    u32 mode;
    unsigned filters;
};
[[nodiscard]] SeccompView seccomp_view(const GuestThread& thread, SeccompView host);

} // namespace ulna::user
