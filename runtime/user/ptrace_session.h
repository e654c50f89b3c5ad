// ptrace(2): what a tracer and its tracees share.
//
// The host's ptrace knows neither the guest's registers nor its stops, so tracees cooperate: a
// thread that comes to a ptrace-stop does so where its guest state is whole, writes that into its
// slot of the tracer's session, and does what the tracer asks of it until it is resumed. A session
// is a System V segment: no descriptor that a guest could see or close, and its number is enough to
// find it again, in another process or after execve.
#pragma once

#include <atomic>
#include <csignal>
#include <functional>
#include <optional>

#include <sys/resource.h>
#include <sys/types.h>

#include "ir/guest_state.h"
#include "runtime/user/address_space.h"
#include "runtime/user/trace_hardware.h"

namespace ulna::user {

// What NT_PRSTATUS, NT_PRFPREG and the others show.
struct TraceRegisters {
    u64 x[31];
    u64 sp, pc, pstate;
    V128 v[32];
    u64 tls;
    u64 tag_control;  // as PR_GET_TAGGED_ADDR_CTRL, PR_PAC_GET_ENABLED_KEYS
    u64 enabled_keys; // or -errno
    u32 fpsr, fpcr;
    i32 syscall; // -1: none
    TraceBreakpoints breakpoints;
    TraceWatchpoints watchpoints;
};

enum class SlotState : u32 {
    Free,
    Claimed, // whose it is has not come by yet
    Refused, // nor will it
    Running,
    Stopped,
    Leaving, // the host's wait will report its end
    Ended,   // its end is to be reported from here
};

// How a stopped tracee goes on; None: it waits. Done: it has done the last thing, and waits.
enum class TraceCommand : u32 { None, Done, Read, Write, Forget, Query, Resume, Listen, Detach };

// What a stopped tracee is asked beside its memory, of `address`; `data` goes or comes.
enum class TraceQuery : u32 {
    OwnSignals,    // from the address'th on, of the thread's queue
    SharedSignals, // of its process's
    SeccompFilter, // the address'th; `data` begins with a u64: from which instruction on
    SeccompFlags,  // of the address'th
    ReadTags,      // of the granules from the address on, one byte each
    WriteTags,
};

// What a running tracee is to stop for.
namespace asks {
inline constexpr u32 kInterrupt = 1;    // PTRACE_EVENT_STOP
inline constexpr u32 kGroupStop = 2;    // with the signal in group_stop
inline constexpr u32 kSigstop = 4;      // SIGSTOP, of the slot's sigstop_*
inline constexpr u32 kSwallowsCont = 8; // the next SIGCONT is one of ours
inline constexpr u32 kExecTrap = 16;    // the program is new
} // namespace asks

struct alignas(kPageBytes) TraceSlot {
    static constexpr u64 kMostBytes = 1024;

    std::atomic<SlotState> state;
    pid_t tid, tgid;
    pid_t tracer; // the thread; 0: any of the process
    std::atomic<u32> options;
    std::atomic<u32> asked;
    pid_t sigstop_sender;
    int sigstop_code; // si_code
    bool seized;
    std::atomic<bool> listening;
    std::atomic<u32> joined; // a futex: the tracee has come by, no signal goes past the tracer

    // --- written by the tracee before it stops or ends
    std::atomic<u32> unreported; // to wait4
    u32 code;                    // a stop's exit code; the wait status of an end
    bool has_info;
    u64 message;
    siginfo_t info;
    u64 mask;
    rusage usage;
    TraceRegisters registers;

    // --- by the tracer while it is stopped
    bool registers_changed, mask_changed;
    std::atomic<TraceCommand> command; // a futex
    u32 request;                       // of ptrace, that resumes it
    u32 signal;
    u32 group_stop;    // a signal
    GuestAddr address; // of memory
    u64 bytes;         // in: wanted; out: done
    TraceQuery query;
    i64 answer; // to it: -errno, or what belongs to the query (ptrace_queries.h)
    u8 data[kMostBytes];
};
static_assert(sizeof(TraceSlot) == kPageBytes);

struct alignas(kPageBytes) TraceSession {
    static constexpr u32 kSlots = 4095;

    std::atomic<u32> events;          // a futex: there may be news for wait4
    int id;                           // shmget's
    pid_t tracer;                     // the process
    std::atomic<u32> used;            // slots from here on have never been used
    std::atomic<bool> closed;         // the tracer has ended
    std::atomic<bool> no_stop_signal; // SA_NOCLDSTOP

    TraceSlot slots[kSlots];

    // Null: all are taken.
    [[nodiscard]] TraceSlot* claim_slot();
    [[nodiscard]] u32 index_of(const TraceSlot& slot) const {
        return static_cast<u32>(&slot - slots);
    }
};

[[nodiscard]] inline bool is_live(const TraceSlot& slot) {
    const SlotState state = slot.state.load();
    return state == SlotState::Running || state == SlotState::Stopped;
}

// Calls use(slot) for each that is neither free nor refused, until it returns true.
template <class Use> TraceSlot* find_slot(TraceSession& session, Use use) {
    const u32 used = session.used.load();
    for (u32 i = 0; i < used; ++i) {
        TraceSlot& slot = session.slots[i];
        const SlotState state = slot.state.load();
        if (state != SlotState::Free && state != SlotState::Refused && use(slot)) {
            return &slot;
        }
    }
    return nullptr;
}

template <class Use> void for_each_slot(TraceSession& session, Use use) {
    find_slot(session, [&use](TraceSlot& slot) {
        use(slot);
        return false;
    });
}

// --- async-signal-safe, both
// Null: no memory, or no such session any more.
[[nodiscard]] TraceSession* make_session(pid_t tracer);
[[nodiscard]] TraceSession* map_session(int id);

// Calls use(session) for all that this process has seen.
void for_each_session(const std::function<void(TraceSession&)>& use);

// The session in which this process's tracees are; null: it has none.
[[nodiscard]] TraceSession* own_session();
// Made if there is none; null: no memory.
[[nodiscard]] TraceSession* need_own_session();
// Of a process that has one: its SIGCHLD has these flags from now on.
void note_child_action(u64 flags);
// What this process has as its session, or has inherited as its parent's.
[[nodiscard]] TraceSession* known_session();
void set_known_session(TraceSession* session);

// Who traces a thread, as far as this process knows: its own tracees, and its own threads.
struct TracedState {
    pid_t tracer = 0; // a thread; 0: nobody
    bool stopped = false;
};
[[nodiscard]] TracedState known_state(pid_t thread);

// --- futexes of sessions; milliseconds < 0: for ever
template <class T> void wake_futex(std::atomic<T>& word);
void wait_on_futex(std::atomic<TraceCommand>& word, TraceCommand seen, int milliseconds);

// --- calls from one Ulna process to another: a queued SIGTRAP, which is never blocked
enum class TraceCall : u32 {
    Look,   // at what is asked in your slot
    Attach, // the slot is yours
    Adopt,  // the session is the one of your tracees
    Show,   // a file of your /proc, in the segment (foreign_views.h)
};
inline constexpr int kTraceCallCode = -0x756c; // si_code
struct TraceCallBody {
    int session;
    u32 slot : 24;
    u32 call : 8;
};
static_assert(sizeof(TraceCallBody) == sizeof(sigval));
// 0 or -errno: the thread is none of Ulna's, which such a signal would end.
[[nodiscard]] i64 call_thread(pid_t process, pid_t thread, TraceCallBody body);
void call_tracee(const TraceSession& session, const TraceSlot& slot);

// --- news for the tracer: its wait4 looks, and it gets SIGCHLD with this code (CLD_*)
void announce(TraceSession& session, const TraceSlot& slot, int code, int status);
// What announce() sends is no siginfo of SIGCHLD yet: the kernel lets nobody send that.
void mend_child_signal(siginfo_t& info);

// Neither gone nor a zombie.
[[nodiscard]] bool is_alive(pid_t process);

} // namespace ulna::user
