#include "runtime/jit/code_memory.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <utility>

#include "ir/support/check.h"

namespace ulna::runtime {

namespace {

constexpr u64 kPage = 4096;
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
    arena_bytes_ = static_cast<u32>((bytes_ - head) / arena_count / kPage * kPage);
    stub_bytes_ = stubs.size();
    populate(0, kSoonFilled);
    write(kStubOffset, stubs);
    return true;
}

// Memory that will be filled, in one call instead of a fault a page. It may fail.
void CodeMemory::populate(u64 offset, u64 bytes) {
#ifdef MADV_POPULATE_WRITE
    madvise(write_base_ + offset, std::min(bytes, bytes_ - offset), MADV_POPULATE_WRITE);
#endif
    populated_begin_ = offset;
    populated_end_ = offset + bytes;
}

void CodeMemory::write(u32 offset, std::span<const u8> code) {
    DCHECK(offset % kCodeAlign == 0 && offset + code.size() <= bytes_);
    if (offset < populated_begin_ || offset + code.size() > populated_end_) {
        populate(offset / kPage * kPage, kPopulated);
    }
    if (!code.empty()) {
        std::memcpy(write_base_ + offset, code.data(), code.size());
    }
    written_ += code.size();
    if (written_ >= (given_back_ < kMostWritten ? kFirstWritten : kMostWritten)) {
        given_back_ += std::exchange(written_, 0);
        madvise(write_base_, bytes_, MADV_DONTNEED); // of this view alone
    }
}

void CodeMemory::patch_displacement(u32 offset, u32 target_offset) {
    const u32 displacement = target_offset - (offset + 4);
    // One store, wherever it is; after what was written before.
    std::atomic_signal_fence(std::memory_order_release);
    asm volatile("movl %1, %0" : "=m"(*(write_base_ + offset)) : "r"(displacement) : "memory");
}

void CodeMemory::discard_arena(u32 arena) {
    // Counted before the code goes: a forked child may be reading it.
    std::atomic_ref<u64>{*reinterpret_cast<u64*>(write_base_)}.fetch_add(1);
    // Removes the pages of both views; a failure only costs memory.
    madvise(write_base_ + arena_begin(arena), arena_bytes_, MADV_REMOVE);
}

std::span<const u8> CodeMemory::read(u32 offset, u32 bytes) const {
    return {reinterpret_cast<const u8*>(exec_base_ + offset), bytes};
}

// Shared memory that a relative may change, hence volatile.
u64 CodeMemory::discards() const { return *reinterpret_cast<const volatile u64*>(exec_base_); }

u64 CodeMemory::inherited_discards() const {
    std::atomic_thread_fence(std::memory_order_acquire); // after the bytes that were read
    return *reinterpret_cast<const volatile u64*>(inherited_base_);
}

std::span<const u8> CodeMemory::inherited(u32 offset, u32 bytes) const {
    return {reinterpret_cast<const u8*>(inherited_base_ + offset), bytes};
}

void CodeMemory::drop_inherited() {
    if (inherited_base_ != 0) {
        munmap(reinterpret_cast<void*>(inherited_base_), bytes_);
        inherited_base_ = 0;
    }
}

bool CodeMemory::privatise() {
    constexpr int kFixed = MREMAP_MAYMOVE | MREMAP_FIXED;
    inherited_base_ = 0; // our parent's own inheritance was not mapped for us
    void* const aside =
        mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    void* const exec = reinterpret_cast<void*>(exec_base_);
    if (aside == MAP_FAILED || mremap(exec, bytes_, bytes_, kFixed, aside) != aside) {
        return false;
    }
    inherited_base_ = reinterpret_cast<u64>(aside);
    mprotect(aside, bytes_, PROT_READ);
    madvise(aside, bytes_, MADV_DONTFORK);
    void* const fresh = mmap(write_base_, bytes_, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (fresh != write_base_) {
        return false;
    }
    populated_begin_ = 0; // not so, but most children fill little
    populated_end_ = kPopulated;
    std::memcpy(write_base_ + kStubOffset, reinterpret_cast<const u8*>(aside) + kStubOffset,
                stub_bytes_);
    if (mremap(write_base_, 0, bytes_, kFixed, exec) != exec ||
        mprotect(exec, bytes_, PROT_READ | PROT_EXEC) != 0) {
        return false;
    }
    return true;
}

} // namespace ulna::runtime
