// Whose filters are whose: they are inherited, handed over execve, and given to all threads of a
// process (SECCOMP_FILTER_FLAG_TSYNC).
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <mutex>

#include "runtime/user/seccomp.h"
#include "runtime/user/seccomp_filter.h"
#include "runtime/user/seccomp_listener.h"
#include "runtime/user/signals_state.h"

namespace ulna::user {

namespace {

std::mutex g_lock; // the members of groups, and their filters

void set_filter(SeccompState& state, std::shared_ptr<SeccompFilter> filter) {
    state.newest.store(filter.get());
    state.owner = std::move(filter);
    state.mode.store(SECCOMP_MODE_FILTER);
}

bool has_no_new_privs() { return host_syscall(SYS_prctl, PR_GET_NO_NEW_PRIVS) == 1; }

bool can_take_filters_of(const GuestThread& other, const GuestThread& caller) {
    const SeccompState& state = other.seccomp;
    const SeccompFilter* const callers = caller.seccomp.newest.load();
    return state.mode == SECCOMP_MODE_DISABLED ||
           (state.mode == SECCOMP_MODE_FILTER && state.owner->is_ancestor_of(callers));
}

// The thread that can't have the caller's filters; 0: all can.
pid_t first_unlike(const GuestThread& caller) {
    for (const GuestThread* member : caller.signals->group->members) {
        if (!can_take_filters_of(*member, caller)) {
            return member->tid;
        }
    }
    return 0;
}

void give_to_all(const GuestThread& caller) {
    const bool no_new_privs = has_no_new_privs();
    for (GuestThread* member : caller.signals->group->members) {
        if (member != &caller) {
            if (no_new_privs) {
                member->seccomp.gets_no_new_privs = true;
            }
            set_filter(member->seccomp, caller.seccomp.owner);
        }
    }
}

} // namespace

i64 enter_strict_mode(GuestThread& thread) {
    const std::lock_guard guard(g_lock);
    SeccompState& state = thread.seccomp;
    if (state.mode == SECCOMP_MODE_FILTER) {
        return -EINVAL;
    }
    state.mode = SECCOMP_MODE_STRICT;
    return 0;
}

i64 add_filter(GuestThread& thread, std::vector<sock_filter> program, u32 flags) {
    const std::lock_guard guard(g_lock);
    SeccompState& state = thread.seccomp;
    if (state.mode == SECCOMP_MODE_STRICT) {
        return -EINVAL;
    }
    const bool has_listener = (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0;
    if (has_listener && state.owner != nullptr && state.owner->path_has_listener()) {
        return -EBUSY;
    }
    auto filter = std::make_shared<SeccompFilter>(std::move(program), state.owner, flags);
    if (filter->path_length() > SeccompFilter::kMostInstructions) {
        return -ENOMEM;
    }
    const bool is_for_all = (flags & SECCOMP_FILTER_FLAG_TSYNC) != 0;
    if (const pid_t other = is_for_all ? first_unlike(thread) : 0; other != 0) {
        return (flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH) != 0 ? -ESRCH : other;
    }
    const i64 result = has_listener ? open_listener(flags) : 0;
    if (result < 0) {
        return result;
    }
    set_filter(state, std::move(filter));
    if (is_for_all) {
        give_to_all(thread);
    }
    return result;
}

void join_group(GuestThread& thread, const GuestThread& parent) {
    const std::lock_guard guard(g_lock);
    if (&thread != &parent && parent.seccomp.mode != SECCOMP_MODE_DISABLED) {
        thread.seccomp.newest = parent.seccomp.newest.load();
        thread.seccomp.owner = parent.seccomp.owner;
        thread.seccomp.mode = parent.seccomp.mode.load();
    }
    thread.signals->group->members.push_back(&thread);
}

void leave_group(GuestThread& thread) {
    const std::lock_guard guard(g_lock);
    std::erase(thread.signals->group->members, &thread);
}

void lock_groups() { g_lock.lock(); }
void unlock_groups() { g_lock.unlock(); }

std::vector<std::string> handed_over_filters(const GuestThread& thread) {
    const std::lock_guard guard(g_lock);
    const SeccompState& state = thread.seccomp;
    return state.owner != nullptr ? state.owner->to_arguments() : std::vector<std::string>{};
}

bool take_over_filters(GuestThread& thread, std::span<const char* const> arguments) {
    if (arguments.empty()) {
        return true;
    }
    std::shared_ptr<SeccompFilter> newest = SeccompFilter::from_arguments(arguments);
    if (newest == nullptr) {
        return false;
    }
    set_filter(thread.seccomp, std::move(newest));
    return true;
}

SeccompView seccomp_view(const GuestThread& thread, SeccompView host) {
    const u32 mode = thread.seccomp.mode;
    if (mode == SECCOMP_MODE_DISABLED) {
        return host;
    }
    const SeccompFilter* const newest = thread.seccomp.newest;
    return {mode, host.filters + (newest != nullptr ? newest->count() : 0)};
}

} // namespace ulna::user
