// wait4(2) and waitid(2) of a process that has tracees: their stops and ends are in slots, the
// host knows of everything else.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runtime/user/guest_memory.h"
#include "runtime/user/ptrace_proc.h"
#include "runtime/user/ptrace_tracer.h"
#include "runtime/user/signals_state.h"

namespace ulna::user {

namespace {

// What a wait finds.
struct Event {
    pid_t pid = 0;
    uid_t uid = 0;
    int code = 0;   // CLD_*
    int status = 0; // si_status
    rusage usage = {};
};

int wait_status(const Event& event) {
    constexpr int kStopped = 0x7f, kDumped = 0x80, kContinued = 0xffff;
    switch (event.code) {
    case CLD_EXITED:
        return (event.status & 0xff) << 8;
    case CLD_KILLED:
        return event.status;
    case CLD_DUMPED:
        return event.status | kDumped;
    case CLD_CONTINUED:
        return kContinued;
    default:
        return event.status << 8 | kStopped;
    }
}

i64 tell(const WaitRequest& request, const Event& event) {
    bool stored = true;
    if (request.status != 0) {
        stored = put_guest(request.status, wait_status(event));
    }
    if (request.info != 0) {
        siginfo_t info = {};
        info.si_signo = SIGCHLD;
        info.si_code = event.code;
        info.si_pid = event.pid;
        info.si_uid = event.uid;
        info.si_status = event.status;
        stored = put_guest(request.info, info);
    }
    if (request.usage != 0) {
        stored = put_guest(request.usage, event.usage) && stored;
    }
    return stored ? (request.returns_pid ? event.pid : 0) : -EFAULT;
}

i64 tell_nothing(const WaitRequest& request) {
    const siginfo_t none = {};
    return request.info == 0 || put_guest(request.info, none) ? 0 : -EFAULT;
}

bool is_in_group(const TraceSlot& slot, pid_t group) {
    return getpgid(slot.tgid) == (group != 0 ? group : getpgrp());
}

// It is one of those that are waited for.
bool matches(const WaitRequest& request, const GuestThread& thread, const TraceSlot& slot) {
    const bool wants_own = (request.options & __WNOTHREAD) != 0;
    if (slot.tid == 0 || slot.tracer == kNoTracer || slot.state == SlotState::Leaving ||
        (wants_own && !is_tracee_of(slot, thread))) {
        return false;
    }
    switch (request.kind) {
    case P_ALL:
        return true;
    case P_PID:
        return slot.tid == request.id;
    case P_PGID:
        return is_in_group(slot, request.id);
    default:
        return false;
    }
}

bool has_news(const WaitRequest& request, const TraceSlot& slot) {
    const SlotState state = slot.state.load();
    return slot.unreported != 0 &&
           (state == SlotState::Stopped ||
            (state == SlotState::Ended && (request.options & WEXITED) != 0));
}

Event event_of(const TraceSlot& slot) {
    Event event{.pid = slot.tid,
                .uid = getuid(),
                .code = CLD_TRAPPED,
                .status = static_cast<int>(slot.code),
                .usage = slot.usage};
    if (slot.state == SlotState::Ended) {
        const int signal = event.status & 0x7f;
        const int dumped = event.status & 0x80;
        event.code = signal == 0 ? CLD_EXITED : dumped != 0 ? CLD_DUMPED : CLD_KILLED;
        event.status = signal == 0 ? event.status >> 8 & 0xff : signal;
    }
    return event;
}

i64 tell_news(const WaitRequest& request, TraceSlot& slot) {
    const Event event = event_of(slot);
    if ((request.options & WNOWAIT) == 0) {
        slot.unreported = 0;
        if (slot.state == SlotState::Ended) {
            slot.state = SlotState::Free;
        }
    }
    return tell(request, event);
}

// --- the host's part

// 0, with no pid when there is nothing; -errno.
i64 host_wait(u64 kind, pid_t id, u64 options, Event& event) {
    siginfo_t info = {};
    const i64 result =
        host_syscall(SYS_waitid, kind, static_cast<u64>(id), reinterpret_cast<u64>(&info), options,
                     reinterpret_cast<u64>(&event.usage));
    event.pid = info.si_pid;
    event.uid = info.si_uid;
    event.code = info.si_code;
    event.status = info.si_status;
    return result;
}

bool is_end(const Event& event) {
    return event.code == CLD_EXITED || event.code == CLD_KILLED || event.code == CLD_DUMPED;
}

TraceSlot* slot_of_process(TraceSession& session, pid_t process) {
    return find_slot(session, [process](const TraceSlot& slot) {
        return slot.tgid == process && slot.tid == process && slot.tracer != kNoTracer;
    });
}

// The process has ended, and its threads, which nobody else will tell. True: some have to be told
// first.
bool end_threads(TraceSession& session, pid_t process, u32 status) {
    bool any = false;
    for_each_slot(session, [&](TraceSlot& slot) {
        if (slot.tgid == process && slot.tid != process && is_live(slot)) {
            slot.code = status;
            slot.unreported = 1;
            slot.state = SlotState::Ended;
            any = true;
        }
    });
    return any;
}

// Somebody whom we do not know has stopped a tracee by the host: it is to stop as a tracee does.
void take_over_host_stop(const TraceSession& session, TraceSlot& slot) {
    slot.asked |= asks::kSigstop | asks::kSwallowsCont;
    slot.sigstop_sender = slot.sigstop_code = 0;
    host_syscall(SYS_kill, static_cast<u64>(slot.tgid), SIGCONT);
    call_tracee(session, slot);
}

enum class Found : u8 { Nothing, Something, NoChildren, Again };

Found ask_host(TraceSession& session, const WaitRequest& request, Event& event, i64& error) {
    error = host_wait(request.kind, request.id, request.options | WNOHANG | WNOWAIT, event);
    if (error == -ECHILD) {
        return Found::NoChildren;
    }
    if (error != 0 || event.pid == 0) {
        return error != 0 ? Found::Something : Found::Nothing;
    }
    TraceSlot* const slot = slot_of_process(session, event.pid);
    if (slot != nullptr && is_end(event) &&
        end_threads(session, event.pid, static_cast<u32>(wait_status(event)))) {
        return Found::Again;
    }
    const bool keeps = (request.options & WNOWAIT) != 0;
    const bool is_ours = slot != nullptr && !is_end(event) && is_live(*slot);
    if (!keeps || is_ours) {
        const u64 what = is_end(event)                 ? WEXITED
                         : event.code == CLD_CONTINUED ? WCONTINUED
                                                       : WSTOPPED;
        const pid_t pid = event.pid;
        if (host_wait(P_PID, pid, what | WNOHANG | __WALL, event) != 0 || event.pid != pid) {
            return Found::Again; // another thread was faster
        }
    }
    if (is_ours) {
        if (!slot->listening && event.code == CLD_STOPPED) {
            take_over_host_stop(session, *slot);
        }
        return Found::Again;
    }
    if (slot != nullptr && !keeps) {
        slot->state = SlotState::Free;
    }
    return Found::Something;
}

// Only who is a child of ours is told of by the host; that it has ended, not that its threads have.
bool is_told_by_host(TraceSession& session, pid_t process) {
    Event end;
    if (host_wait(P_PID, process, WEXITED | WNOHANG | WNOWAIT | __WALL, end) != 0) {
        return false;
    }
    if (end.pid == process) {
        end_threads(session, process, static_cast<u32>(wait_status(end)));
    }
    return true;
}

// Processes that were killed had no time to tell.
void look_for_dead(TraceSession& session) {
    for_each_slot(session, [&](TraceSlot& slot) {
        const bool leads = slot.tid == slot.tgid || slot_of_process(session, slot.tgid) == nullptr;
        if (!leads || !(is_live(slot) || slot.state == SlotState::Claimed) || slot.tid == 0 ||
            is_alive(slot.tgid) || is_told_by_host(session, slot.tgid)) {
            return;
        }
        const u32 known = exit_status_of(slot.tgid);
        slot.code = known != 0 ? known : u32{SIGKILL};
        slot.unreported = 1;
        end_threads(session, slot.tgid, slot.code);
        slot.state = SlotState::Ended;
    });
}

// Tracees that the host stops have nobody who tells, either.
void look_for_host_stops(TraceSession& session) {
    for_each_slot(session, [&](TraceSlot& slot) {
        Event event;
        if (slot.tid == slot.tgid && slot.state == SlotState::Running && !slot.listening &&
            host_wait(P_PID, slot.tgid, WSTOPPED | WNOHANG | __WALL, event) == 0 &&
            event.pid == slot.tgid) {
            take_over_host_stop(session, slot);
        }
    });
}

// --- both

// A process that is about to end does so soon; of others the session's counter tells.
i64 sleep(TraceSession& session, const WaitRequest& request, u32 seen, int milliseconds) {
    TraceSlot* const leaving = find_slot(session, [&](const TraceSlot& slot) {
        return slot.state == SlotState::Leaving && (request.options & WEXITED) != 0 &&
               (request.kind != P_PID || request.id == slot.tid);
    });
    if (leaving != nullptr) {
        siginfo_t info;
        const i64 result =
            blocking_syscall(SYS_waitid, P_PID, static_cast<u64>(leaving->tgid),
                             reinterpret_cast<u64>(&info), WEXITED | WNOWAIT | __WALL);
        if (result == -ECHILD) {
            leaving->state = SlotState::Free;
        }
        return result;
    }
    const timespec time = {0, milliseconds * 1'000'000L};
    return blocking_syscall(SYS_futex, reinterpret_cast<u64>(&session.events), FUTEX_WAIT, seen,
                            reinterpret_cast<u64>(&time));
}

} // namespace

i64 wait_with_tracees(GuestThread& thread, const WaitRequest& request) {
    constexpr int kFirstLook = 10, kMostBetweenLooks = 50;
    TraceSession& session = *own_session();
    int interval = kFirstLook;
    while (true) {
        const u32 seen = session.events.load();
        bool waits_for_any = false;
        TraceSlot* const slot = find_slot(session, [&](const TraceSlot& each) {
            const bool is_meant = matches(request, thread, each);
            waits_for_any |= is_meant;
            return is_meant && has_news(request, each);
        });
        if (slot != nullptr) {
            return tell_news(request, *slot);
        }
        Event event;
        i64 error = 0;
        const Found found = ask_host(session, request, event, error);
        if (found == Found::Something) {
            return error != 0 ? error : tell(request, event);
        }
        if (found == Found::Again) {
            continue;
        }
        if (found == Found::NoChildren && !waits_for_any) {
            return -ECHILD;
        }
        look_for_host_stops(session);
        if ((request.options & WNOHANG) != 0) {
            look_for_dead(session);
            return tell_nothing(request);
        }
        const i64 slept = sleep(session, request, seen, interval);
        if (has_signal_work(thread)) {
            return kRestartSys;
        }
        if (slept == -ETIMEDOUT) {
            look_for_dead(session);
            interval = std::min(2 * interval, kMostBetweenLooks);
        }
    }
}

} // namespace ulna::user
