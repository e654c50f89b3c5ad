// Host memory for translated code: one shared object mapped twice, writable here and executable
// there, so that no page is ever both. The stubs sit at its start; the rest is divided into arenas
// that are filled one after the other and forgotten whole (translation_cache.h decides when).
//
// The memory is shared anonymous memory rather than a named file: it needs no descriptor and is not
// subject to RLIMIT_FSIZE. Its price is that a forked child shares it with its parent: privatise()
// gives the child its own, into which it copies what it executes of its parent's, part by part.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/support/types.h"

namespace ulna::runtime {

inline constexpr u32 kCodeAlign = 16;

// Offsets in the code memory.
struct CodeRange {
    u32 begin, end;
};

class CodeMemory {
  public:
    CodeMemory() = default;
    ~CodeMemory();
    CodeMemory(const CodeMemory&) = delete;
    CodeMemory& operator=(const CodeMemory&) = delete;

    // Reserves address space (less when limits demand it) for the stubs and `arena_count` equal
    // arenas.
    [[nodiscard]] bool
    create(u64 bytes, std::span<const u8> stubs, u32 arena_count, std::string& why_not);

    [[nodiscard]] u64 exec_base() const { return exec_base_; }
    [[nodiscard]] u64 stub_base() const { return exec_base_ + kStubOffset; }
    [[nodiscard]] u64 bytes() const { return bytes_; }
    [[nodiscard]] bool contains(u64 host) const { return host - exec_base_ < bytes_; }
    [[nodiscard]] u32 offset_of(u64 host) const { return static_cast<u32>(host - exec_base_); }
    [[nodiscard]] u64 host_of(u32 offset) const { return exec_base_ + offset; }

    [[nodiscard]] u32 arena_count() const { return arena_count_; }
    [[nodiscard]] u32 arena_begin(u32 arena) const { return first_arena_ + arena * arena_bytes_; }
    [[nodiscard]] u32 arena_end(u32 arena) const { return arena_begin(arena + 1); }
    [[nodiscard]] u32 arena_bytes() const { return arena_bytes_; }
    [[nodiscard]] u32 arena_of(u32 offset) const { return (offset - first_arena_) / arena_bytes_; }

    // Copies code to `offset` (aligned to kCodeAlign). Now and then the writable view gives back
    // its pages, which the executable one has, too: they would count twice in the process's size.
    void write(u32 offset, std::span<const u8> code);
    // Replaces a displacement; where that stays in an aligned quadword, other threads may be
    // executing it. Does nothing in an absent part.
    void patch_displacement(u32 offset, u32 target_offset);
    // Gives an arena's memory back to the host; its contents are gone, but for forked children.
    void discard_arena(u32 arena);

    // The bytes of a block, all of whose parts are absent or none.
    [[nodiscard]] std::span<const u8> read(u32 offset, u32 bytes) const;

    // Before a fork, with no part absent.
    void prepare_fork() {
        shared_with_children_ = true;
        patches_at_fork_ = patches_in(write_base_);
    }
    // In a forked child: own memory at the same addresses, with the stubs. What an arena held,
    // which ended at used_ends[arena] (0: it held nothing), is absent: to execute or read it
    // faults.
    [[nodiscard]] bool privatise(std::span<const u32> used_ends);
    [[nodiscard]] bool is_absent(u32 offset) const {
        return absent_count_ != 0 && offset >= first_arena_ && absent_[part_of(offset)];
    }
    // Copies the absent part that holds the offset. Not exact: displacements have been changed
    // since the fork, here or by the parent; the caller replaces them all before they are executed
    // (open).
    struct CopiedPart {
        CodeRange range;
        bool exact;
    };
    [[nodiscard]] CopiedPart copy_in(u32 offset);
    void open(CodeRange part);
    [[nodiscard]] u32 end_of_part(u32 offset) const {
        return first_arena_ + (part_of(offset) + 1) * part_bytes_;
    }

  private:
    // The first word counts patches of displacements, for children; the stubs follow on the next
    // cache line.
    static constexpr u32 kStubOffset = 64;
    [[nodiscard]] static u64 patches_in(const u8* memory) {
        return *reinterpret_cast<const volatile u64*>(memory);
    }
    // What is copied at once: 16 KiB cost more in faults, 64 no less in copies. A page in caches so
    // small that it would be much of an arena.
    static constexpr u32 kPartBytes = 32u << 10;

    [[nodiscard]] bool map_views(u64 bytes);
    [[nodiscard]] bool replace(CodeRange range);
    void unmap();
    [[nodiscard]] bool set_aside(CodeRange range);
    [[nodiscard]] bool close(CodeRange parts);
    void drop_inherited();
    [[nodiscard]] u32 part_of(u32 offset) const { return (offset - first_arena_) / part_bytes_; }
    void mark_absent(CodeRange range, bool absent);
    bool note_change_if_absent(u32 offset);
    void populate(u64 offset, u64 bytes);
    void note_written(u64 bytes);

    // Giving pages back costs a fault for each in which a link is changed later: often pays where
    // there is little code, a MiB of which counts.
    static constexpr u64 kFirstWritten = 1u << 20, kMostWritten = 4u << 20;
    // What nearly every program fills, and what is filled behind that.
    static constexpr u64 kSoonFilled = 128u << 10, kPopulated = 64u << 10;
    u64 exec_base_ = 0;
    u8* write_base_ = nullptr;
    u64 bytes_ = 0, stub_bytes_ = 0;
    u64 written_ = 0, given_back_ = 0; // since pages were given back; before that
    u64 populated_begin_ = 0, populated_end_ = 0;
    u32 first_arena_ = 0, arena_bytes_ = 0, arena_count_ = 0, part_bytes_ = 0;
    bool shared_with_children_ = false;
    u8* inherited_base_ = nullptr; // the parent's memory, while parts are absent
    u64 patches_at_fork_ = 0;      // in it
    std::vector<bool> absent_;     // by part
    std::vector<bool> changed_;    // of absent parts: a displacement was to be patched
    u32 absent_count_ = 0;
};

} // namespace ulna::runtime
