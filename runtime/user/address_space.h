// The guest's mappings. Guest address = host address; the host kernel places and backs them. Kept
// here is what the host kernel cannot know: which ranges are the guest's, and the guest's own
// permissions.
//
// Invariants:
//  - Guest pages are never host-executable; instruction fetch checks the guest permission here.
//  - A range that is not in this map is never replaced, unmapped or protected on the guest's
//  behalf: it
//    may be Ulna's own. A fixed mapping over such a range first claims it with MAP_FIXED_NOREPLACE.
//  - Translations of executable pages are invalidated after the map has changed and the lock is
//  free:
//    the engine calls words() with its own locks held.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <vector>

#include <sys/types.h>

#include "frontend/frontend.h"
#include "ir/support/types.h"
#include "runtime/user/shared_mutex.h"

namespace ulna::user {

inline constexpr u64 kPageBytes = 4096;
inline constexpr int kProtBti = 0x10; // PROT_BTI: a guarded page, when the CPU has FEAT_BTI
inline constexpr int kProtMte = 0x20; // PROT_MTE: has tags, when the CPU has FEAT_MTE2
// Not a protection, but kept with it: memory that may have tags (the kernel's VM_MTE_ALLOWED).
inline constexpr int kMayHaveTags = 0x100;
inline constexpr u64 kTaskSize = u64{1} << 47; // what both the host and the guest can address

[[nodiscard]] constexpr u64 page_down(u64 address) { return address & ~(kPageBytes - 1); }
[[nodiscard]] constexpr u64 page_up(u64 address) { return page_down(address + kPageBytes - 1); }

class AddressSpace final : public frontend::CodeSource {
  public:
    struct Region {
        GuestAddr start, end;
        int protection; // the guest's PROT_READ | PROT_WRITE | PROT_EXEC | kProtBti | kProtMte
    };

    // CodeSource: a private copy of the words, as another thread may unmap them meanwhile.
    [[nodiscard]] std::span<const u32> words(GuestAddr pc) override;
    [[nodiscard]] bool read(GuestAddr pc, void* to, u64 bytes) override;
    [[nodiscard]] std::optional<u32> guarded_word(GuestAddr pc) override;

    // Nothing of the guest's is beyond it from here on: page-aligned, less than kTaskSize. Before
    // the first mapping.
    void limit(GuestAddr end) { end_ = end; }
    [[nodiscard]] GuestAddr end() const { return end_; }

    // Tells the engine of guarded pages, tags and shared memory (BlockMode); called here when they
    // come up, and by whoever makes the engine.
    void set_engine_mode() const;

    // The system calls: arguments as the guest gives them; -errno or the result.
    [[nodiscard]] i64
    map(GuestAddr address, u64 bytes, int protection, int flags, int fd, u64 offset);
    [[nodiscard]] i64 unmap(GuestAddr address, u64 bytes);
    [[nodiscard]] i64 protect(GuestAddr address, u64 bytes, int protection);
    [[nodiscard]] i64
    remap(GuestAddr old_address, u64 old_bytes, u64 new_bytes, int flags, GuestAddr new_address);
    [[nodiscard]] i64 advise(GuestAddr address, u64 bytes, int advice);
    [[nodiscard]] i64 attach_shared(int id, GuestAddr address, int flags);
    [[nodiscard]] i64 detach_shared(GuestAddr address);

    // The heap starts at the next page boundary and grows upwards.
    void init_brk(GuestAddr start);
    [[nodiscard]] u64 brk(GuestAddr wanted);
    [[nodiscard]] GuestAddr brk_start() const { return brk_start_; }
    [[nodiscard]] GuestAddr brk_end() const { return brk_end_; }

    // The guest's protection of the page; nullopt when nothing of the guest is mapped there.
    [[nodiscard]] std::optional<int> protection(GuestAddr address) const;
    [[nodiscard]] bool owns(GuestAddr address, u64 bytes) const; // every byte
    [[nodiscard]] bool maps_beyond(GuestAddr address) const;     // at it or anywhere above
    [[nodiscard]] std::vector<Region> regions() const;           // ascending, merged

    // Around a guest fork that copies memory, so that the child's map is whole and unlocked.
    void before_fork();
    void after_fork();

  private:
    struct Value {
        GuestAddr end;
        int protection;
    };
    using Map = std::map<GuestAddr, Value>;

    [[nodiscard]] Map::const_iterator find(GuestAddr address) const;
    void split(GuestAddr address);
    void erase(GuestAddr start, GuestAddr end);
    void insert(GuestAddr start, GuestAddr end, int protection);
    // What translations may exist of: to be forgotten once the lock is free.
    using Stale = std::vector<Region>;
    void note_executable(GuestAddr start, GuestAddr end, Stale& stale) const;
    // Whole pages inside the address space; 0 bytes are the caller's to judge.
    [[nodiscard]] bool is_valid(GuestAddr address, u64 bytes) const {
        return address % kPageBytes == 0 && bytes <= end_ && address <= end_ - page_up(bytes);
    }
    // With a limit, where a mapping goes that is wanted at `hint` (0: anywhere), as high as
    // possible when that is taken. 0: the host kernel chooses; no value: no such place.
    [[nodiscard]] std::optional<GuestAddr> choose_place(GuestAddr hint, u64 bytes) const;
    // The same for one that must be there.
    [[nodiscard]] std::optional<GuestAddr> only_place(GuestAddr address, u64 bytes) const;
    [[nodiscard]] i64
    move_mapping(GuestAddr from, u64 old_bytes, u64 new_bytes, int flags, GuestAddr to) const;
    [[nodiscard]] bool covers(GuestAddr start, GuestAddr end) const;
    [[nodiscard]] std::vector<Region> owned_parts(GuestAddr start, GuestAddr end) const;
    [[nodiscard]] bool may_map(u64 bytes, GuestAddr start, GuestAddr end) const;
    // Claims the parts of a range that are not the guest's; false when something of ours is there.
    [[nodiscard]] bool claim_gaps(GuestAddr start, GuestAddr end, std::vector<Region>& claimed);
    [[nodiscard]] i64 map_locked(
        GuestAddr address, u64 bytes, int protection, int flags, int fd, u64 offset, Stale& stale);
    [[nodiscard]] i64 unmap_locked(GuestAddr start, GuestAddr end, Stale& stale);
    // Pages of the range that have tags lose them.
    void drop_tags(GuestAddr start, GuestAddr end) const;

    mutable SharedMutex mutex_;
    std::atomic<u32> mode_bits_{0}; // what Engine::add_mode has been or will be told
    GuestAddr end_ = kTaskSize;
    Map map_;
    std::map<GuestAddr, u64> shared_segments_; // shmat address -> bytes
    GuestAddr brk_start_ = 0;
    GuestAddr brk_end_ = 0;
};

} // namespace ulna::user
