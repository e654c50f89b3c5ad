#include "runtime/user/ptrace_tracer.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/user/ptrace_tracee.h"
#include "runtime/user/signals_state.h"

namespace ulna::user {

bool is_tracee_of(const TraceSlot& slot, const GuestThread& tracer) {
    const SlotState state = slot.state.load();
    return state != SlotState::Free && state != SlotState::Refused && slot.tid != 0 &&
           (slot.tracer == 0 || slot.tracer == tracer.tid);
}

TraceSlot* find_tracee(TraceSession& session, const GuestThread& tracer, pid_t tid) {
    return find_slot(session, [&](const TraceSlot& slot) {
        return slot.tid == tid && is_tracee_of(slot, tracer) &&
               (is_live(slot) || slot.state == SlotState::Claimed);
    });
}

namespace {

// False: the tracee has gone.
bool perform(TraceSlot& slot, TraceCommand command) {
    constexpr int kLook = 100;
    slot.command = command;
    wake_futex(slot.command);
    while (slot.command.load() == command) {
        wait_on_futex(slot.command, command, kLook);
        if (slot.command.load() == command && !is_alive(slot.tgid)) {
            return false;
        }
    }
    return true;
}

} // namespace

void await_detached(TraceSlot& slot) {
    constexpr int kLook = 1;
    while (slot.state.load() == SlotState::Running && slot.tracer == kNoTracer &&
           is_alive(slot.tgid)) {
        wait_on_futex(slot.command, TraceCommand::None, kLook);
    }
}

u64 access_tracee(TraceSlot& slot, TraceCommand command, GuestAddr at, void* data, u64 bytes) {
    slot.address = at;
    slot.bytes = std::min(bytes, TraceSlot::kMostBytes);
    if (command == TraceCommand::Write) {
        std::memcpy(slot.data, data, slot.bytes);
    }
    if (!perform(slot, command)) {
        return 0;
    }
    const u64 done = std::min(slot.bytes, bytes);
    if (command == TraceCommand::Read) {
        std::memcpy(data, slot.data, done);
    }
    return done;
}

i64 ask_tracee(TraceSlot& slot, TraceQuery query, u64 address, std::span<u8> data) {
    slot.query = query;
    slot.address = address;
    slot.bytes = std::min(data.size(), std::size_t{TraceSlot::kMostBytes});
    std::memcpy(slot.data, data.data(), slot.bytes);
    if (!perform(slot, TraceCommand::Query)) {
        return -ESRCH;
    }
    std::memcpy(data.data(), slot.data, slot.bytes);
    return slot.answer;
}

void forget_in_tracee(pid_t process, GuestAddr at, u64 bytes) {
    TraceSession* const session = own_session();
    TraceSlot* const slot =
        session == nullptr ? nullptr : find_slot(*session, [process](const TraceSlot& each) {
            return (each.tgid == process || each.tid == process) &&
                   each.state == SlotState::Stopped;
        });
    if (slot != nullptr) {
        slot->address = at;
        slot->bytes = bytes;
        perform(*slot, TraceCommand::Forget);
    }
}

bool sends_sigstop(pid_t process, pid_t thread) {
    bool sent = false;
    for_each_session([&](TraceSession& session) {
        TraceSlot* const slot =
            sent || session.closed ? nullptr : find_slot(session, [&](const TraceSlot& each) {
                return each.tracer != kNoTracer && is_live(each) &&
                       (process == 0 || each.tgid == process) &&
                       (thread == 0 || each.tid == thread);
            });
        if (slot != nullptr) {
            slot->sigstop_sender = getpid();
            slot->sigstop_code = thread != 0 ? SI_TKILL : SI_USER;
            slot->asked |= asks::kSigstop;
            call_tracee(session, *slot);
            sent = true;
        }
    });
    return sent;
}

} // namespace ulna::user
