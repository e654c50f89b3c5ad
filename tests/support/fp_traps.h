// Floating-point traps of translated code (BlockMode::traps_fp) in tests that run it without a
// runtime.
#pragma once

#include <csignal>
#include <ucontext.h>

#include "backend/backend.h"

namespace ulna::test {

inline ir::CpuState* fp_trap_state = nullptr;
inline unsigned long fp_traps = 0;

inline void on_fp_trap(int signal, siginfo_t*, void* context) {
    if (signal == SIGFPE) {
        ++fp_traps;
        (void)backend::resolve_fp_trap(context, *fp_trap_state);
    } else {
        backend::finish_fp_step(context, *fp_trap_state);
    }
}

// What `state`'s code raises from here on is resolved. Called before each run: the test framework
// takes these signals, too.
inline void handle_fp_traps(ir::CpuState& state) {
    fp_trap_state = &state;
    struct sigaction action {};
    action.sa_sigaction = on_fp_trap;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (const int signal : {SIGFPE, SIGTRAP}) {
        sigaction(signal, &action, nullptr);
    }
}

} // namespace ulna::test
