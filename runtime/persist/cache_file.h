// A file of the persistent cache: the translations of one guest file, at one address, for one
// configuration.
//
// A header, then segments; each run that translated something new appends one. A segment is an open
// hash table of its blocks, then their records, most of which are bundles of several. Readers map
// the file and touch what they look up. Writers exclude each other by flock; what is behind the
// last whole segment is a writer that died, and is overwritten. Nothing in front of it ever
// changes: a file of many segments is replaced by a new one. Nobody shortens a file that others may
// have mapped, and if somebody does so all the same, reads fail and nothing else happens
// (fault_safe_copy.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/persist/bundle.h"

namespace ulna::runtime {

// What the file is for: must equal its header.
struct FileKey {
    u64 configuration = 0; // of the translator, see PersistentCache
    u64 identity = 0;      // of the guest file
    GuestAddr base = 0;    // where the guest file's first byte is mapped, or kAnywhere
    // Of a machine: its blocks can be moved.
    static constexpr GuestAddr kAnywhere = 0;
    [[nodiscard]] bool is_machine() const { return base == kAnywhere; }
    friend bool operator==(const FileKey&, const FileKey&) = default;
    // Of the file in the cache's directory.
    [[nodiscard]] std::string file_name() const;
};

// A slot of a segment's table.
struct SegmentSlot {
    u64 tag = 0;    // what the block is found by; 0: empty
    u32 offset = 0; // of the record among the segment's records
    u32 bytes : 26 = 0;
    u32 index : 6 = 0; // of the block in a bundle
};
static_assert(kMostBundledBlocks <= 64);

// Translations that are in no file yet.
class NewBlocks {
  public:
    void add(u64 tag, const backend::CompiledBlock& compiled, const Origin& origin);
    void add(u64 tag, const StoredBlock& block);
    void clear();
    // Room that is not yet memory, so that nothing is copied as they grow.
    void reserve(u64 bytes) { records_.reserve(bytes); }

    // As CacheFile::find.
    template <class Accept> [[nodiscard]] bool find(u64 tag, Accept accept);

    [[nodiscard]] std::size_t count() const { return slots_.size(); }
    [[nodiscard]] u64 bytes() const { return records_.size(); }
    // The whole segment: its head, then the records, then padding.
    struct Parts {
        std::vector<u8> head;
        std::vector<u8> bundled; // the records, where they are not those of NewBlocks
        std::span<const u8> records;
        u64 padding;
    };
    [[nodiscard]] Parts segment() const;

  private:
    // Slots that are found by their tags: those before `indexed_`, newest first in each chain.
    static constexpr u32 kNone = ~u32{0};
    void index();
    [[nodiscard]] std::vector<SegmentSlot> bundle(std::vector<u8>& records) const;

    std::vector<SegmentSlot> slots_;
    std::vector<u8> records_;
    u64 regions_ = 0;
    bool is_machine_ = false; // its blocks are moved, each by itself: no bundles
    std::vector<u32> heads_, next_;
    u32 indexed_ = 0;
};

class CacheFile {
  public:
    CacheFile() = default;
    ~CacheFile();
    CacheFile(const CacheFile&) = delete;
    CacheFile& operator=(const CacheFile&) = delete;

    // Maps what is whole. False: there is none, it is not ours, or it is for something else.
    bool open(const std::string& path, const FileKey& key);
    [[nodiscard]] bool is_open() const { return !segments_.empty(); }
    // What was read of it was not all whole. (What a writer that died has left behind is no
    // damage.)
    [[nodiscard]] bool is_damaged() const { return damaged_; }

    // Calls accept(block) for every stored translation with this tag, newest first, until it says
    // true; for those in bundles, accept_bundle(bundle, index) before. Returns whether one did.
    template <class Accept, class AcceptBundle>
    [[nodiscard]] bool find(u64 tag, Accept accept, AcceptBundle accept_bundle);
    template <class Accept> [[nodiscard]] bool find(u64 tag, Accept accept) {
        return find(tag, accept, [](const StoredBundle&, std::size_t) { return false; });
    }

    // What the record or bundle begins with that is behind the one that find(), next_head() or
    // next() looked at last: it was stored, and so probably executed, after it. Without a value:
    // there is none.
    [[nodiscard]] std::optional<RecordHead> next_head();
    // What next_head() named.
    [[nodiscard]] bool next(StoredBlock& block);
    [[nodiscard]] bool next(StoredBundle& bundle);
    // Some records may be older than a region of the same key.
    [[nodiscard]] bool has_regions() const { return has_regions_; }
    struct Place {
        std::size_t segment = 0;
        u64 offset = 0, bytes = 0; // of a record, among the segment's
    };
    [[nodiscard]] Place place() const { return last_; }
    void go_back_to(Place place) { last_ = place; }

    // Adds to the file, or makes it. False, with errno: it could not be written and is as before.
    [[nodiscard]] static bool
    save(const std::string& path, const FileKey& key, const NewBlocks& blocks);

    // Everything that is in a file, for statistics and verification.
    struct Report {
        bool readable = false;      // header and segments; what follows counts those
        bool other_version = false; // of another version of us, which may read it
        u64 bytes = 0, segments = 0, blocks = 0, damaged_blocks = 0;
        u64 trailing_bytes = 0; // behind the last whole segment
    };
    [[nodiscard]] static Report inspect(const std::string& path);

  private:
    struct Segment {
        u64 slots_at, slot_mask;
        u64 records_at, record_bytes;
        bool was_read; // some record was, since records were given back
    };
    // Copies the record of slot `index` or of one after it that has this tag to scratch_; nothing:
    // there is none.
    [[nodiscard]] std::optional<SegmentSlot> next_candidate(Segment& segment, u64 tag, u64& index);
    [[nodiscard]] bool copy_record(Segment& segment, u64 offset, u64 bytes);

    // A record is mostly read once, then its code is in the translation cache: pages of records are
    // given back now and then. They stay in the kernel's page cache. With a page that is touched
    // the kernel maps those around it, a window that may be as large as this, which matters in
    // large files only; smaller ones are better mapped in few faults, as forked children have them
    // again. Beside a machine's memory it does not matter.
    static constexpr u64 kMostReadBytes = 1u << 20;
    static constexpr u64 kLargeBytes = 4u << 20, kWindowBytes = 1u << 20, kMostWindows = 4;
    [[nodiscard]] bool is_large() const { return bytes_ > kLargeBytes && !is_machine_; }
    void keep_tables_only();
    void note_read(Segment& segment, u64 at, u64 bytes);
    void give_back_records();

    const u8* map_ = nullptr;
    u64 bytes_ = 0;
    bool is_machine_ = false;
    std::vector<bool> is_mapped_;             // windows of map_, by their number
    u64 mapped_windows_ = 0, read_bytes_ = 0; // since records were given back
    std::vector<Segment> segments_;
    bool has_regions_ = false, damaged_ = false;
    Place last_;                 // looked at
    std::vector<u8> scratch_;    // a record
    std::vector<u8> block_code_; // of a block of a bundle
};

// What a block that stays at its address is found by; not 0.
[[nodiscard]] u64 tag_of(ir::BlockKey key);

template <class Accept> bool NewBlocks::find(u64 tag, Accept accept) {
    index();
    u32 at = heads_.empty() ? kNone : heads_[tag & (heads_.size() - 1)];
    for (; at != kNone; at = next_[at]) {
        const SegmentSlot& slot = slots_[at];
        StoredBlock block;
        if (slot.tag == tag) {
            read_record(std::span<const u8>(records_).subspan(slot.offset, slot.bytes), block);
            if (accept(block)) {
                return true;
            }
        }
    }
    return false;
}

template <class Accept, class AcceptBundle>
bool CacheFile::find(u64 tag, Accept accept, AcceptBundle accept_bundle) {
    for (auto segment = segments_.rbegin(); segment != segments_.rend(); ++segment) {
        u64 index = tag;
        for (; const auto slot = next_candidate(*segment, tag, index); ++index) {
            StoredBlock block;
            StoredBundle bundle;
            if (decode_record(scratch_, block)) {
                if (accept(block)) {
                    return true;
                }
                continue;
            }
            const bool is_whole = decode_bundle(scratch_, bundle);
            if (is_whole && accept_bundle(bundle, slot->index)) {
                return true;
            }
            const auto part = is_whole ? block_of(bundle, slot->index, block_code_) : std::nullopt;
            if (part && accept(*part)) {
                return true;
            }
            damaged_ = damaged_ || !part;
        }
    }
    return false;
}

} // namespace ulna::runtime
