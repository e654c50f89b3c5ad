// Whoever compiles regions: the server process, or the compiler itself in tests.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "runtime/jit/engine_thread.h"

namespace ulna::runtime {

// Something else than waiting is to be done in the thread, like calling a signal's handler.
[[nodiscard]] inline bool is_wanted_elsewhere(ir::CpuState& thread) {
    return (pending_of(thread).load(std::memory_order_relaxed) & kPendingSafepoint) != 0;
}

class CompileService {
  public:
    virtual ~CompileService() = default;

    // Hands over an encoded CompileRequest; the higher the priority, the sooner it is compiled.
    // False: it cannot be, now or ever (see is_gone).
    [[nodiscard]] virtual bool submit(u64 job, std::span<const u8> request, u32 priority) = 0;

    struct Finished {
        u64 job = 0;
        std::vector<u8> answer; // an encoded CompileAnswer; empty: there is none
    };
    // Some job that is done. With a thread that waits, waits for one, unless no job is under way or
    // the thread is wanted elsewhere.
    [[nodiscard]] virtual std::optional<Finished> take_finished(ir::CpuState* waits) = 0;

    // There will be no more answers; the guest goes on without.
    [[nodiscard]] virtual bool is_gone() const { return false; }
    // In a forked child: jobs under way are the parent's.
    virtual void after_fork_in_child() = 0;
};

} // namespace ulna::runtime
