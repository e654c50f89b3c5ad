// The sides of calls that wait for an answer.
#include "runtime/user/ptrace_calls.h"

#include <linux/futex.h>
#include <linux/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/user/ptrace_proc.h"
#include "runtime/user/signals_state.h"

namespace ulna::user {

namespace {

// Until the word has another value, or it takes too long.
template <class T> void await_change(const std::atomic<T>& word, T from, int milliseconds) {
    constexpr int kStep = 10;
    for (int waited = 0; waited < milliseconds && word.load() == from; waited += kStep) {
        const timespec step = {0, kStep * 1'000'000L};
        host_syscall(SYS_futex, reinterpret_cast<u64>(&word), FUTEX_WAIT, static_cast<u32>(from),
                     reinterpret_cast<u64>(&step));
    }
}

// Of a slot that has been Claimed; it stays so when nobody answers.
SlotState await_answer(const TraceSlot& slot, int milliseconds) {
    await_change(slot.state, SlotState::Claimed, milliseconds);
    return slot.state.load();
}

// A signal that says nothing but to look may have taken the place of one that calls.
constexpr int kTries = 5, kPatience = 400;

} // namespace

i64 attach_thread(const TraceSession& session, TraceSlot& slot) {
    const TraceCallBody body = {session.id, session.index_of(slot),
                                static_cast<u32>(TraceCall::Attach)};
    for (int i = 0; i < kTries; ++i) {
        if (const i64 error = call_thread(slot.tgid, slot.tid, body); error != 0) {
            return error;
        }
        if (is_host_stopped(slot.tid)) { // it answers when it goes on
            return 0;
        }
        const SlotState answer = await_answer(slot, kPatience);
        if (answer == SlotState::Running) {
            await_change(slot.joined, 0u, kPatience);
        }
        if (answer != SlotState::Claimed) {
            return answer == SlotState::Refused ? -EPERM : 0;
        }
    }
    return -EPERM;
}

namespace {

TraceSession* offer_session(pid_t parent) {
    TraceSession* const session = make_session(parent);
    TraceSlot* const slot = session == nullptr ? nullptr : session->claim_slot();
    if (slot == nullptr) {
        return nullptr;
    }
    for (int i = 0; i < kTries; ++i) {
        if (call_thread(
                parent, parent,
                {session->id, session->index_of(*slot), static_cast<u32>(TraceCall::Adopt)}) != 0) {
            return nullptr;
        }
        if (await_answer(*slot, kPatience) == SlotState::Running) {
            const int id = static_cast<int>(slot->message);
            slot->state = SlotState::Free;
            return map_session(id);
        }
    }
    return nullptr;
}

} // namespace

TraceSession* session_of_parent(const GuestThread& thread) {
    const pid_t parent = getppid();
    TraceSession* const known = known_session();
    if (known != nullptr && known->tracer == parent && !known->closed) {
        return known;
    }
    if (thread.signals->group->borrows_memory) { // which is the parent's
        set_known_session(make_session(parent));
        return known_session();
    }
    return offer_session(parent);
}

void close_session(TraceSession& session) {
    session.closed = true;
    for_each_slot(session, [](TraceSlot& slot) {
        if (!is_live(slot)) {
            return;
        }
        if ((slot.options & PTRACE_O_EXITKILL) != 0) {
            host_syscall(SYS_kill, static_cast<u64>(slot.tgid), SIGKILL);
        }
        if (slot.state == SlotState::Stopped) {
            slot.command = TraceCommand::Detach;
            wake_futex(slot.command);
        }
    });
}

} // namespace ulna::user
