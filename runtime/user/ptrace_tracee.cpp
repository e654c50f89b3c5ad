// How a thread comes to be traced, and how that ends.
#include "runtime/user/ptrace_tracee.h"

#include <linux/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "runtime/user/debugger.h"
#include "runtime/user/kernel_view.h"
#include "runtime/user/ptrace_calls.h"
#include "runtime/user/ptrace_hardware.h"
#include "runtime/user/signals_state.h"

namespace ulna::user {

namespace {

// Another process shares the memory of one that borrows it.
bool has_own_memory(const GuestThread& thread) { return !thread.signals->group->borrows_memory; }

void trace(GuestThread& thread, TraceSession& session, TraceSlot& slot) {
    thread.trace.session = &session;
    thread.trace.slot = &slot;
    thread.trace.mode = TraceMode::Run;
    if (has_own_memory(thread)) {
        report_signals(*thread.signals->table, Reported::All);
        show_guest_auxv();
        process().engine->allow_own_threads(false); // tracers list the threads
    }
}

} // namespace

void follow_call(GuestThread& thread) {
    TraceSlot* const slot = std::exchange(thread.trace.called_slot, nullptr);
    trace(thread, *thread.trace.called_session, *slot);
    slot->joined = 1;
    wake_futex(slot->joined);
}

void begin_traced(GuestThread& thread, TraceSession& session, TraceSlot& slot) {
    slot.tid = thread.tid;
    slot.tgid = getpid();
    trace(thread, session, slot);
    SlotState expected = SlotState::Claimed;
    slot.state.compare_exchange_strong(expected, SlotState::Running);
    thread.signals->interrupted = 1; // to the safe point where it is seen
}

void forget_tracer(GuestThread& thread) {
    TraceState& trace = thread.trace;
    const bool was_traced = is_traced(thread);
    use_breakpoints(thread, {});
    trace = {.called_session = trace.called_session,
             .called_slot = trace.called_slot,
             .asked_view = trace.asked_view, // the parent's would be the same
             .asked_file = trace.asked_file};
    if (is_called(thread) && trace.called_slot->tid != thread.tid) {
        trace.called_slot = nullptr; // that was the parent
    }
    use_watchpoints(thread, {});
    if (was_traced && has_own_memory(thread)) {
        report_signals(*thread.signals->table, Reported::Nothing);
        process().engine->allow_own_threads(true);
    }
}

// --- by the host's handler: what other processes of Ulna say

namespace {

void be_attached(GuestThread* thread, TraceSession& session, TraceSlot& slot) {
    const bool refuses = thread == nullptr || is_traced(*thread) || is_called(*thread) ||
                         process().debugger != nullptr;
    SlotState expected = SlotState::Claimed;
    const SlotState answer = refuses ? SlotState::Refused : SlotState::Running;
    if (slot.state.compare_exchange_strong(expected, answer) && !refuses) {
        thread->trace.called_session = &session;
        thread->trace.called_slot = &slot;
    }
    wake_futex(slot.state);
}

// A child offers its session; ours stays when there is one. The answer is what it is from now on.
void adopt(const GuestThread* thread, TraceSession& session, TraceSlot& answer) {
    if (own_session() == nullptr) {
        session.tracer = getpid();
        set_known_session(&session);
        if (thread != nullptr) { // the table's lock may be taken
            note_child_action(thread->signals->table->actions[SIGCHLD].flags);
        }
    }
    answer.message = static_cast<u64>(known_session()->id);
    answer.state = SlotState::Running;
    wake_futex(answer.state);
}

} // namespace

void hear_trace_call(GuestThread* thread, const siginfo_t& info) {
    TraceCallBody body;
    std::memcpy(&body, &info.si_value, sizeof body);
    const auto call = static_cast<TraceCall>(body.call);
    if (call == TraceCall::Show && thread != nullptr) {
        thread->trace.asked_file = body.slot;
        thread->trace.asked_view = body.session;
    }
    if (call == TraceCall::Look || call == TraceCall::Show) {
        return;
    }
    TraceSession* const session = map_session(body.session);
    if (session == nullptr || body.slot >= TraceSession::kSlots) {
        return;
    }
    if (call == TraceCall::Attach) {
        be_attached(thread, *session, session->slots[body.slot]);
    } else {
        adopt(thread, *session, session->slots[body.slot]);
    }
}

// --- ends

namespace {

void end_slot(TraceSession& session, TraceSlot& slot, u32 status) {
    const bool is_leader = slot.tid == slot.tgid;
    if (is_leader && getppid() == session.tracer) {
        slot.state = SlotState::Leaving;
        session.events.fetch_add(1);
        wake_futex(session.events);
        return;
    }
    slot.code = status;
    slot.unreported = 1;
    slot.state = SlotState::Ended;
    const bool killed = (status & 0x7f) != 0;
    announce(session, slot, killed ? CLD_KILLED : CLD_EXITED,
             static_cast<int>(killed ? status & 0x7f : status >> 8));
}

} // namespace

void report_thread_end(GuestThread& thread, u32 status) {
    TraceSlot* const slot = thread.trace.slot;
    TraceSession* const session = thread.trace.session;
    if (slot == nullptr || slot->tid == slot->tgid) { // a leader's end waits for the others'
        return;
    }
    use_breakpoints(thread, {});
    thread.trace = {};
    end_slot(*session, *slot, status);
}

void report_process_end(u32 status) {
    const pid_t process = getpid();
    for_each_session([=](TraceSession& session) {
        if (session.tracer == process) {
            close_session(session);
            return;
        }
        for_each_slot(session, [&](TraceSlot& slot) {
            if (slot.tgid == process && (is_live(slot) || slot.state == SlotState::Claimed)) {
                end_slot(session, slot, status);
            }
        });
    });
}

// --- over execve

TraceHandover trace_handover(const GuestThread& thread) {
    TraceHandover handover;
    if (is_traced(thread)) {
        handover.session = thread.trace.session->id;
        handover.slot = static_cast<int>(thread.trace.session->index_of(*thread.trace.slot));
    }
    if (const TraceSession* const own = own_session()) {
        handover.own = own->id;
    }
    return handover;
}

namespace {

// The other threads have not lived through execve, and the thread has its process's id now.
void take_over_slots(TraceSession& session, TraceSlot& own) {
    for_each_slot(session, [&](TraceSlot& slot) {
        if (&slot == &own || slot.tgid != own.tgid || !is_live(slot)) {
            return;
        }
        if (slot.tid == slot.tgid) {
            slot.state = SlotState::Free;
        } else {
            end_slot(session, slot, 0);
        }
    });
    own.tid = own.tgid;
}

} // namespace

void take_over_tracer(GuestThread& thread, const TraceHandover& handover) {
    if (handover.own >= 0) {
        set_known_session(map_session(handover.own));
    }
    TraceSession* const session = handover.session >= 0 ? map_session(handover.session) : nullptr;
    if (session == nullptr || session->closed) {
        return;
    }
    TraceSlot& slot = session->slots[handover.slot];
    thread.trace.tid_before_exec = slot.tid;
    take_over_slots(*session, slot);
    trace(thread, *session, slot);
}

} // namespace ulna::user
