#include "runtime/system/table_walk.h"

#include <algorithm>

namespace ulna::system {

namespace {

u64 in_order(u64 value, bool big_endian) { return big_endian ? __builtin_bswap64(value) : value; }

} // namespace

std::optional<u64>
read_descriptor(const devices::PhysicalMemory& memory, PhysAddr at, bool big_endian) {
    const u8* const host = memory.readable(at, sizeof(u64));
    if (host == nullptr) {
        return std::nullopt;
    }
    // Acquire: what the descriptor leads to was written before it.
    return in_order(__atomic_load_n(reinterpret_cast<const u64*>(host), __ATOMIC_ACQUIRE),
                    big_endian);
}

UpdateOutcome update_descriptor(const devices::PhysicalMemory& memory,
                                PhysAddr at,
                                u64 expected,
                                u64 desired,
                                bool big_endian) {
    u8* const host = memory.ram(at, sizeof(u64));
    if (host == nullptr) {
        return UpdateOutcome::NotRam;
    }
    u64 old = in_order(expected, big_endian);
    return __atomic_compare_exchange_n(reinterpret_cast<u64*>(host), &old,
                                       in_order(desired, big_endian), false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST)
               ? UpdateOutcome::Done
               : UpdateOutcome::Changed;
}

u64 table_base(u64 ttbr, const WalkParameters& parameters) {
    const unsigned shift = parameters.level_shift(parameters.start_level);
    unsigned table_log2 = parameters.input_bits - shift + 3;
    u64 base = ttbr & ones(48);
    if (parameters.wide_base) {
        table_log2 = std::max(table_log2, 6u);
        base |= bits(ttbr, 5, 2) << 48;
    }
    return align_down(base, u64{1} << table_log2);
}

u64 updated_descriptor(u64 descriptor,
                       const WalkParameters& parameters,
                       DirtyState dirty,
                       bool is_write,
                       TableUpdates updates) {
    u64 to = descriptor;
    if (updates != TableUpdates::None && parameters.ha) {
        to |= u64{1} << descriptor::kAF;
    }
    if (updates == TableUpdates::AccessFlagAndDirty && is_write &&
        is_dirty_managed(descriptor, parameters) && dirty.is_clean(descriptor)) {
        to = dirty.dirtied(to);
    }
    return to;
}

} // namespace ulna::system
