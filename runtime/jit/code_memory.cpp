#include "runtime/jit/code_memory.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <utility>

#include "ir/support/check.h"

namespace ulna::runtime {

namespace {

constexpr u32 kPage = 4096;
constexpr u64 kLeastBytes = 64u << 10;
constexpr u64 kMostBytes = 1u << 30; // any block reaches any other with a 32-bit displacement

[[nodiscard]] constexpr u64 round_up(u64 n, u64 to) { return (n + to - 1) / to * to; }

} // namespace

CodeMemory::~CodeMemory() { unmap(); }

void CodeMemory::unmap() {
    if (write_base_ != nullptr) {
        munmap(write_base_, bytes_);
    }
    if (exec_base_ != 0) {
        munmap(reinterpret_cast<void*>(exec_base_), bytes_);
    }
    drop_inherited();
    write_base_ = nullptr;
    exec_base_ = 0;
}

bool CodeMemory::map_views(u64 bytes) {
    void* const writable = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (writable == MAP_FAILED) {
        return false;
    }
    bytes_ = bytes;
    write_base_ = static_cast<u8*>(writable);
    // An old size of zero duplicates a shared mapping (mremap(2)).
    void* const executable = mremap(writable, 0, bytes, MREMAP_MAYMOVE);
    if (executable == MAP_FAILED) {
        unmap();
        return false;
    }
    exec_base_ = reinterpret_cast<u64>(executable);
    if (mprotect(executable, bytes, PROT_READ | PROT_EXEC) != 0) {
        unmap();
        return false;
    }
    return true;
}

bool CodeMemory::create(u64 bytes,
                        std::span<const u8> stubs,
                        u32 arena_count,
                        std::string& why_not) {
    const u64 head = round_up(kStubOffset + stubs.size(), kPage);
    const u64 least = head + round_up(kLeastBytes, arena_count * kPage);
    bytes = round_up(std::min(std::max(bytes, least), kMostBytes), kPage);
    bool tight = false; // RLIMIT_AS
    while (!map_views(bytes)) {
        tight = true;
        if (bytes / 2 < least) {
            why_not = std::string{"no memory for the code cache: "} + std::strerror(errno);
            return false;
        }
        bytes = round_up(bytes / 2, kPage);
    }
    if (tight && bytes / 2 >= least) { // the rest of us and the guest need room, too
        unmap();
        bytes = round_up(bytes / 2, kPage);
        if (!map_views(bytes)) {
            why_not = std::string{"no memory for the code cache: "} + std::strerror(errno);
            return false;
        }
    }
    first_arena_ = static_cast<u32>(head);
    arena_count_ = arena_count;
    const u64 arena_bytes = (bytes_ - head) / arena_count;
    part_bytes_ = arena_bytes < 16 * kPartBytes ? kPage : kPartBytes;
    arena_bytes_ = static_cast<u32>(arena_bytes / part_bytes_ * part_bytes_);
    stub_bytes_ = stubs.size();
    populate(0, kSoonFilled);
    populated_end_ = kSoonFilled;
    write(kStubOffset, stubs);
    return true;
}

// Memory that will be filled, in one call instead of a fault a page. It may fail.
void CodeMemory::populate(u64 offset, u64 bytes) {
#ifdef MADV_POPULATE_WRITE
    madvise(write_base_ + offset, std::min(bytes, bytes_ - offset), MADV_POPULATE_WRITE);
#endif
}

void CodeMemory::write(u32 offset, std::span<const u8> code) {
    DCHECK(offset % kCodeAlign == 0 && offset + code.size() <= bytes_);
    if (offset < populated_begin_ || offset + code.size() > populated_end_) {
        populated_begin_ = offset / kPage * kPage;
        populated_end_ = populated_begin_ + kPopulated;
        populate(populated_begin_, kPopulated);
    }
    if (!code.empty()) {
        std::memcpy(write_base_ + offset, code.data(), code.size());
    }
    note_written(code.size());
}

void CodeMemory::note_written(u64 bytes) {
    written_ += bytes;
    if (written_ >= (given_back_ < kMostWritten ? kFirstWritten : kMostWritten)) {
        given_back_ += std::exchange(written_, 0);
        madvise(write_base_, bytes_, MADV_DONTNEED); // of this view alone
    }
}

void CodeMemory::patch_displacement(u32 offset, u32 target_offset) {
    note_change_if_absent(offset + 3);
    if (note_change_if_absent(offset)) {
        return;
    }
    const u32 displacement = target_offset - (offset + 4);
    // Counted first: a forked child may be reading.
    std::atomic_ref<u64>{*reinterpret_cast<u64*>(write_base_)}.fetch_add(1);
    // One store, wherever it is; after what was written before.
    std::atomic_signal_fence(std::memory_order_release);
    asm volatile("movl %1, %0" : "=m"(*(write_base_ + offset)) : "r"(displacement) : "memory");
}

void CodeMemory::discard_arena(u32 arena) {
    const CodeRange range{arena_begin(arena), arena_end(arena)};
    mark_absent(range, false);
    if (shared_with_children_) {
        if (!replace(range)) {
            out_of_memory("the code cache");
        }
    } else {
        // Removes the pages of both views; a failure only costs memory.
        madvise(write_base_ + range.begin, arena_bytes_, MADV_REMOVE);
        open(range); // of which parts may have been absent
    }
}

// Both views show new, empty memory.
bool CodeMemory::replace(CodeRange range) {
    u8* const writable = write_base_ + range.begin;
    void* const executable = reinterpret_cast<void*>(exec_base_ + range.begin);
    const u64 bytes = range.end - range.begin;
    return mmap(writable, bytes, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == writable &&
           mremap(writable, 0, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, executable) == executable &&
           mprotect(executable, bytes, PROT_READ | PROT_EXEC) == 0;
}

std::span<const u8> CodeMemory::read(u32 offset, u32 bytes) const {
    const u8* const base =
        is_absent(offset) ? inherited_base_ : reinterpret_cast<const u8*>(exec_base_);
    return {base + offset, bytes};
}

// --- what a forked child has of its parent's

void CodeMemory::drop_inherited() {
    if (inherited_base_ != nullptr) {
        munmap(std::exchange(inherited_base_, nullptr), bytes_);
    }
}

void CodeMemory::mark_absent(CodeRange range, bool absent) {
    if (absent_.empty()) {
        return;
    }
    for (u32 part = part_of(range.begin); part < part_of(range.end); ++part) {
        absent_count_ += u32{absent} - u32{absent_[part]};
        absent_[part] = absent;
    }
    if (absent_count_ == 0) {
        drop_inherited();
    }
}

// The writable view is moved, not the executable one, of which an arena may be several mappings.
bool CodeMemory::set_aside(CodeRange range) {
    u8* const to = inherited_base_ + range.begin;
    const u64 bytes = range.end - range.begin;
    return mremap(write_base_ + range.begin, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
               to &&
           mprotect(to, bytes, PROT_READ) == 0;
}

bool CodeMemory::privatise(std::span<const u32> used_ends) {
    DCHECK(absent_count_ == 0);
    void* const aside =
        mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (aside == MAP_FAILED) {
        return false;
    }
    inherited_base_ = static_cast<u8*>(aside);
    bool good = set_aside({0, first_arena_});
    for (u32 arena = 0; arena < arena_count_; ++arena) {
        good = good && (used_ends[arena] == 0 || set_aside({arena_begin(arena), arena_end(arena)}));
    }
    if (!good || !replace({0, static_cast<u32>(bytes_)})) {
        return false;
    }
    shared_with_children_ = false;
    written_ = given_back_ = 0;
    std::memcpy(write_base_, inherited_base_, kStubOffset + stub_bytes_);
    absent_.assign(part_of(arena_begin(arena_count_)), false);
    changed_ = absent_;
    for (u32 arena = 0; arena < arena_count_; ++arena) {
        if (used_ends[arena] > arena_begin(arena)) {
            good = good && close({arena_begin(arena), end_of_part(used_ends[arena] - 1)});
        }
    }
    if (absent_count_ == 0) {
        drop_inherited();
    }
    return good;
}

bool CodeMemory::close(CodeRange parts) {
    mark_absent(parts, true);
    void* const executable = reinterpret_cast<void*>(exec_base_ + parts.begin);
    return mprotect(executable, parts.end - parts.begin, PROT_NONE) == 0;
}

bool CodeMemory::note_change_if_absent(u32 offset) {
    if (!is_absent(offset)) {
        return false;
    }
    changed_[part_of(offset)] = true;
    return true;
}

CodeMemory::CopiedPart CodeMemory::copy_in(u32 offset) {
    const u32 begin = first_arena_ + part_of(offset) * part_bytes_;
    populate(begin, part_bytes_);
    std::memcpy(write_base_ + begin, inherited_base_ + begin, part_bytes_);
    std::atomic_thread_fence(std::memory_order_acquire);
    const bool exact =
        patches_in(inherited_base_) == patches_at_fork_ && !changed_[part_of(offset)];
    note_written(part_bytes_);
    const CodeRange part{begin, begin + part_bytes_};
    mark_absent(part, false);
    return {part, exact};
}

void CodeMemory::open(CodeRange part) {
    void* const executable = reinterpret_cast<void*>(exec_base_ + part.begin);
    CHECK(mprotect(executable, part.end - part.begin, PROT_READ | PROT_EXEC) == 0);
}

} // namespace ulna::runtime
