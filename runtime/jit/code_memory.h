// Host memory for translated code: one shared object mapped twice, writable here and executable
// there, so that no page is ever both. The stubs sit at its start; the rest is divided into arenas
// that are filled one after the other and forgotten whole (translation_cache.h decides when).
//
// The memory is shared anonymous memory rather than a named file: it needs no descriptor and is not
// subject to RLIMIT_FSIZE. Its price is that a forked child shares it with its parent: privatise()
// gives the child its own before it runs guest code.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "ir/support/types.h"

namespace ulna::runtime {

inline constexpr u32 kCodeAlign = 16;

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
    [[nodiscard]] u32 arena_bytes() const { return arena_bytes_; }
    [[nodiscard]] u32 arena_of(u32 offset) const { return (offset - first_arena_) / arena_bytes_; }

    // Copies code to `offset` (aligned to kCodeAlign). Now and then the writable view gives back
    // its pages, which the executable one has, too: they would count twice in the process's size.
    void write(u32 offset, std::span<const u8> code);
    // Replaces a displacement; where that stays in an aligned quadword, other threads may be
    // executing it.
    void patch_displacement(u32 offset, u32 target_offset);
    // Gives an arena's memory back to the host; its contents are gone.
    void discard_arena(u32 arena);

    // The executable bytes of an arena, for dumps.
    [[nodiscard]] std::span<const u8> read(u32 offset, u32 bytes) const;

    // In a forked child: own, empty memory at the same addresses, with the stubs. The parent's
    // stays readable as "inherited" until drop_inherited().
    [[nodiscard]] bool privatise();
    void drop_inherited();
    // The parent's bytes at an offset. It may be changing displacements, and it may give whole
    // arenas back: bytes read are good only if inherited_discards() afterwards is still what
    // discards() was in the parent at the fork.
    [[nodiscard]] std::span<const u8> inherited(u32 offset, u32 bytes) const;
    [[nodiscard]] u64 inherited_discards() const;
    // How often an arena was given back.
    [[nodiscard]] u64 discards() const;

  private:
    // The counter of discards is the first word; the stubs follow on the next cache line.
    static constexpr u32 kStubOffset = 64;

    [[nodiscard]] bool map_views(u64 bytes);
    void unmap();
    void populate(u64 offset, u64 bytes);

    // Giving pages back costs a fault for each in which a link is changed later: often pays where
    // there is little code, a MiB of which counts.
    static constexpr u64 kFirstWritten = 1u << 20, kMostWritten = 4u << 20;
    // What nearly every program fills, and what is filled behind that.
    static constexpr u64 kSoonFilled = 128u << 10, kPopulated = 64u << 10;
    u64 exec_base_ = 0;
    u64 inherited_base_ = 0; // 0: nothing inherited
    u8* write_base_ = nullptr;
    u64 bytes_ = 0, stub_bytes_ = 0;
    u64 written_ = 0, given_back_ = 0; // since pages were given back; before that
    u64 populated_begin_ = 0, populated_end_ = 0;
    u32 first_arena_ = 0, arena_bytes_ = 0, arena_count_ = 0;
};

} // namespace ulna::runtime
