#include "runtime/jit/engine_thread.h"

#include <cstring>
#include <new>
#include <sys/mman.h>

#include "ir/support/check.h"
#include "runtime/jit/jump_cache.h"

namespace ulna::runtime {

namespace {

// One mapping per thread: guard | return stack | guard | EngineThread. 128 Ki nested guest calls;
// deeper recursion only loses return prediction.
constexpr u64 kPage = 4096;
constexpr u64 kReturnStackBytes = 1u << 20;
constexpr u64 kStackAt = kPage;
constexpr u64 kThreadAt = kStackAt + kReturnStackBytes + kPage;
constexpr u64 kThreadBytes = (sizeof(EngineThread) + kPage - 1) / kPage * kPage;
constexpr u64 kMappingBytes = kThreadAt + kThreadBytes;

[[nodiscard]] JumpCache jump_cache(ir::CpuState& state) {
    return {state.jump_cache, state.victim_cache, ir::kJumpCacheEntries - 1};
}
[[nodiscard]] u64 guarded_index(GuestAddr pc) {
    return pc >> 2 & (ir::kGuardedJumpCacheEntries - 1);
}
[[nodiscard]] ir::JumpCacheEntry&
guarded_jump_entry(ir::CpuState& state, GuestAddr pc, unsigned btype) {
    return state.guarded_jump_cache[btype - 1][guarded_index(pc)];
}

} // namespace

void EngineThread::drop_host_addresses() {
    clear_jump_cache();
    machine_jumps.forget_all();
    code_places.forget(false);
    code_places.forget(true);
    drop_frames();
}

// An all-zero entry is as good as empty, except where a branch to address 0 would find it.
void EngineThread::clear_jump_cache() {
    if (jump_cache_used) {
        std::memset(state.jump_cache, 0, sizeof state.jump_cache);
        jump_cache_used = false;
    }
    if (victim_cache_used) {
        std::memset(state.victim_cache, 0, sizeof state.victim_cache);
        victim_cache_used = false;
    }
    state.jump_cache[0] = no_jump(0);
    clear_guarded_jump_cache();
}

void EngineThread::clear_guarded_jump_cache() {
    if (guarded_jump_cache_used) {
        std::memset(state.guarded_jump_cache, 0, sizeof state.guarded_jump_cache);
        guarded_jump_cache_used = false;
    }
    if (branches_set_btype) {
        for (auto& table : state.guarded_jump_cache) {
            table[0] = no_jump(0);
        }
    }
}

void EngineThread::use_code_addresses(bool privileged, unsigned set) {
    machine_jumps.use(privileged, set);
    code_places.forget(privileged);
    current_mode = ~0u; // blocks of another may be what is kept of these tables
    if (!privileged) {
        clear_guarded_jump_cache();
    }
    drop_frames();
}

void EngineThread::forget_code_addresses(bool privileged, unsigned set) {
    machine_jumps.forget(privileged, set);
    code_places.forget(privileged);
    if (!privileged) {
        clear_guarded_jump_cache();
    }
    drop_frames();
}

void EngineThread::cache_jump(GuestAddr pc, u64 host, unsigned btype) {
    if (btype != 0) {
        guarded_jump_entry(state, pc, btype) = {pc, host};
        guarded_jump_cache_used = true;
        return;
    }
    victim_cache_used |= jump_cache(state).enter(pc, host);
    jump_cache_used = true;
}

void EngineThread::forget_jump(GuestAddr pc) {
    if (jump_cache_used) {
        jump_cache(state).forget(pc);
    }
    machine_jumps.forget_block(pc);
    for (unsigned btype = 1; guarded_jump_cache_used && btype <= 3; ++btype) {
        if (ir::JumpCacheEntry& entry = guarded_jump_entry(state, pc, btype);
            entry.guest_pc == pc) {
            entry = no_jump(guarded_index(pc));
        }
    }
}

EngineThread* EngineThread::allocate() {
    void* const memory =
        mmap(nullptr, kMappingBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return nullptr;
    }
    u8* const base = static_cast<u8*>(memory);
    if (mprotect(base + kStackAt, kReturnStackBytes, PROT_READ | PROT_WRITE) != 0 ||
        mprotect(base + kThreadAt, kThreadBytes, PROT_READ | PROT_WRITE) != 0) {
        munmap(memory, kMappingBytes);
        return nullptr;
    }
    // Default-initialised on purpose: the jump cache stays untouched zero pages until it is used.
    auto* const thread = new (base + kThreadAt) EngineThread;
    thread->guard_low = reinterpret_cast<u64>(base);
    thread->guard_high = thread->guard_low + kPage;
    thread->return_stack_top = reinterpret_cast<u64>(base) + kStackAt + kReturnStackBytes;
    thread->clear_jump_cache();
    return thread;
}

void EngineThread::release(EngineThread* thread) {
    thread->~EngineThread();
    munmap(reinterpret_cast<u8*>(thread) - kThreadAt, kMappingBytes);
}

void ThreadRegistry::add(EngineThread& thread) {
    const std::lock_guard lock{mutex_};
    thread.next = first_;
    thread.previous = nullptr;
    if (first_ != nullptr) {
        first_->previous = &thread;
    }
    first_ = &thread;
    thread.registered = true;
}

void ThreadRegistry::remove(EngineThread& thread) {
    const std::lock_guard lock{mutex_};
    if (!thread.registered) {
        return;
    }
    (thread.previous != nullptr ? thread.previous->next : first_) = thread.next;
    if (thread.next != nullptr) {
        thread.next->previous = thread.previous;
    }
    thread.registered = false;
}

u64 ThreadRegistry::enter(EngineThread& thread) {
    u64 generation = generation_.load();
    for (;;) {
        // Sequentially consistent against oldest_active: either it sees us active, or we see its
        // generation.
        thread.active_generation.store(generation);
        const u64 now = generation_.load();
        if (now == generation) {
            return generation;
        }
        generation = now;
    }
}

u64 ThreadRegistry::oldest_active() {
    const std::lock_guard lock{mutex_};
    u64 oldest = ~u64{0};
    for (EngineThread* thread = first_; thread != nullptr; thread = thread->next) {
        const u64 generation = thread->active_generation.load();
        if (generation != 0 && generation < oldest) {
            oldest = generation;
        }
    }
    return oldest;
}

u32 ThreadRegistry::flag_all(u32 pending_bits, const EngineThread* except) {
    const std::lock_guard lock{mutex_};
    u32 changed = 0;
    for (EngineThread* thread = first_; thread != nullptr; thread = thread->next) {
        if (thread != except) {
            const u32 before = pending_of(thread->state).fetch_or(pending_bits);
            changed += (before & pending_bits) != pending_bits;
        }
    }
    return changed;
}

void ThreadRegistry::keep_only(EngineThread* thread) {
    for (EngineThread* other = first_; other != nullptr; other = other->next) {
        other->registered = other == thread;
    }
    first_ = thread;
    if (thread != nullptr) {
        thread->next = thread->previous = nullptr;
        thread->registered = true;
    }
}

} // namespace ulna::runtime
