#include "runtime/jit/stored_translations.h"

#include <algorithm>
#include <array>
#include <span>

#include "ir/support/check.h"
#include "runtime/debug/perf_files.h"

namespace ulna::runtime {

namespace {
// How many are installed together.
constexpr std::size_t kLeast = 16, kMost = 64;
} // namespace

u64 StoredTranslations::find(const TranslationLock& lock, ir::BlockKey key, u32 needed) {
    const debug::StageTimer timer{parts_.statistics.install_ticks};
    const auto found =
        parts_.persistent.find(key, wanted(), parts_.lifter.source_for(key), finding_);
    std::size_t count = 0;
    const u64 host = install(lock, found, key, count);
    if (host != 0 && options_.installs_ahead) {
        const std::size_t most = std::clamp<std::size_t>(needed / 8, kLeast, kMost);
        install_what_followed(lock, key, host, most > count ? most - count : 0);
    }
    return host;
}

// Blocks that use tagged pointers are told apart one by one.
PersistentCache::Wanted StoredTranslations::wanted() const {
    return {options_.tiers, options_.installs_ahead && parts_.tagged.empty()};
}

// What was stored after a block was executed after it, and will be again. It is installed at once,
// as it lies beside it, and linked before anything is executed: later, each link would cost a way
// through its stub, and patch code that the CPU has in its pipeline. A child that soon executes
// another program does better with little.
void StoredTranslations::install_what_followed(const TranslationLock& lock,
                                               ir::BlockKey key,
                                               u64 first,
                                               std::size_t most) {
    std::array<u64, kMost> alone{first}; // bundles are linked
    std::size_t alone_count = 1;
    for (std::size_t looks = 0; looks + 1 < most;) {
        std::optional<ir::BlockKey> next = parts_.persistent.next_key();
        if (!next) {
            break;
        }
        next->page = key.page;
        std::size_t count = 1;
        if (may_follow(*next, key)) {
            const auto found = parts_.persistent.find_next(
                *next, wanted(), parts_.lifter.source_for(*next), finding_);
            const u64 host = install(lock, found, *next, count);
            if (host != 0 && found == PersistentCache::Found::Block) {
                alone[alone_count++] = host;
            }
        }
        looks += count;
    }
    for (const u64 host : std::span(alone).first(alone_count)) {
        parts_.cache.connect_all(lock, host);
    }
}

// In a machine it is of the same page: where others are, only the guest's tables say, and looking
// there could be seen in them.
bool StoredTranslations::may_follow(ir::BlockKey next, ir::BlockKey key) const {
    return next.mode == key.mode && (!options_.system || key.same_page(next.pc)) &&
           BlockTable::representable(next.pc, options_.system) && parts_.cache.find(next) == 0;
}

// What was found for `key`: its entry, or 0. `count`: how many blocks it was.
u64 StoredTranslations::install(const TranslationLock& lock,
                                PersistentCache::Found found,
                                ir::BlockKey key,
                                std::size_t& count) {
    count = 1;
    switch (found) {
    case PersistentCache::Found::Nothing:
        return 0;
    case PersistentCache::Found::Block:
        return install_block(lock);
    case PersistentCache::Found::Bundle:
        count = finding_.bundle.linked.blocks.size();
        return install_bundle(lock) ? parts_.cache.find(key) : 0;
    }
    UNREACHABLE("all that find() may answer");
}

u64 StoredTranslations::install_block(const TranslationLock& lock) {
    const StoredBlock& stored = finding_.block;
    const backend::CompiledBlock& compiled = finding_.compiled;
    if (!stored.masks_tags && parts_.tagged.concern(compiled.guest_pcs)) {
        return 0;
    }
    GuestExtent extent;
    for (std::size_t i = 0; i < stored.range_count(); ++i) {
        const GuestRange range = stored.range(i);
        extent.add(compiled.key.location_of(range.low), range.bytes);
    }
    const u64 host = stored.is_region
                         ? parts_.cache.insert_region(lock, compiled, extent, stored.masks_tags)
                         : parts_.cache.insert(lock, compiled, extent, stored.masks_tags);
    if (host != 0) {
        debug::count(stored.is_region ? parts_.statistics.stored_regions
                                      : parts_.statistics.stored_blocks);
        debug::perf_block(host, static_cast<u32>(compiled.code.size()), compiled.key.pc);
    }
    return host;
}

// With the regions that have taken the place of some of its blocks.
bool StoredTranslations::install_bundle(const TranslationLock& lock) {
    const LinkedBlocks& linked = finding_.bundle.linked;
    const u64 code = parts_.cache.insert_linked(lock, linked);
    if (code == 0) {
        return false;
    }
    debug::count(parts_.statistics.stored_blocks, linked.blocks.size());
    std::array<ir::BlockKey, kMostBundledBlocks> keys;
    const std::size_t count = linked.blocks.size();
    for (std::size_t i = 0; i < count; ++i) {
        const LinkedBlocks::Block& block = linked.blocks[i];
        keys[i] = {block.pc, linked.mode};
        debug::perf_block(code + block.code_offset, block.code_bytes, block.pc);
    }
    if (options_.tiers == PersistentCache::Tiers::Both) {
        for (const ir::BlockKey& key : std::span(keys).first(count)) {
            if (parts_.persistent.find_region(key, parts_.lifter.source_for(key), finding_)) {
                if (const u64 host = install_block(lock); host != 0) {
                    parts_.cache.connect_all(lock, host);
                }
            }
        }
    }
    return true;
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
