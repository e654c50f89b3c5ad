#include "runtime/jit/machine_jumps.h"

#include <cstring>
#include <utility>

namespace ulna::runtime {

MachineJumps::~MachineJumps() {
    for (const auto& of_privilege : caches_) {
        for (const Cache& cache : of_privilege) {
            delete[] cache.entries;
        }
    }
}

// An all-zero entry is as good as empty, except where a branch to address 0 would find it.
void MachineJumps::clear(Cache& cache) {
    if (cache.used) {
        std::memset(cache.entries, 0, ir::kJumpCacheEntries * sizeof(ir::JumpCacheEntry));
        cache.entries[0] = no_jump(0);
    }
    if (cache.victims_used) {
        std::memset(cache.jumps().victims, 0, ir::kMachineVictims * sizeof(ir::JumpCacheEntry));
    }
    cache.used = cache.victims_used = cache.stale = false;
}

void MachineJumps::use(bool privileged, unsigned set) {
    forget_cache(privileged, kMisalignedSp);
    set_[privileged] = set;
    show_current(privileged);
}

// To translated code.
void MachineJumps::show_current(bool privileged) {
    Cache& cache = current(privileged);
    if (cache.entries == nullptr) {
        cache.entries = new ir::JumpCacheEntry[ir::kJumpCacheEntries + ir::kMachineVictims];
        cache.used = cache.victims_used = true; // with whatever was there
        cache.stale = true;
    }
    if (cache.stale) {
        clear(cache);
    }
    state_->machine_jump_cache[privileged] = cache.entries;
}

bool MachineJumps::use_mode(ir::BlockMode mode) {
    const bool privileged = mode.privileged();
    if (std::exchange(sp_is_misaligned_[privileged], mode.misaligned_sp()) !=
        mode.misaligned_sp()) {
        show_current(privileged);
    }
    Cache& cache = current(privileged);
    if (std::exchange(cache.mode, mode.bits) == mode.bits) {
        return false;
    }
    clear(cache);
    return true;
}

void MachineJumps::enter(GuestAddr pc, u64 host, bool privileged) {
    Cache& cache = current(privileged);
    cache.victims_used |= cache.jumps().enter(pc, host);
    cache.used = true;
}

void MachineJumps::forget_cache(bool privileged, unsigned number) {
    Cache& cache = caches_[privileged][number];
    cache.stale = cache.used;
    if (number == number_of_current(privileged)) {
        clear(cache);
    }
}

void MachineJumps::forget(bool privileged, unsigned set) {
    forget_cache(privileged, set);
    forget_cache(privileged, kMisalignedSp);
}

void MachineJumps::forget_all() {
    for (const bool privileged : {false, true}) {
        for (unsigned number = 0; number <= kMisalignedSp; ++number) {
            forget_cache(privileged, number);
        }
    }
}

void MachineJumps::forget_block(GuestAddr pc) {
    for (auto& of_privilege : caches_) {
        for (Cache& cache : of_privilege) {
            if (cache.used && !cache.stale) {
                cache.jumps().forget(pc);
            }
        }
    }
}

} // namespace ulna::runtime
