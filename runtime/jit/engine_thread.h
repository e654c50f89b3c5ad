// One guest thread as the engine sees it, and the list of all of them with the epochs by which
// translated code is retired.
//
// A thread is *active* while it may use an address of translated code: from the look-up before it
// enters until it is back in the dispatcher. (Its return stack and jump cache keep addresses while
// it is not; they are dropped before use when the generation has changed.) It notes the generation
// in which it became active; what was retired in generation g is reused only when no thread is
// active in g or before.
#pragma once

#include <atomic>
#include <csetjmp>
#include <mutex>

#include "backend/code_places.h"
#include "ir/block_key.h"
#include "ir/guest_state.h"
#include "runtime/jit/machine_jumps.h"
#include "runtime/jit/raw_mutex.h"

namespace ulna::runtime {

class Engine;

// Bits of CpuState::pending.
inline constexpr u32 kPendingSafepoint = ir::kPendingRequest; // Engine::request_safepoint
inline constexpr u32 kPendingFlush = 2;  // drop frames and cached host addresses
inline constexpr u32 kPendingSample = 4; // say where you are (tier2/sampler.h)

struct EngineThread {
    ir::CpuState state;              // first: thread_of() relies on it
    backend::CodePlaces code_places; // of the current sets of tables
    MachineJumps machine_jumps{state};
    Engine* engine = nullptr;

    std::atomic<u64> active_generation{0}; // 0: not active
    u64 seen_generation = 0;               // the jump cache holds addresses of this generation,
    u32 seen_mode = ~0u;                   // of blocks with this mode
    u32 current_mode = ~0u;                // in a machine, of the blocks that run
    bool jump_cache_used = false;          // false: it is empty
    bool victim_cache_used = false;        // likewise
    bool guarded_jump_cache_used = false;
    bool branches_set_btype = false; // some mode so far had BlockMode::bti

    bool no_ranges_next = false; // the next block is to be one with BlockMode::kNoRanges

    // Set by the fault handler for the dispatcher: this instruction used a tagged pointer.
    GuestAddr tagged_access_pc = ir::kNoPc;

    // While IR is interpreted: where a faulting access continues.
    std::jmp_buf fault_landing;
    std::atomic<bool> interpreting{false};

    // Counted here because they are hot: see Engine::stats.
    u64 entries = 0, indirect_misses = 0;

    u64 return_stack_top = 0;
    u64 guard_low = 0, guard_high = 0; // the page below the return stack
    EngineThread* next = nullptr;
    EngineThread* previous = nullptr;
    bool registered = false;

    // Forgets every host address the thread holds: jump cache and return stack. It is not in
    // translated code.
    void drop_host_addresses();
    void drop_frames() { state.return_stack_current = state.return_stack; }
    void clear_jump_cache();
    void clear_guarded_jump_cache();
    void cache_jump(GuestAddr pc, u64 host, unsigned btype);
    // As Engine's.
    void use_code_addresses(bool privileged, unsigned set);
    void forget_code_addresses(bool privileged, unsigned set);
    // Drops the entry of one block.
    void forget_jump(GuestAddr pc);

    // Memory for state and return stack; null when there is none.
    [[nodiscard]] static EngineThread* allocate();
    static void release(EngineThread* thread);
};

static_assert(offsetof(EngineThread, code_places) == backend::CodePlaces::kOffset);

[[nodiscard]] inline EngineThread& thread_of(ir::CpuState& state) {
    return reinterpret_cast<EngineThread&>(state);
}

[[nodiscard]] inline std::atomic_ref<u32> pending_of(ir::CpuState& state) {
    return std::atomic_ref<u32>{state.pending};
}

class ThreadRegistry {
  public:
    void add(EngineThread& thread);
    void remove(EngineThread& thread);

    // Makes the thread active; returns the generation it sees.
    u64 enter(EngineThread& thread);
    void leave(EngineThread& thread) {
        thread.active_generation.store(0, std::memory_order_release);
    }

    [[nodiscard]] u64 generation() const { return generation_.load(); }
    // After the new generation's structures are in place.
    void publish_generation(u64 number) { generation_.store(number); }
    // The oldest generation a thread is active in; ~0 when none is.
    [[nodiscard]] u64 oldest_active();

    // Returns how many threads did not have all of the bits before.
    u32 flag_all(u32 pending_bits, const EngineThread* except = nullptr);

    // Calls visit(thread) for every thread.
    template <class Visit> void for_each(Visit visit) {
        const std::lock_guard lock{mutex_};
        for (EngineThread* thread = first_; thread != nullptr; thread = thread->next) {
            visit(*thread);
        }
    }

    void lock_for_fork() { mutex_.lock(); }
    void unlock_after_fork() { mutex_.unlock(); }
    // In a forked child, with the lock held.
    void keep_only(EngineThread* thread);

  private:
    RawMutex mutex_; // the list; taken after the translation lock, and by the sampler
    EngineThread* first_ = nullptr;
    std::atomic<u64> generation_{1};
};

} // namespace ulna::runtime
