// All translations of a process: where each block's code is, what it was made from, who jumps to
// it.
//
// Look-ups take no lock (BlockTable). Everything else takes the translation lock, and its token
// proves it. Blocks live in generations, one per arena of the code memory. When the arena is full,
// a new generation starts empty in the next arena and the old one is retired: threads still in it
// run on until their next safe point, and its memory is reused when the last of them has passed one
// (engine_thread.h).
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "backend/backend.h"
#include "backend/code_places.h"
#include "runtime/debug/statistics.h"
#include "runtime/jit/block_table.h"
#include "runtime/jit/code_memory.h"
#include "runtime/jit/linked_blocks.h"
#include "runtime/jit/mapped_vector.h"
#include "runtime/jit/page_index.h"

namespace ulna::runtime {

using TranslationLock = std::unique_lock<std::mutex>;

// Guest addresses whose bytes a translation depends on: a hull, and its pages.
struct GuestExtent {
    GuestAddr low = ~GuestAddr{0};
    GuestAddr high = 0; // exclusive
    std::vector<GuestAddr> pages;

    void reset();
    void add(GuestAddr start, u64 bytes);
};

class TranslationCache {
  public:
    static constexpr u32 kArenas = 4;

    // `system`: of a whole machine.
    TranslationCache(CodeMemory& memory, debug::Statistics& statistics, bool system = false);

    // Host entry of a block, or 0. Lock-free; the calling thread is active (ThreadRegistry).
    [[nodiscard]] u64 find(ir::BlockKey key) const;

    // Places and publishes a block; 0 when the arena is full.
    [[nodiscard]] u64 insert(const TranslationLock&,
                             const backend::CompiledBlock& compiled,
                             const GuestExtent& extent,
                             bool masks_tags);

    // Places blocks that are linked among themselves, and links them to those that are here; their
    // host address, or 0 when the arena is full. Where a block is here already, that one stays.
    [[nodiscard]] u64 insert_linked(const TranslationLock& lock, const LinkedBlocks& linked);

    // Places a region of tier 2, which takes the place of its first block: what led there leads
    // here from now on. 0 when the arena is full. `pages`: of a machine's, those of its blocks.
    [[nodiscard]] u64 insert_region(const TranslationLock& lock,
                                    const backend::CompiledBlock& compiled,
                                    const GuestExtent& extent,
                                    bool masks_tags,
                                    std::span<const backend::CodePlace> pages = {});
    // Of the region that is at the key.
    [[nodiscard]] std::vector<backend::CodePlace> pages_of_region(const TranslationLock&,
                                                                  ir::BlockKey key) const;
    // They were not where they have to be. True: too often by now; the region is forgotten.
    [[nodiscard]] bool note_misplaced(const TranslationLock&, ir::BlockKey key);

    // A block of tier 1, whether or not a region has taken its place.
    struct BlockView {
        BlockIndex index;
        ir::BlockKey key;
        GuestAddr low, high; // its extent
        u32 code_bytes;
        bool masks_tags;
    };
    [[nodiscard]] std::optional<BlockView> tier1_block(const TranslationLock&,
                                                       ir::BlockKey key) const;
    // Calls visit(target, was_taken, is_call) for the direct exits of a block.
    template <class Visit>
    void for_each_exit(const TranslationLock&, const BlockView& block, Visit visit) const {
        const CachedBlock& cached = current_->blocks[block.index];
        for (u32 i = cached.first_link; i < cached.first_link + cached.link_count; ++i) {
            const Link& link = current_->links[i];
            visit(link.target, link.linked_to != kNoBlock, is_call_site(link));
        }
    }

    // In a forked child: makes what the parent had at this host address readable and executable.
    // False: it is.
    bool take_over(const TranslationLock&, u64 host);

    // The link behind a link stub.
    struct LinkRef {
        u64 generation;
        u32 link;
        ir::BlockKey target;
        bool usable; // false: its block is forgotten, do not patch it
    };
    [[nodiscard]] std::optional<LinkRef> link_at(const TranslationLock&, u64 stub_host) const;
    // Makes the link lead to a block of the current generation.
    void connect(const TranslationLock&, const LinkRef& ref, u64 target_host);

    // Makes every link of the block at this entry lead to its target, where that is translated.
    void connect_all(const TranslationLock&, u64 host);

    // Forgets every block that depends on the range: table, incoming links. Calls forgotten(pc) for
    // each.
    template <class Forgotten>
    void invalidate(const TranslationLock&, GuestAddr start, u64 bytes, Forgotten forgotten);
    // Forgets the block that holds this host address.
    void forget_at(const TranslationLock&, u64 host);

    struct Fault {
        GuestAddr pc;
        bool masks_tags;
        bool is_located; // tier 2: slots are where `locations` say
        std::span<const backend::SlotLocation> locations;
    };
    // The guest instruction of a host instruction that may fault.
    [[nodiscard]] std::optional<Fault> fault_at(const TranslationLock&, u64 host) const;
    // Code of the block at this entry, for dumps.
    [[nodiscard]] std::span<const u8> code_at(const TranslationLock&, u64 host) const;

    [[nodiscard]] u64 generation(const TranslationLock&) const { return current_->number; }
    // Retires everything and starts empty; false while the next arena is still in use.
    [[nodiscard]] bool start_generation(const TranslationLock&, u64 oldest_active);
    // Frees retired generations that no thread is active in.
    void reclaim(const TranslationLock&, u64 oldest_active);
    [[nodiscard]] bool has_retired(const TranslationLock&) const;

    void before_fork(const TranslationLock& lock);
    // Own memory for the child. Its blocks are those of the parent, at the same addresses; their
    // code and constants are copied when they are first executed or read, which faults (take_over).
    [[nodiscard]] bool after_fork_in_child(const TranslationLock&);

  private:
    static constexpr u32 kNoLink = ~u32{0};

    struct CachedBlock {
        ir::BlockKey key;
        u32 code_offset, code_bytes;
        u32 first_link, first_fault;
        u32 first_location_end; // of the fault sites, in location_ends; kNoLocations: tier 1
        u16 link_count, fault_count;
        GuestAddr low, high;
        bool forgotten, masks_tags, is_region;
        BlockIndex replaced; // of a region: the tier-1 block whose place it took, or kNoBlock
    };
    struct Link {
        u32 displacement_offset, stub_offset; // in the code memory
        GuestAddr target;
        BlockIndex source;
        BlockIndex linked_to;
        u32 next_incoming;
    };
    using FaultRecord = LinkedBlocks::Fault;
    struct Generation {
        Generation(u64 n, u32 in_arena, u32 begin)
            : number{n}, arena{in_arena}, next_offset{begin} {}
        BlockIndex add(const CachedBlock& block) {
            blocks.push_back(block);
            first_incoming.push_back(kNoLink);
            return static_cast<BlockIndex>(blocks.size() - 1);
        }
        u64 number;
        u32 arena;
        u32 next_offset;
        BlockTable table;
        PageIndex pages;
        MappedVector<CachedBlock> blocks; // ascending code_offset
        // Of each block the head of a list through Link::next_incoming. Here, since a forked child
        // changes many of them, and with each a page of its own is made.
        MappedVector<u32> first_incoming;
        // For each KiB of code, the block that holds its first byte or starts after it.
        std::vector<BlockIndex> first_in_chunk;
        MappedVector<Link> links;
        MappedVector<FaultRecord> faults;
        // Of blocks that have any: before the ends of the block's sites stands where the first
        // begins.
        std::vector<backend::SlotLocation> locations;
        std::vector<u32> location_ends;
        // Of regions in several pages.
        struct Pages {
            std::vector<backend::CodePlace> places;
            u32 misplaced = 0;
        };
        std::unordered_map<BlockIndex, Pages> pages_of_regions;
    };
    static constexpr u32 kNoLocations = ~u32{0};
    static constexpr u32 kChunkBytes = 1024;

    [[nodiscard]] Generation* generation_at(u64 host) const;
    [[nodiscard]] static std::span<const backend::SlotLocation>
    locations_of(const Generation& generation, const CachedBlock& block, u32 site);
    [[nodiscard]] static ir::BlockKey target_of(const Generation& generation, const Link& link);
    [[nodiscard]] BlockIndex block_at(const Generation& generation, u32 offset) const;
    // Room in the current arena; nothing when it is full.
    [[nodiscard]] std::optional<u32> allocate(u64 code_bytes);
    void add_links_of_linked(const LinkedBlocks& linked, BlockIndex first);
    void publish(BlockIndex first);
    void connect_outward(u32 link);
    void connect(u32 link, BlockIndex to);
    void prefetch(const LinkedBlocks& linked) const;
    // Values of the table.
    [[nodiscard]] static u64 entry_of(BlockIndex index, u32 code_offset) {
        return u64{index} << 32 | code_offset;
    }
    [[nodiscard]] static BlockIndex index_of_entry(u64 entry) {
        return static_cast<BlockIndex>(entry >> 32);
    }
    [[nodiscard]] static u32 offset_of_entry(u64 entry) { return static_cast<u32>(entry); }
    void add_to_chunks(Generation& generation, BlockIndex index) const;
    void
    add_links(Generation& generation, CachedBlock& block, const backend::CompiledBlock& compiled);
    void
    add_faults(Generation& generation, CachedBlock& block, const backend::CompiledBlock& compiled);
    // Calls visit(index) for the live blocks that overlap the range; they leave the page index.
    template <class Visit>
    static void for_overlapping(Generation& generation, GuestAddr start, u64 bytes, Visit visit);
    void set_displacements(const Generation& generation, CodeRange range);
    void forget(BlockIndex index);
    [[nodiscard]] bool is_call_site(const Link& link) const;
    void redirect(BlockIndex from, BlockIndex to);
    void start_in(u32 arena, u64 number);

    CodeMemory& memory_;
    debug::Statistics& statistics_;
    const bool system_;
    std::array<std::unique_ptr<Generation>, kArenas> by_arena_;
    Generation* current_ = nullptr;
    std::atomic<const BlockTable*> table_{nullptr};
};

template <class Forgotten>
void TranslationCache::invalidate(const TranslationLock&,
                                  GuestAddr start,
                                  u64 bytes,
                                  Forgotten forgotten) {
    for_overlapping(*current_, start, bytes, [&](BlockIndex index) {
        forget(index);
        forgotten(current_->blocks[index].key.pc);
    });
}

template <class Visit>
void TranslationCache::for_overlapping(Generation& generation,
                                       GuestAddr start,
                                       u64 bytes,
                                       Visit visit) {
    generation.pages.for_overlapping(start, bytes, [&](BlockIndex index) {
        const CachedBlock& block = generation.blocks[index];
        if (block.forgotten) {
            return true; // reached through another page before
        }
        if (block.high <= start || block.low > start + (bytes - 1)) {
            return false;
        }
        visit(index);
        return true;
    });
}

} // namespace ulna::runtime
