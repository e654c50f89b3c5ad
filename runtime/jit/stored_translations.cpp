#include "runtime/jit/stored_translations.h"

#include <algorithm>
#include <array>

#include "runtime/debug/perf_map.h"

namespace ulna::runtime {

namespace {
// How many are installed together.
constexpr std::size_t kLeast = 16, kMost = 64;
} // namespace

u64 StoredTranslations::find(const TranslationLock& lock, ir::BlockKey key, u32 needed) {
    const debug::StageTimer timer{parts_.statistics.install_ticks};
    StoredBlock stored;
    if (!parts_.persistent.find(key, options_.tiers, parts_.lifter.source_for(key), stored,
                                compiled_)) {
        return 0;
    }
    const u64 host = install(lock, stored);
    if (host != 0 && options_.installs_ahead) {
        install_what_followed(lock, key, host, std::clamp<std::size_t>(needed / 8, kLeast, kMost));
    }
    return host;
}

// What was stored after a block was executed after it, and will be again. It is installed at once,
// as it lies beside it, and linked before anything is executed: later, each link would cost a way
// through its stub, and patch code that the CPU has in its pipeline. A child that soon executes
// another program does better with little.
void StoredTranslations::install_what_followed(const TranslationLock& lock,
                                               ir::BlockKey key,
                                               u64 first,
                                               std::size_t most) {
    std::array<u64, kMost> installed{first};
    std::size_t count = 1;
    for (std::size_t looks = 1; looks < most; ++looks) {
        std::optional<ir::BlockKey> next = parts_.persistent.next_key();
        if (!next) {
            break;
        }
        next->page = key.page;
        StoredBlock stored;
        if (may_follow(*next, key) &&
            parts_.persistent.find_next(*next, options_.tiers, parts_.lifter.source_for(*next),
                                        stored, compiled_)) {
            installed[count] = install(lock, stored);
            count += installed[count] != 0;
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        parts_.cache.connect_all(lock, installed[i]);
    }
}

// In a machine it is of the same page: where others are, only the guest's tables say, and looking
// there could be seen in them.
bool StoredTranslations::may_follow(ir::BlockKey next, ir::BlockKey key) const {
    return next.mode == key.mode && (!options_.system || key.same_page(next.pc)) &&
           BlockTable::representable(next.pc, options_.system) && parts_.cache.find(next) == 0;
}

// compiled_, as it was stored.
u64 StoredTranslations::install(const TranslationLock& lock, const StoredBlock& stored) {
    if (!stored.masks_tags && parts_.tagged.concern(compiled_.guest_pcs)) {
        return 0;
    }
    GuestExtent extent;
    for (std::size_t i = 0; i < stored.range_count(); ++i) {
        const GuestRange range = stored.range(i);
        extent.add(compiled_.key.location_of(range.low), range.bytes);
    }
    const u64 host = stored.is_region
                         ? parts_.cache.insert_region(lock, compiled_, extent, stored.masks_tags)
                         : parts_.cache.insert(lock, compiled_, extent, stored.masks_tags);
    if (host != 0) {
        debug::count(stored.is_region ? parts_.statistics.stored_regions
                                      : parts_.statistics.stored_blocks);
        debug::perf_map_block(host, static_cast<u32>(compiled_.code.size()), compiled_.key.pc);
    }
    return host;
}

void StoredTranslations::keep(const backend::CompiledBlock& compiled, bool masks_tags) {
    const GuestExtent& extent = parts_.lifter.extent();
    const GuestRange range{compiled.key.address_of(extent.low), extent.high - extent.low};
    if (parts_.persistent.add(compiled, {.ranges = {&range, 1}, .masks_tags = masks_tags},
                              parts_.lifter.seen_code())) {
        debug::count(parts_.statistics.kept_blocks);
    }
}

} // namespace ulna::runtime
