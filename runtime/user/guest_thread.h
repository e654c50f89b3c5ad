// What every part of user mode shares: the process and its threads.
#pragma once

#include <array>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "ir/guest_state.h"
#include "runtime/debug/perf_files.h"
#include "runtime/engine.h"
#include "runtime/persist/persistent_cache.h"
#include "runtime/tier2/compile_service.h"
#include "runtime/tier2/policy.h"
#include "runtime/user/ptrace_state.h"
#include "runtime/user/seccomp_state.h"

namespace ulna::user {

class Debugger;       // debugger.h
class AddressSpace;   // address_space.h: guest mappings with guest permissions
struct ThreadSignals; // signals.h: mask, alternate stack, pending synchronous signal of one thread

// Settings of the command line and environment (command_line.h parses them).
struct Options {
    std::string program;           // path as given
    std::vector<std::string> args; // argv of the guest, argv[0] included
    std::vector<std::string> env;  // environment of the guest, "NAME=value"
    std::string sysroot;           // -L; empty: none
    std::string uname_release;     // -r; empty: the host's
    std::string cpu = "max";       // -cpu as given, and what it means
    frontend::CpuModel cpu_model = frontend::default_cpu();
    u64 stack_bytes = 8u << 20; // -s
    u64 reserved_bytes = 0;     // -R: of address space; 0: what suits the program
    u64 code_cache_mib = 0;     // -tb-size; 0: the engine's choice
    std::optional<u64> seed;    // -seed: random numbers that the guest gets are always the same
    std::string gdb;            // -g; empty: no debugger
    bool strace = false;
    bool stats = false;
    runtime::debug::PerfFiles perf;                    // -perfmap, -jitdump
    bool interpreter_engine = false;                   // --engine=interp
    bool tier0 = true;                                 // --tier0
    bool persistent_cache = true;                      // --no-cache
    std::string cache_directory;                       // --cache-dir; empty: the user's
    runtime::TierTwo tier2 = runtime::TierTwo::Server; // --tier2
    u32 log_items = 0;                                 // -d
    std::string log_file;                              // -D
    std::string log_filter;                            // -dfilter
};

struct Process {
    Options options;
    std::unique_ptr<runtime::PersistentCache> persistent; // null: none is kept
    std::unique_ptr<runtime::CompileService> tier2;       // null: there is none
    std::unique_ptr<runtime::Engine> engine;
    AddressSpace* space = nullptr;
    Debugger* debugger = nullptr; // -g; null: none
    std::string exe_path;         // absolute host path of the guest program: /proc/self/exe
    int exe_file = -1;            // a descriptor of it where that path does not lead to it
    std::vector<char> auxv;       // as on the guest's stack: /proc/self/auxv
    GuestAddr arg_start = 0, arg_end = 0, env_start = 0, env_end = 0; // /proc/self/cmdline, environ
    GuestAddr stack_start = 0;
    GuestAddr vdso_base = 0;
    GuestAddr sigreturn_trampoline = 0; // in the vDSO: mov x8, #139; svc #0
    std::string comm;                   // /proc/self/comm
};
[[nodiscard]] Process& process();

// A sleep that restart_syscall goes on with.
struct SleepState {
    int clock = -1; // there is none
    timespec until = {};
    GuestAddr left_at = 0; // where the guest wants to know what is left; 0: nowhere
};

struct GuestThread {
    ir::CpuState* cpu = nullptr;
    ThreadSignals* signals = nullptr;
    pid_t tid = 0;
    GuestAddr clear_child_tid = 0;
    bool tagged_addresses = false; // PR_TAGGED_ADDR_ENABLE
    SeccompState seccomp;
    TraceState trace; // as a tracee
    SleepState sleep;
    // Of the system call under way: its pointers as the guest gave them, for the check of their
    // tags; those without a tag are 0.
    std::array<GuestAddr, 6> tagged_arguments = {};
    bool exiting = false; // leave the run loop
    int exit_status = 0;
};
// The calling thread's guest thread; null on host-only threads.
[[nodiscard]] GuestThread* current_thread();

// Runs the guest until the thread ends. Dispatches syscalls, faults and signals. (thread.cpp)
void run_thread(GuestThread& thread);

} // namespace ulna::user
