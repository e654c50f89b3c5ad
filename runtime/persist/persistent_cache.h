// Translations that outlive the process: kept per guest file, found again by the next process that
// maps the same file at the same address. What a machine runs is in no file that we know of: all of
// it is kept in one file of the cache, found by its bytes, and moved to where it is now.
//
// Translations hold guest addresses, so files with code are best mapped at the same place each time
// (placement_seed). A file is known by its first page and its size; that this is not all of it
// does no harm, because every stored block is compared with the guest's memory before it is used.
//
// Thread-safe. find(), what goes on from it, and add() are called with the translation lock held,
// which comes before the lock here; save() is not.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "frontend/frontend.h"
#include "runtime/persist/cache_file.h"

namespace ulna::runtime {

// A part of a guest file in executable guest memory.
struct CodeImage {
    u64 identity = 0;   // of the file
    GuestAddr base = 0; // where the file's first byte is, or would be
    GuestAddr start = 0, end = 0;
};

// What a new translation was made from.
struct TranslationOrigin {
    std::span<const GuestRange> ranges; // each begins in a page, and goes hardly beyond its end
    bool masks_tags = false, is_region = false;
};

// The identity of a guest file that holds Arm code; nothing for other files. The file's position
// stays.
[[nodiscard]] std::optional<u64> code_file_identity(int fd);

class PersistentCache {
  public:
    // Null, with a reason, when the directory cannot be used: it is made when it is missing, and
    // must be ours alone.
    [[nodiscard]] static std::unique_ptr<PersistentCache>
    open(const std::string& directory, u64 configuration, std::string& why_not);

    void add_image(const CodeImage& image);
    void remove_images(GuestAddr start, GuestAddr end);
    // From here on, blocks of machines are found and kept, in the file of this machine.
    void keep_machine(u64 identity);

    // Where a file is mapped should follow from this and its identity. Differs from user to user.
    [[nodiscard]] u64 placement_seed() const { return placement_seed_; }

    // What may be found, and where it is put.
    enum class Tiers : u8 { First, Both };
    struct Wanted {
        Tiers tiers = Tiers::First;
        bool bundles = false; // else each block alone
    };
    enum class Found : u8 { Nothing, Block, Bundle };
    struct Finding {
        StoredBlock block;
        backend::CompiledBlock compiled; // of `block`
        StoredBundle bundle;
    };
    // The newest stored translation whose guest bytes are what `source` reads now, alone or in a
    // bundle of which this is true as well.
    [[nodiscard]] Found
    find(ir::BlockKey key, Wanted wanted, frontend::CodeSource& source, Finding& finding);
    // The newest one of tier 2, if the file where find() was successful has any at all.
    [[nodiscard]] bool
    find_region(ir::BlockKey key, frontend::CodeSource& source, Finding& finding);
    // The key of what was stored behind what find() or find_next() gave last, moved as that was,
    // and without its page: of a bundle that of its first block. Without a value: nothing.
    [[nodiscard]] std::optional<ir::BlockKey> next_key();
    // As find(), for what next_key() gave.
    [[nodiscard]] Found
    find_next(ir::BlockKey key, Wanted wanted, frontend::CodeSource& source, Finding& finding);
    // Some were stored when find() first looked at the file that is there.
    [[nodiscard]] bool has_translations_at(GuestAddr pc);
    // Keeps a new translation until save(); false when it belongs to no file.
    bool add(const backend::CompiledBlock& compiled,
             const TranslationOrigin& origin,
             frontend::CodeSource& source);

    // Writes what files have at least so many new blocks for. Failures are silent: the blocks are
    // made again next time.
    void save(std::size_t least_blocks = 1);
    // The name of one that was met with damage; empty: none.
    [[nodiscard]] std::string damaged_file();

    void lock_for_fork() { mutex_.lock(); }
    // The child's parent keeps what is new so far.
    void unlock_after_fork(bool in_child);

  private:
    struct File {
        FileKey key;
        std::unique_ptr<CacheFile> stored; // null: not looked at yet
        NewBlocks fresh;
        [[nodiscard]] bool is_stored() const { return stored != nullptr && stored->is_open(); }
    };
    struct Image {
        GuestAddr end = 0;
        File* file = nullptr;
    };
    // Newer translations are written meanwhile when there are so many.
    static constexpr u64 kMostFreshBytes = 2u << 20, kMostFreshBytesOfMachine = 48u << 20;

    PersistentCache(std::string directory, u64 configuration, u64 placement_seed)
        : directory_{std::move(directory)},
          configuration_{configuration},
          placement_seed_{placement_seed} {}

    [[nodiscard]] Image* image_at(GuestAddr pc);
    [[nodiscard]] File* file_of(ir::BlockKey key); // null: it belongs to none
    [[nodiscard]] File& file_for(u64 identity, GuestAddr base);
    [[nodiscard]] bool accept(const StoredBlock& candidate,
                              ir::BlockKey key,
                              Wanted wanted,
                              frontend::CodeSource& source,
                              Finding& finding);
    [[nodiscard]] Found find_in(CacheFile& file,
                                ir::BlockKey key,
                                Wanted wanted,
                                frontend::CodeSource& source,
                                Finding& finding);
    void remove_locked(GuestAddr start, GuestAddr end);
    void save_locked(std::size_t least_blocks);
    [[nodiscard]] std::string path_of(const FileKey& key) const {
        return directory_ + "/" + key.file_name();
    }

    std::mutex mutex_;
    const std::string directory_;
    const u64 configuration_;
    const u64 placement_seed_;
    std::map<GuestAddr, Image> images_;                                // by start
    std::map<std::pair<u64, GuestAddr>, std::unique_ptr<File>> files_; // by identity and base
    File* machine_ = nullptr;                                          // of files_
    CacheFile* last_found_in_ = nullptr;
    u64 last_moved_by_ = 0;
    bool next_is_bundle_ = false;
    std::vector<u8> guest_bytes_; // scratch
};

} // namespace ulna::runtime
