// See tag_storage.h. Both tables are private memory that the host gives when it is written, so that
// a fork copies them as it copies the guest's pages.
#include "runtime/user/tag_storage.h"

#include <algorithm>
#include <cstring>

#include <sys/mman.h>

namespace ulna::user {

namespace {

ir::TagMemory g_memory;

constexpr u64 kHostPageBytes = 4096;

u8* reserve(u64 bytes) {
    void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        return nullptr;
    }
    // A huge page would hold the tags of 32 MiB, mostly not in use; a dump has no use for them.
    ::madvise(at, bytes, MADV_NOHUGEPAGE);
    ::madvise(at, bytes, MADV_DONTDUMP);
    return static_cast<u8*>(at);
}

// Whole pages go back to the host.
void zero(u8* from, u8* to) {
    const u64 first = align_down(reinterpret_cast<u64>(from) + kHostPageBytes - 1, kHostPageBytes);
    const u64 last = align_down(reinterpret_cast<u64>(to), kHostPageBytes);
    if (first >= last) {
        std::memset(from, 0, static_cast<std::size_t>(to - from));
        return;
    }
    u8* const whole = reinterpret_cast<u8*>(first);
    u8* const rest = reinterpret_cast<u8*>(last);
    std::memset(from, 0, static_cast<std::size_t>(whole - from));
    ::madvise(whole, last - first, MADV_DONTNEED);
    std::memset(rest, 0, static_cast<std::size_t>(to - rest));
}

u8* tags_at(GuestAddr address) { return g_memory.tags + address / ir::kTagGranuleBytes; }
u8* page_at(GuestAddr address) { return g_memory.pages + (address >> ir::kTagPageLog2); }

} // namespace

bool reserve_tags() {
    if (g_memory.tags != nullptr) {
        return true;
    }
    u8* const tags = reserve(ir::kTagBytes);
    u8* const pages = tags != nullptr ? reserve(ir::kTagPageBytes) : nullptr;
    if (pages == nullptr) {
        if (tags != nullptr) {
            ::munmap(tags, ir::kTagBytes);
        }
        return false;
    }
    g_memory = {tags, pages};
    return true;
}

const ir::TagMemory& tag_memory() { return g_memory; }

void give_tags(GuestAddr start, GuestAddr end) { std::fill(page_at(start), page_at(end), u8{1}); }

void take_tags(GuestAddr start, GuestAddr end) {
    zero(page_at(start), page_at(end));
    clear_tags(start, end);
}

void clear_tags(GuestAddr start, GuestAddr end) { zero(tags_at(start), tags_at(end)); }

void copy_tags(GuestAddr from, GuestAddr to, u64 bytes) {
    std::copy(tags_at(from), tags_at(from + bytes), tags_at(to));
}

} // namespace ulna::user
