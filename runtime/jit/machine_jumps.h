// Jump caches of a machine's CPU: without and with privilege one for each of the last few sets of
// tables (Engine::use_code_addresses), and one more while SP is misaligned: Linux adds a register
// to SP and takes it away again whenever an exception is taken, so that mode comes and goes all the
// time. Translated code looks at the current ones by CpuState::machine_jump_cache.
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

    static constexpr unsigned kMisalignedSp = kCodeSets; // of whatever tables are current

    static void clear(Cache& cache);
    [[nodiscard]] unsigned number_of_current(bool privileged) const {
        return sp_is_misaligned_[privileged] ? kMisalignedSp : set_[privileged];
    }
    [[nodiscard]] Cache& current(bool privileged) {
        return caches_[privileged][number_of_current(privileged)];
    }
    void show_current(bool privileged);
    void forget_cache(bool privileged, unsigned number);

    ir::CpuState* const state_; // no reference, so that EngineThread has standard layout
    Cache caches_[2][kCodeSets + 1];
    unsigned set_[2] = {};
    bool sp_is_misaligned_[2] = {};
};

} // namespace ulna::runtime
