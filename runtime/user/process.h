// The process as a whole: how it becomes another program, and what it passes on to itself when it
// does.
//
// execve of an Arm program executes this very file again. What the guest must not see travels in
// the host's argv: the options, and first arguments that mark the
// hand-over. The environment is
// passed unchanged.
#pragma once

#include <string>
#include <vector>

#include "runtime/user/guest_thread.h"
#include "runtime/user/ptrace_tracee.h"

namespace ulna::user {

// The hand-over argument, when argv[1] is one. The caller parses argv as usual from argc and argv,
// without applying environment variables when `active`: their effect is already in the options.
struct Handover {
    bool active = false;
    int argc;
    char** argv;
    std::vector<const char*> filters; // see take_over_filters
    int self_fd = -1;                 // our own file, when /proc may be out of reach
    int program_fd = -1;              // the program is open already: what to load
    TraceHandover trace;
    int blocked_signals = 0;    // by the host only: a set
    const char* name = nullptr; // the program's, as the guest wrote it; null: as in argv
};
[[nodiscard]] Handover take_handover(int argc, char** argv);

// Opens our own file while it is still reachable. Call once, early.
void init_process(const Handover& handover);
// After the program has been loaded and named: closes what only the loader needed, unless no name
// leads to the program.
void finish_handover(const Handover& handover);

// execveat(2) of the guest. Returns only -errno or kRestartNoIntr.
struct ExecRequest {
    int directory_fd;
    GuestAddr path, args, environment;
    u64 flags;
};
[[nodiscard]] i64 exec_guest(GuestThread& thread, const ExecRequest& request);

} // namespace ulna::user
