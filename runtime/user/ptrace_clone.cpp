#include "runtime/user/ptrace_clone.h"

#include <linux/ptrace.h>
#include <linux/sched.h>
#include <sched.h>

#include "runtime/user/ptrace_hardware.h"
#include "runtime/user/ptrace_tracee.h"

namespace ulna::user {

namespace {

// kernel_clone
u32 event_of(const CloneRequest& request) {
    if ((request.flags & CLONE_UNTRACED) != 0) {
        return 0;
    }
    if ((request.flags & CLONE_VFORK) != 0) {
        return PTRACE_EVENT_VFORK;
    }
    return request.exit_signal != SIGCHLD ? PTRACE_EVENT_CLONE : PTRACE_EVENT_FORK;
}

// A vfork that shares memory tells while the child runs (report_vfork).
bool tells_early(const CloneRequest& request) {
    return (request.flags & CLONE_VFORK) != 0 && (request.flags & CLONE_VM) != 0;
}

void know_child(const CloneRequest& request, pid_t child) {
    if (request.slot != nullptr) {
        request.slot->tid = child;
    }
}

} // namespace

u32 prepare_traced_child(const GuestThread& parent, CloneRequest& request) {
    if (!is_traced(parent)) {
        return 0;
    }
    const u32 wanted = event_of(request);
    const u32 event = wanted != 0 && is_event_wanted(parent, wanted) ? wanted : 0;
    if (event == 0 && (request.flags & CLONE_PTRACE) == 0) {
        return 0;
    }
    const TraceSlot& own = *parent.trace.slot;
    request.slot = parent.trace.session->claim_slot();
    if (request.slot != nullptr) {
        request.slot->tracer = own.tracer;
        request.slot->options = own.options.load();
        request.slot->seized = own.seized;
        request.slot->asked = own.seized ? asks::kInterrupt : asks::kSigstop;
    }
    return event;
}

void begin_traced_child(GuestThread& child, TraceSession& session, TraceSlot& slot) {
    child.trace = {};
    use_watchpoints(child, {}); // ptrace_hw_copy_thread
    begin_traced(child, session, slot);
}

void report_vfork(GuestThread& parent, const CloneRequest& request, pid_t child) {
    know_child(request, child);
    stop_for_event(parent, PTRACE_EVENT_VFORK, static_cast<u64>(child));
}

void finish_traced_clone(GuestThread& parent, const CloneRequest& request, u32 event, i64 result) {
    if (result < 0 && request.slot != nullptr) {
        request.slot->state = SlotState::Free;
    }
    if (result <= 0) { // 0: this is the child
        return;
    }
    if (!tells_early(request)) {
        know_child(request, static_cast<pid_t>(result));
        if (event != 0) {
            stop_for_event(parent, event, static_cast<u64>(result));
        }
    }
    if ((request.flags & CLONE_VFORK) != 0) {
        stop_for_event(parent, PTRACE_EVENT_VFORK_DONE, static_cast<u64>(result));
    }
}

} // namespace ulna::user
