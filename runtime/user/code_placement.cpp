#include "runtime/user/code_placement.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include <elf.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "runtime/persist/checksum.h"
#include "runtime/user/address_space.h"
#include "runtime/user/guest_thread.h"

namespace ulna::user {

namespace {

std::atomic<int> g_opened_last{-1};

runtime::PersistentCache* cache() { return process().persistent.get(); }

bool is_private_file(int flags, int fd) {
    return fd >= 0 && (flags & MAP_ANONYMOUS) == 0 && (flags & MAP_TYPE) == MAP_PRIVATE;
}

// What glibc's ld.so reserves for a library whose segments are aligned to more than a page
// (_dl_map_segment): the extent of the segments, and an alignment more. 0: it does not reserve.
u64 reservation_for(int fd) {
    Elf64_Ehdr header;
    Elf64_Phdr segments[32];
    if (::pread(fd, &header, sizeof header, 0) != static_cast<ssize_t>(sizeof header) ||
        header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > std::size(segments)) {
        return 0;
    }
    const std::size_t table_bytes = header.e_phnum * sizeof(Elf64_Phdr);
    if (::pread(fd, segments, table_bytes, static_cast<off_t>(header.e_phoff)) !=
        static_cast<ssize_t>(table_bytes)) {
        return 0;
    }
    u64 low = ~u64{0}, high = 0, alignment = 0;
    for (const Elf64_Phdr& segment : std::span(segments, header.e_phnum)) {
        if (segment.p_type == PT_LOAD) {
            low = std::min(low, page_down(segment.p_vaddr));
            high = std::max(high, segment.p_vaddr + segment.p_memsz);
            alignment = std::max(alignment, segment.p_align);
        }
    }
    return alignment <= kPageBytes || low >= high
               ? 0
               : page_up(std::max(high - low, alignment) + alignment);
}

struct Range {
    GuestAddr first;
    u64 bytes, slot_bytes;
};

u64 seed_of_this_process() {
    static const u64 seed = [] {
        u64 random = 0;
        (void)::getrandom(&random, sizeof random, GRND_NONBLOCK);
        return random;
    }();
    return seed;
}

} // namespace

std::optional<u64>
code_identity_of_mapping(u64 bytes, int protection, int flags, int fd, u64 offset) {
    if (is_private_file(flags, fd)) {
        return offset == 0 ? runtime::code_file_identity(fd) : std::nullopt;
    }
    const int opened = g_opened_last.load(std::memory_order_relaxed);
    const bool is_reservation = protection == PROT_NONE && (flags & MAP_ANONYMOUS) != 0 &&
                                (flags & MAP_TYPE) == MAP_PRIVATE && opened >= 0;
    const auto identity = is_reservation ? runtime::code_file_identity(opened) : std::nullopt;
    return identity && reservation_for(opened) == page_up(bytes) ? identity : std::nullopt;
}

void note_opened_file(i64 descriptor) {
    if (descriptor >= 0) {
        g_opened_last.store(static_cast<int>(descriptor), std::memory_order_relaxed);
    }
}

GuestAddr usual_place(u64 identity, unsigned attempt, GuestAddr end) {
    // Above programs with fixed addresses and their heaps.
    constexpr Range kLow{0x2000'0000, u64{0x5000'0000}, 64u << 10};
    // Neither programs nor the host kernel's own choices are near.
    constexpr Range kHigh{0x7800'0000'0000, u64{4} << 40, 4u << 20};
    // Where sanitizers expect libraries.
    const Range limited{end / 64 * 63, end / 128, 64u << 10};
    const Range& range = end != kTaskSize ? limited : attempt < kPlacesToTry / 2 ? kLow : kHigh;
    const u64 seed = cache() != nullptr ? cache()->placement_seed() : seed_of_this_process();
    const u64 slot = runtime::FieldHash{}.add(seed).add(identity).add(attempt).value() %
                     (range.bytes / range.slot_bytes);
    return range.first + slot * range.slot_bytes;
}

void note_code_image(GuestAddr start, u64 bytes, int protection, int flags, int fd, u64 offset) {
    if (cache() == nullptr || (protection & PROT_EXEC) == 0) {
        return;
    }
    const GuestAddr end = start + page_up(bytes);
    const auto identity =
        is_private_file(flags, fd) ? runtime::code_file_identity(fd) : std::nullopt;
    if (identity) {
        cache()->add_image({*identity, start - offset, start, end});
    } else {
        cache()->remove_images(start, end);
    }
}

void forget_code_images(GuestAddr start, u64 bytes) {
    if (cache() != nullptr) {
        cache()->remove_images(start, start + page_up(bytes));
    }
}

} // namespace ulna::user
