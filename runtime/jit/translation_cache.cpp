#include "runtime/jit/translation_cache.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ir/support/check.h"

namespace ulna::runtime {

void GuestExtent::reset() {
    low = ~GuestAddr{0};
    high = 0;
    pages.clear();
}

void GuestExtent::add(GuestAddr start, u64 bytes) {
    low = std::min(low, start);
    high = std::max(high, start + bytes);
    const GuestAddr page = start >> kPageBits << kPageBits;
    if (std::find(pages.begin(), pages.end(), page) == pages.end()) {
        pages.push_back(page);
    }
}

TranslationCache::TranslationCache(CodeMemory& memory, debug::Statistics& statistics, bool system)
    : memory_{memory}, statistics_{statistics}, system_{system} {
    CHECK(memory.arena_count() == kArenas);
    start_in(0, 1);
}

void TranslationCache::start_in(u32 arena, u64 number) {
    by_arena_[arena] = std::make_unique<Generation>(number, arena, memory_.arena_begin(arena));
    current_ = by_arena_[arena].get();
    table_.store(&current_->table, std::memory_order_release);
}

u64 TranslationCache::find(ir::BlockKey key) const {
    const u64 entry = table_.load(std::memory_order_acquire)->find(key);
    return entry != 0 ? memory_.host_of(offset_of_entry(entry)) : 0;
}

u64 TranslationCache::insert(const TranslationLock&,
                             const backend::CompiledBlock& compiled,
                             const GuestExtent& extent,
                             bool masks_tags) {
    Generation& generation = *current_;
    const std::optional<u32> offset = allocate(compiled.code.size());
    if (!offset) {
        return 0;
    }
    CachedBlock block{};
    block.key = compiled.key;
    block.code_offset = *offset;
    block.code_bytes = static_cast<u32>(compiled.code.size());
    block.low = extent.low;
    block.high = extent.high;
    block.masks_tags = masks_tags;
    block.replaced = kNoBlock;

    memory_.write(block.code_offset, compiled.code);
    add_links(generation, block, compiled);
    add_faults(generation, block, compiled);
    const BlockIndex index = generation.add(block);
    add_to_chunks(generation, index);
    for (GuestAddr page : extent.pages) {
        generation.pages.add(page, index);
    }
    generation.table.insert(block.key, entry_of(index, block.code_offset));
    return memory_.host_of(block.code_offset);
}

std::optional<u32> TranslationCache::allocate(u64 code_bytes) {
    Generation& generation = *current_;
    const u64 aligned_bytes = (code_bytes + kCodeAlign - 1) / kCodeAlign * kCodeAlign;
    if (memory_.arena_end(generation.arena) - generation.next_offset < aligned_bytes) {
        CHECK(aligned_bytes <= memory_.arena_bytes());
        return std::nullopt;
    }
    return std::exchange(generation.next_offset,
                         generation.next_offset + static_cast<u32>(aligned_bytes));
}

u64 TranslationCache::insert_linked(const TranslationLock&, const LinkedBlocks& linked) {
    Generation& generation = *current_;
    const std::optional<u32> offset = allocate(linked.code.size());
    if (!offset) {
        return 0;
    }
    prefetch(linked);
    memory_.write(*offset, linked.code);
    const auto first = static_cast<BlockIndex>(generation.blocks.size());
    generation.faults.append(linked.faults);
    u32 fault = static_cast<u32>(generation.faults.size() - linked.faults.size());
    u32 link = static_cast<u32>(generation.links.size());
    for (const LinkedBlocks::Block& added : linked.blocks) {
        CachedBlock block{};
        block.key = {added.pc, linked.mode};
        block.code_offset = *offset + added.code_offset;
        block.code_bytes = added.code_bytes;
        block.first_link = std::exchange(link, link + added.link_count);
        block.link_count = added.link_count;
        block.first_fault = std::exchange(fault, fault + added.fault_count);
        block.fault_count = added.fault_count;
        block.first_location_end = kNoLocations;
        block.low = added.guest.low;
        block.high = added.guest.low + added.guest.bytes;
        block.masks_tags = linked.masks_tags;
        block.replaced = kNoBlock;
        const BlockIndex index = generation.add(block);
        add_to_chunks(generation, index);
        generation.pages.add(added.guest.low, index);
    }
    add_links_of_linked(linked, first);
    publish(first);
    for (u32 i = generation.blocks[first].first_link; i < generation.links.size(); ++i) {
        connect_outward(i);
    }
    return memory_.host_of(*offset);
}

// The table's entries that will be looked at are anywhere.
void TranslationCache::prefetch(const LinkedBlocks& linked) const {
    for (const LinkedBlocks::Block& block : linked.blocks) {
        current_->table.prefetch({block.pc, linked.mode});
    }
    for (std::size_t i = 0; i < linked.links.size(); ++i) {
        const GuestAddr target = linked.links[i].target;
        if (linked.linked_to[i] == LinkedBlocks::kOutside && BlockTable::representable(target)) {
            current_->table.prefetch({target, linked.mode});
        }
    }
}

void TranslationCache::add_links_of_linked(const LinkedBlocks& linked, BlockIndex first) {
    Generation& generation = *current_;
    auto link = linked.links.begin();
    auto to = linked.linked_to.begin();
    for (BlockIndex source = first; source < generation.blocks.size(); ++source) {
        const u32 code = generation.blocks[source].code_offset;
        for (u32 i = 0; i < generation.blocks[source].link_count; ++i, ++link, ++to) {
            const auto index = static_cast<u32>(generation.links.size());
            Link& added = generation.links.push_back(Link{code + link->displacement_offset,
                                                          code + link->stub_offset, link->target,
                                                          source, kNoBlock, kNoLink});
            if (*to != LinkedBlocks::kOutside) {
                added.linked_to = first + *to;
                added.next_incoming =
                    std::exchange(generation.first_incoming[added.linked_to], index);
                debug::count(statistics_.links);
            }
        }
    }
}

// Blocks from `first` on enter the table. What leads to one that is there already leads there.
void TranslationCache::publish(BlockIndex first) {
    Generation& generation = *current_;
    for (BlockIndex i = first; i < generation.blocks.size(); ++i) {
        const CachedBlock& block = generation.blocks[i];
        const u64 present = generation.table.find(block.key);
        if (present == 0) {
            generation.table.insert(block.key, entry_of(i, block.code_offset));
            continue;
        }
        redirect(i, index_of_entry(present));
        CachedBlock& other = generation.blocks[index_of_entry(present)];
        if (other.is_region && other.replaced == kNoBlock) {
            other.replaced = i;
        }
    }
}

// A link that leads nowhere yet to its target, if that is translated.
void TranslationCache::connect_outward(u32 index) {
    const Link& link = current_->links[index];
    if (link.linked_to != kNoBlock) {
        return;
    }
    const ir::BlockKey target = target_of(*current_, link);
    const u64 entry =
        BlockTable::representable(target.pc, system_) ? current_->table.find(target) : 0;
    if (entry != 0) {
        connect(index, index_of_entry(entry));
    }
}

u64 TranslationCache::insert_region(const TranslationLock& lock,
                                    const backend::CompiledBlock& compiled,
                                    const GuestExtent& extent,
                                    bool masks_tags,
                                    std::span<const backend::CodePlace> pages) {
    const u64 before = current_->table.find(compiled.key);
    const u64 host = insert(lock, compiled, extent, masks_tags);
    if (host == 0) {
        return 0;
    }
    const auto region = static_cast<BlockIndex>(current_->blocks.size() - 1);
    current_->blocks[region].is_region = true;
    if (pages.size() > 1) {
        current_->pages_of_regions[region].places.assign(pages.begin(), pages.end());
    }
    if (before != 0) {
        const BlockIndex old = index_of_entry(before);
        const CachedBlock& block = current_->blocks[old];
        current_->blocks[region].replaced = block.is_region ? block.replaced : old;
        redirect(old, region);
    }
    return host;
}

std::vector<backend::CodePlace> TranslationCache::pages_of_region(const TranslationLock&,
                                                                  ir::BlockKey key) const {
    const u64 entry = current_->table.find(key);
    const auto found = entry == 0 ? current_->pages_of_regions.end()
                                  : current_->pages_of_regions.find(index_of_entry(entry));
    return found != current_->pages_of_regions.end() ? found->second.places
                                                     : std::vector<backend::CodePlace>{};
}

bool TranslationCache::note_misplaced(const TranslationLock&, ir::BlockKey key) {
    constexpr u32 kMost = 1000;
    const BlockIndex region = index_of_entry(current_->table.find(key));
    const auto found = current_->pages_of_regions.find(region);
    if (found == current_->pages_of_regions.end() || ++found->second.misplaced != kMost) {
        return false;
    }
    forget(region);
    return true;
}

// All links to one block lead to another.
void TranslationCache::redirect(BlockIndex from, BlockIndex to) {
    const u32 code = current_->blocks[to].code_offset;
    u32 last = kNoLink;
    u32& first = current_->first_incoming[from];
    for (u32 i = first; i != kNoLink;) {
        Link& link = current_->links[i];
        memory_.patch_displacement(link.displacement_offset, code);
        link.linked_to = to;
        last = i;
        i = link.next_incoming;
    }
    if (last != kNoLink) {
        u32& head = current_->first_incoming[to];
        current_->links[last].next_incoming = head;
        head = std::exchange(first, kNoLink);
    }
}

std::optional<TranslationCache::BlockView> TranslationCache::tier1_block(const TranslationLock&,
                                                                         ir::BlockKey key) const {
    const u64 entry = BlockTable::representable(key.pc, system_) ? current_->table.find(key) : 0;
    if (entry == 0) {
        return {};
    }
    BlockIndex index = index_of_entry(entry);
    if (current_->blocks[index].is_region) {
        index = current_->blocks[index].replaced;
    }
    if (index == kNoBlock || current_->blocks[index].forgotten) {
        return {};
    }
    const CachedBlock& block = current_->blocks[index];
    return BlockView{index, block.key, block.low, block.high, block.code_bytes, block.masks_tags};
}

bool TranslationCache::is_call_site(const Link& link) const {
    constexpr u8 kCallRelative = 0xe8;
    return memory_.read(link.displacement_offset - 1, 1)[0] == kCallRelative;
}

void TranslationCache::add_links(Generation& generation,
                                 CachedBlock& block,
                                 const backend::CompiledBlock& compiled) {
    block.first_link = static_cast<u32>(generation.links.size());
    block.link_count = static_cast<u16>(compiled.links.size());
    for (const backend::LinkSite& site : compiled.links) {
        generation.links.push_back(
            {block.code_offset + site.displacement_offset, block.code_offset + site.stub_offset,
             site.target, static_cast<BlockIndex>(generation.blocks.size()), kNoBlock, kNoLink});
    }
}

void TranslationCache::add_faults(Generation& generation,
                                  CachedBlock& block,
                                  const backend::CompiledBlock& compiled) {
    block.first_fault = static_cast<u32>(generation.faults.size());
    block.fault_count = static_cast<u16>(compiled.faults.size());
    for (const backend::FaultSite& site : compiled.faults) {
        const i64 delta = static_cast<i64>(compiled.guest_pcs[site.guest_index] - compiled.key.pc);
        generation.faults.push_back({site.code_offset, static_cast<i32>(delta)});
    }
    block.first_location_end = kNoLocations;
    if (!compiled.location_ends.empty()) {
        const auto begin = static_cast<u32>(generation.locations.size());
        generation.locations.insert(generation.locations.end(), compiled.locations.begin(),
                                    compiled.locations.end());
        generation.location_ends.push_back(begin);
        block.first_location_end = static_cast<u32>(generation.location_ends.size());
        for (const u32 end : compiled.location_ends) {
            generation.location_ends.push_back(begin + end);
        }
    }
}

std::span<const backend::SlotLocation>
TranslationCache::locations_of(const Generation& generation, const CachedBlock& block, u32 site) {
    if (block.first_location_end == kNoLocations) {
        return {};
    }
    const u32* const end = &generation.location_ends[block.first_location_end + site];
    return std::span(generation.locations).subspan(end[-1], end[0] - end[-1]);
}

TranslationCache::Generation* TranslationCache::generation_at(u64 host) const {
    if (!memory_.contains(host) || memory_.offset_of(host) < memory_.arena_begin(0)) {
        return nullptr;
    }
    const u32 arena = memory_.arena_of(memory_.offset_of(host));
    return arena < kArenas ? by_arena_[arena].get() : nullptr;
}

BlockIndex TranslationCache::block_at(const Generation& generation, u32 offset) const {
    const u32 chunk = (offset - memory_.arena_begin(generation.arena)) / kChunkBytes;
    if (chunk >= generation.first_in_chunk.size()) {
        return kNoBlock;
    }
    const MappedVector<CachedBlock>& blocks = generation.blocks;
    for (BlockIndex i = generation.first_in_chunk[chunk];
         i < blocks.size() && blocks[i].code_offset <= offset; ++i) {
        if (offset - blocks[i].code_offset < blocks[i].code_bytes) {
            return i;
        }
    }
    return kNoBlock;
}

// Blocks come in ascending order: this one is the first for each chunk that it is the first to
// reach.
void TranslationCache::add_to_chunks(Generation& generation, BlockIndex index) const {
    const CachedBlock& block = generation.blocks[index];
    const u32 end = block.code_offset + block.code_bytes - memory_.arena_begin(generation.arena);
    generation.first_in_chunk.resize((end + kChunkBytes - 1) / kChunkBytes, index);
}

std::optional<TranslationCache::LinkRef> TranslationCache::link_at(const TranslationLock&,
                                                                   u64 stub_host) const {
    const Generation* const generation = generation_at(stub_host);
    if (generation == nullptr) {
        return {};
    }
    const u32 offset = memory_.offset_of(stub_host);
    const BlockIndex index = block_at(*generation, offset);
    if (index == kNoBlock) {
        return {};
    }
    const CachedBlock& block = generation->blocks[index];
    for (u32 i = block.first_link; i < block.first_link + block.link_count; ++i) {
        const Link& link = generation->links[i];
        if (link.stub_offset == offset) {
            return LinkRef{generation->number, i, target_of(*generation, link),
                           generation == current_ && !block.forgotten};
        }
    }
    return {};
}

// A machine's direct jumps stay in their page.
ir::BlockKey TranslationCache::target_of(const Generation& generation, const Link& link) {
    const ir::BlockKey& source = generation.blocks[link.source].key;
    ir::BlockMode mode = source.mode.of_successors();
    mode.bits |= (link.target & backend::kWithoutRanges) != 0 ? ir::BlockMode::kNoRanges : 0;
    return {link.target & ~backend::kWithoutRanges, mode, source.page};
}

void TranslationCache::connect(const TranslationLock&, const LinkRef& ref, u64 target_host) {
    DCHECK(ref.usable && ref.generation == current_->number);
    const BlockIndex target = block_at(*current_, memory_.offset_of(target_host));
    if (current_->links[ref.link].linked_to != target && target != kNoBlock) { // nobody was faster
        connect(ref.link, target);
    }
}

void TranslationCache::connect(u32 index, BlockIndex to) {
    Link& link = current_->links[index];
    DCHECK(link.linked_to == kNoBlock);
    link.linked_to = to;
    link.next_incoming = std::exchange(current_->first_incoming[to], index);
    memory_.patch_displacement(link.displacement_offset, current_->blocks[to].code_offset);
    debug::count(statistics_.links);
}

void TranslationCache::connect_all(const TranslationLock&, u64 host) {
    const CachedBlock& block = current_->blocks[block_at(*current_, memory_.offset_of(host))];
    for (u32 i = block.first_link; i < block.first_link + block.link_count; ++i) {
        connect_outward(i);
    }
}

void TranslationCache::forget(BlockIndex index) {
    CachedBlock& block = current_->blocks[index];
    block.forgotten = true;
    // A later block may have taken the key (tagged pointers).
    if (current_->table.find(block.key) == entry_of(index, block.code_offset)) {
        current_->table.remove(block.key);
        if (block.replaced != kNoBlock && !current_->blocks[block.replaced].forgotten) {
            const u32 offset = current_->blocks[block.replaced].code_offset;
            current_->table.insert(block.key, entry_of(block.replaced, offset));
        }
    }
    for (u32 i = std::exchange(current_->first_incoming[index], kNoLink); i != kNoLink;) {
        Link& link = current_->links[i];
        memory_.patch_displacement(link.displacement_offset, link.stub_offset);
        link.linked_to = kNoBlock;
        i = std::exchange(link.next_incoming, kNoLink);
        debug::count(statistics_.unlinks);
    }
    debug::count(statistics_.invalidated_blocks);
}

void TranslationCache::forget_at(const TranslationLock&, u64 host) {
    if (generation_at(host) != current_) {
        return;
    }
    const BlockIndex index = block_at(*current_, memory_.offset_of(host));
    if (index != kNoBlock && !current_->blocks[index].forgotten) {
        forget(index);
    }
}

std::optional<TranslationCache::Fault> TranslationCache::fault_at(const TranslationLock&,
                                                                  u64 host) const {
    const Generation* const generation = generation_at(host);
    if (generation == nullptr) {
        return {};
    }
    const u32 offset = memory_.offset_of(host);
    const BlockIndex index = block_at(*generation, offset);
    if (index == kNoBlock) {
        return {};
    }
    const CachedBlock& block = generation->blocks[index];
    const auto first = generation->faults.begin() + block.first_fault;
    const auto last = first + block.fault_count;
    const auto site =
        std::lower_bound(first, last, offset - block.code_offset,
                         [](const FaultRecord& record, u32 at) { return record.code_offset < at; });
    if (site == last || site->code_offset != offset - block.code_offset) {
        return {};
    }
    return Fault{block.key.pc + static_cast<u64>(i64{site->pc_delta}), block.masks_tags,
                 block.first_location_end != kNoLocations,
                 locations_of(*generation, block, static_cast<u32>(site - first))};
}

std::span<const u8> TranslationCache::code_at(const TranslationLock&, u64 host) const {
    const Generation* const generation = generation_at(host);
    const BlockIndex index =
        generation == nullptr ? kNoBlock : block_at(*generation, memory_.offset_of(host));
    if (index == kNoBlock) {
        return {};
    }
    const CachedBlock& block = generation->blocks[index];
    return memory_.read(block.code_offset, block.code_bytes);
}

bool TranslationCache::has_retired(const TranslationLock&) const {
    return std::any_of(by_arena_.begin(), by_arena_.end(),
                       [&](const auto& g) { return g != nullptr && g.get() != current_; });
}

void TranslationCache::reclaim(const TranslationLock&, u64 oldest_active) {
    for (auto& generation : by_arena_) {
        if (generation != nullptr && generation.get() != current_ &&
            generation->number < oldest_active) {
            memory_.discard_arena(generation->arena);
            generation.reset();
        }
    }
}

bool TranslationCache::start_generation(const TranslationLock& lock, u64 oldest_active) {
    reclaim(lock, oldest_active);
    const u32 arena = (current_->arena + 1) % kArenas;
    if (by_arena_[arena] != nullptr) {
        return false;
    }
    start_in(arena, current_->number + 1);
    debug::count(statistics_.cache_restarts);
    return true;
}

void TranslationCache::before_fork(const TranslationLock& lock) {
    for (const auto& generation : by_arena_) {
        if (generation == nullptr) {
            continue;
        }
        // Else this process's child would have to copy from its grandparent.
        for (u32 offset = memory_.arena_begin(generation->arena); offset < generation->next_offset;
             offset = memory_.end_of_part(offset)) {
            take_over(lock, memory_.host_of(offset));
        }
    }
    memory_.prepare_fork();
}

bool TranslationCache::after_fork_in_child(const TranslationLock&) {
    std::array<u32, kArenas> used_ends{};
    for (const auto& generation : by_arena_) {
        if (generation != nullptr) {
            used_ends[generation->arena] = generation->next_offset;
        }
    }
    if (current_->next_offset != memory_.arena_begin(current_->arena)) {
        // The rest of the last part will be written over when that is copied.
        current_->next_offset = memory_.end_of_part(current_->next_offset - 1);
    }
    current_->table.start_layer();
    return memory_.privatise(used_ends);
}

bool TranslationCache::take_over(const TranslationLock&, u64 host) {
    const u32 offset = memory_.offset_of(host);
    if (!memory_.is_absent(offset)) {
        return false;
    }
    const auto [part, exact] = memory_.copy_in(offset);
    if (!exact) {
        set_displacements(*by_arena_[memory_.arena_of(offset)], part);
    }
    memory_.open(part);
    debug::count(statistics_.code_taken_over, part.end - part.begin);
    return true;
}

// Of all blocks in the range, whatever the parent has linked them to.
void TranslationCache::set_displacements(const Generation& generation, CodeRange range) {
    const MappedVector<CachedBlock>& blocks = generation.blocks;
    const u32 chunk = (range.begin - memory_.arena_begin(generation.arena)) / kChunkBytes;
    for (BlockIndex i = generation.first_in_chunk[chunk];
         i < blocks.size() && blocks[i].code_offset < range.end; ++i) {
        const u32 first_link = blocks[i].first_link;
        for (u32 at = first_link; at < first_link + blocks[i].link_count; ++at) {
            const Link& link = generation.links[at];
            memory_.patch_displacement(
                link.displacement_offset,
                link.linked_to == kNoBlock ? link.stub_offset : blocks[link.linked_to].code_offset);
        }
    }
}

} // namespace ulna::runtime
