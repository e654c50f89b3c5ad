#include "runtime/user/ptrace_session.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>

#include "runtime/user/own_file.h"
#include "runtime/user/ptrace_proc.h"
#include "runtime/user/signals_state.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

namespace {

std::atomic<TraceSession*> g_session{nullptr};

// Sessions stay mapped, so that nothing has to know who still uses one; those whose tracer has
// ended give their place to others.
struct MappedSession {
    static constexpr int kNone = -1, kChanging = -2;
    std::atomic<int> id{kNone};
    std::atomic<TraceSession*> session{nullptr};
};
constinit std::array<MappedSession, 64> g_mapped;

TraceSession* remember(int id, TraceSession* session) {
    for (MappedSession& mapped : g_mapped) {
        const TraceSession* const before = mapped.session.load();
        int seen = mapped.id.load();
        const bool is_free =
            seen == MappedSession::kNone || (seen >= 0 && before != nullptr && before->closed);
        if (is_free && mapped.id.compare_exchange_strong(seen, MappedSession::kChanging)) {
            mapped.session.store(session);
            mapped.id.store(id);
            break;
        }
    }
    return session;
}

TraceSession* attach_segment(int id) {
    const i64 at = host_syscall(SYS_shmat, static_cast<u64>(id), 0, 0);
    return at < 0 && at > -4096 ? nullptr : reinterpret_cast<TraceSession*>(at);
}

void futex(const void* word, int operation, u32 value, const timespec* timeout) {
    host_syscall(SYS_futex, reinterpret_cast<u64>(word), static_cast<u64>(operation), value,
                 reinterpret_cast<u64>(timeout));
}

} // namespace

// --- sessions

TraceSession* make_session(pid_t tracer) {
    constexpr u64 kNoReserve = 010000; // SHM_NORESERVE
    const i64 id = host_syscall(SYS_shmget, IPC_PRIVATE, sizeof(TraceSession),
                                IPC_CREAT | kNoReserve | S_IRUSR | S_IWUSR);
    if (id < 0) {
        return nullptr;
    }
    TraceSession* const session = attach_segment(static_cast<int>(id));
    host_syscall(SYS_shmctl, static_cast<u64>(id), IPC_RMID, 0); // gone with its last user
    if (session == nullptr) {
        return nullptr;
    }
    session->id = static_cast<int>(id);
    session->tracer = tracer;
    return remember(session->id, session);
}

TraceSession* map_session(int id) {
    for (const MappedSession& mapped : g_mapped) {
        if (mapped.id.load() == id && mapped.session.load() != nullptr) {
            return mapped.session.load();
        }
    }
    TraceSession* const session = attach_segment(id);
    return session == nullptr ? nullptr : remember(id, session);
}

void for_each_session(const std::function<void(TraceSession&)>& use) {
    for (const MappedSession& mapped : g_mapped) {
        TraceSession* const session = mapped.session.load();
        if (session == nullptr) {
            break;
        }
        use(*session);
    }
}

TracedState known_state(pid_t thread) {
    TracedState state;
    for_each_session([&](TraceSession& session) {
        const TraceSlot* const slot =
            session.closed ? nullptr : find_slot(session, [thread](const TraceSlot& each) {
                return each.tid == thread && each.tracer >= 0 && is_live(each);
            });
        if (slot != nullptr) {
            state.tracer = slot->tracer != 0 ? slot->tracer : session.tracer;
            state.stopped = slot->state == SlotState::Stopped;
        }
    });
    return state;
}

TraceSession* known_session() { return g_session.load(); }
void set_known_session(TraceSession* session) { g_session.store(session); }

TraceSession* own_session() {
    TraceSession* const session = g_session.load();
    return session != nullptr && session->tracer == getpid() ? session : nullptr;
}

TraceSession* need_own_session() {
    if (own_session() == nullptr) {
        set_known_session(make_session(getpid()));
    }
    return own_session();
}

void note_child_action(u64 flags) {
    if (TraceSession* const session = own_session()) {
        session->no_stop_signal = (flags & SA_NOCLDSTOP) != 0;
    }
}

TraceSlot* TraceSession::claim_slot() {
    for (u32 i = 0; i < kSlots; ++i) {
        SlotState expected = SlotState::Free;
        if (!slots[i].state.compare_exchange_strong(expected, SlotState::Claimed)) {
            continue;
        }
        for (u32 seen = used.load(); seen <= i && !used.compare_exchange_weak(seen, i + 1);) {
        }
        TraceSlot& slot = slots[i];
        slot.tid = slot.tgid = slot.tracer = slot.sigstop_sender = slot.sigstop_code = 0;
        slot.options = 0;
        slot.asked = 0;
        slot.joined = 0;
        slot.unreported = 0;
        slot.listening = false;
        slot.seized = false;
        slot.has_info = slot.registers_changed = slot.mask_changed = false;
        slot.message = 0;
        slot.command = TraceCommand::None;
        return &slot;
    }
    return nullptr;
}

// --- futexes

template <class T> void wake_futex(std::atomic<T>& word) {
    static_assert(sizeof word == sizeof(u32));
    futex(&word, FUTEX_WAKE, static_cast<u32>(INT32_MAX), nullptr);
}
template void wake_futex(std::atomic<u32>&);
template void wake_futex(std::atomic<SlotState>&);
template void wake_futex(std::atomic<TraceCommand>&);

void wait_on_futex(std::atomic<TraceCommand>& word, TraceCommand seen, int milliseconds) {
    const timespec time = {milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
    futex(&word, FUTEX_WAIT, static_cast<u32>(seen), milliseconds < 0 ? nullptr : &time);
}

// --- calls

i64 call_thread(pid_t process, pid_t thread, TraceCallBody body) {
    const i64 error = process == getpid() ? 0 : find_ulna_thread(thread);
    if (error != 0) {
        return error;
    }
    siginfo_t info = {};
    info.si_signo = SIGTRAP;
    info.si_code = kTraceCallCode;
    info.si_pid = getpid();
    std::memcpy(&info.si_value, &body, sizeof body);
    return host_syscall(SYS_rt_tgsigqueueinfo, static_cast<u64>(process), static_cast<u64>(thread),
                        SIGTRAP, reinterpret_cast<u64>(&info));
}

void call_tracee(const TraceSession& session, const TraceSlot& slot) {
    [[maybe_unused]] const i64 gone =
        call_thread(slot.tgid, slot.tid,
                    {session.id, session.index_of(slot), static_cast<u32>(TraceCall::Look)});
}

// --- news

namespace {
// si_code is this minus CLD_*; the fields are where SIGCHLD has them.
constexpr int kChildCode = -0x7570, kMostChildCode = 6;
static_assert(offsetof(siginfo_t, si_value) == offsetof(siginfo_t, si_status));
} // namespace

void announce(TraceSession& session, const TraceSlot& slot, int code, int status) {
    session.events.fetch_add(1);
    wake_futex(session.events);
    if (session.no_stop_signal && (code == CLD_TRAPPED || code == CLD_STOPPED)) {
        return;
    }
    siginfo_t info = {};
    info.si_signo = SIGCHLD;
    info.si_code = kChildCode - code;
    info.si_pid = slot.tid;
    info.si_uid = getuid();
    info.si_status = status;
    host_syscall(SYS_rt_sigqueueinfo, static_cast<u64>(session.tracer), SIGCHLD,
                 reinterpret_cast<u64>(&info));
}

void mend_child_signal(siginfo_t& info) {
    if (info.si_signo == SIGCHLD && info.si_code < kChildCode &&
        info.si_code >= kChildCode - kMostChildCode) {
        info.si_code = kChildCode - info.si_code;
    }
}

bool is_alive(pid_t process) {
    return host_syscall(SYS_kill, static_cast<u64>(process), 0) != -ESRCH && !is_zombie(process);
}

} // namespace ulna::user
