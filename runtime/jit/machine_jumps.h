// Jump caches of a machine's CPU: without and with privilege one for each of the last few sets of
// tables (Engine::use_code_addresses). Translated code looks at the current ones by
// CpuState::machine_jump_cache.
#pragma once

#include "ir/block_key.h"
#include "ir/guest_state.h"
#include "runtime/engine.h"
#include "runtime/jit/jump_cache.h"

namespace ulna::runtime {

class MachineJumps {
  public:
    explicit MachineJumps(ir::CpuState& state) : state_{&state} {}
    ~MachineJumps();
    MachineJumps(const MachineJumps&) = delete;
    MachineJumps& operator=(const MachineJumps&) = delete;

    void use(bool privileged, unsigned set);
    // Blocks of another mode that the current one of this mode's privilege has go. True: it was
    // another.
    bool use_mode(ir::BlockMode mode);
    void enter(GuestAddr pc, u64 host, bool privileged);
    void forget(bool privileged, unsigned set);
    void forget_all();
    void forget_block(GuestAddr pc);

  private:
    struct Cache {
        // kJumpCacheEntries of them, and kMachineVictims behind them.
        ir::JumpCacheEntry* entries = nullptr;
        u32 mode = ~u32{0};
        bool used = false;         // some entry is not empty
        bool victims_used = false; // likewise
        bool stale = false;        // to be cleared before it is used

        [[nodiscard]] JumpCache jumps() const {
            return {entries, entries + ir::kJumpCacheEntries, ir::kMachineVictims - 1};
        }
    };

    static void clear(Cache& cache);

    ir::CpuState* const state_; // no reference, so that EngineThread has standard layout
    Cache caches_[2][kCodeSets];
    unsigned current_[2] = {};
};

} // namespace ulna::runtime
