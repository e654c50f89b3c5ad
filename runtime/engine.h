// Runs guest code: looks blocks up, translates what is missing, links, invalidates. One engine
// serves all guest threads of a process. It knows nothing of Linux: exits it can't handle itself go
// to its caller.
#pragma once

#include <memory>
#include <string>

#include "backend/backend.h"
#include "frontend/frontend.h"
#include "ir/guest_state.h"

namespace ulna::runtime {

enum class EngineKind : u8 { Jit, Interpreter };

// Sets of tables whose code a machine's CPU remembers, for each privilege.
inline constexpr unsigned kCodeSets = 16;

class PersistentCache; // persist/persistent_cache.h
class CompileService;  // tier2/compile_service.h

// When a block is compiled again by tier 2.
enum class TierTwoPolicy : u8 {
    Hot,    // when much time was spent there, by then in the background
    Always, // at once, and again with what follows it: for tests
    Twice,  // the same, and each region takes the place of one that is made before: for tests
};

struct EngineConfig {
    EngineKind kind = EngineKind::Jit;
    frontend::CodeSource* code = nullptr; // must be callable from any guest thread
    frontend::TranslateOptions translate;
    backend::CompileOptions compile;
    bool passes = true;
    bool tier0 = false; // the JIT's: what is executed for the first time is interpreted
    PersistentCache* persistent = nullptr; // null: none; the JIT's only, and outlives the engine
    CompileService* tier2 = nullptr;       // null: no tier 2; as persistent
    TierTwoPolicy tier2_policy = TierTwoPolicy::Hot;
    // Tests put tier 2 in the place of tier 1.
    std::unique_ptr<backend::Backend> (*make_backend)(std::string& why_not) =
        backend::make_host_backend;
    // How many floating-point traps in quick succession a process takes before all new code looks
    // at results instead; 0: from the start (BlockMode::kTrapsFp).
    u32 fp_trap_budget = 1000;
    u64 code_cache_bytes = 256u << 20; // reserved address space; memory is committed as used
};

class Engine {
  public:
    // Returns null and a reason when the host lacks what the JIT needs; callers fall back to
    // Interpreter.
    [[nodiscard]] static std::unique_ptr<Engine> create(const EngineConfig& config,
                                                        std::string& why_not);
    virtual ~Engine() = default;

    // Allocates a thread's CpuState with its return stack; all-zero architectural state.
    [[nodiscard]] virtual ir::CpuState* new_thread() = 0;
    virtual void delete_thread(ir::CpuState* state) = 0;

    // Runs until something the engine does not handle: Svc, Undefined, Breakpoint, Safepoint,
    // FetchFault, Fault, Alignment, Mops, TagCheckLoad, TagCheckStore, Watchpoint, PacFail,
    // BranchTarget, MisalignedPc, SpAlignment, Halt. Lookup, InvalidateCache and ContextSync are
    // handled inside.
    [[nodiscard]] virtual ir::ExitReason run(ir::CpuState& state) = 0;

    // The same for the one instruction at pc, as `code` shows it: for debuggers. It is interpreted.
    // Lookup: it leads to the next one.
    [[nodiscard]] virtual ir::ExitReason step(ir::CpuState& state, frontend::CodeSource& code) = 0;

    // From here on all threads run blocks with these bits of BlockMode as well, and no older ones.
    // kBti: before the first page with CodeSource::guarded_word can be executed. kShared: before
    // anybody but one thread can see the guest's memory. Callable often, outside run().
    virtual void add_mode(u32 bits) = 0;
    // From here on there are allocation tags, at this place (BlockMode::kTags). Called before the
    // first page that has some can be accessed; often, with the same tables.
    virtual void set_tag_memory(const ir::TagMemory& memory) = 0;

    // Forgets translations of [start, start + bytes). Other threads stop using them at their next
    // safe point at the latest; the calling thread at once. Callable from any thread outside run().
    virtual void invalidate(GuestAddr start, u64 bytes) = 0;

    // Of a machine: which tables say from now on where pages of code are, at EL0 or above it: the
    // caller numbers those whose pages it remembers, below kCodeSets. On the thread that runs the
    // virtual CPU, outside run().
    virtual void use_code_addresses(ir::CpuState& state, bool privileged, unsigned set) = 0;
    // Where pages of code are by these tables, current or not, may have changed.
    virtual void forget_code_addresses(ir::CpuState& state, bool privileged, unsigned set) = 0;

    // Of a machine: the next block that run() executes is one with BlockMode::kNoRanges.
    virtual void run_without_ranges(ir::CpuState& state) = 0;

    // Makes a thread leave run() with Safepoint soon. Async-signal-safe, callable from any thread.
    virtual void request_safepoint(ir::CpuState& state) = 0;

    // For the host's SIGSEGV/SIGBUS/SIGFPE/SIGILL/SIGTRAP handler, on the faulting thread. True:
    // the fault came from a guest access; state is exact, the context now continues by leaving
    // run() with Fault (or the return stack overflowed, floating point trapped, or a forked child
    // needed code of its parent, and the context just goes on: `resumed` is set). False: not guest
    // code.
    virtual bool on_host_fault(int signal, void* ucontext, ir::CpuState& state, bool& resumed) = 0;

    // True when the context is inside translated code or its stubs.
    [[nodiscard]] virtual bool in_translated_code(const void* ucontext) const = 0;

    // Ends what threads the engine has of its own: the guest wants to be alone in its process for
    // its next system call.
    virtual void stop_own_threads() {}
    // Not allowed: none comes back either.
    virtual void allow_own_threads(bool) {}
    // The id of the one that runs, 0 if there is none: nobody's but the engine's.
    [[nodiscard]] virtual pid_t own_thread() const { return 0; }

    // Around a guest fork that does not share memory: no lock is held in the child, and only the
    // calling thread exists there.
    virtual void before_fork() = 0;
    virtual void after_fork(bool in_child) = 0;

    // Human-readable counters for --stats.
    [[nodiscard]] virtual std::string stats() const = 0;
};

} // namespace ulna::runtime
