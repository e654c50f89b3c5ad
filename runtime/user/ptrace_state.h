// A thread's part of ptrace(2), which every thread has at hand.
#pragma once

#include <array>

#include <sys/types.h>

#include "ir/watchpoints.h"
#include "runtime/user/trace_hardware.h"

namespace ulna::user {

struct TraceSession; // ptrace_session.h
struct TraceSlot;

// How a tracee runs until its next stop.
enum class TraceMode : u8 { Run, Syscalls, Step, Emulate, EmulateStep };

struct TraceState {
    TraceSession* session = nullptr;
    TraceSlot* slot = nullptr; // null: it is not traced
    TraceMode mode = TraceMode::Run;
    bool entered_handler = false; // since the last step
    i32 call = -1;                // the system call under way, which its tracer may change
    pid_t tid_before_exec = 0;    // of a program that is new
    TraceBreakpoints breakpoints;
    TraceWatchpoints watchpoints; // and what they are about
    std::array<ir::WatchedRange, kTraceWatchpoints> watched;
    // Written by the host's handler: whose it is from its next safe point on.
    TraceSession* called_session = nullptr;
    TraceSlot* called_slot = nullptr;
    // A file of /proc that another process asks for (foreign_views.h): a segment, -1 for none.
    int asked_view = -1;
    u32 asked_file = 0;
};

} // namespace ulna::user
