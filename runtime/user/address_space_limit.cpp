// An address space with an end of its own: mappings that may be anywhere are below it, where the
// host kernel would not put them.
#include "runtime/user/address_space_limit.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <vector>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/user/address_space.h"
#include "runtime/user/guest_thread.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

std::optional<GuestAddr> AddressSpace::choose_place(GuestAddr hint, u64 bytes) const {
    if (end_ == kTaskSize || bytes == 0) {
        return hint;
    }
    const u64 length = page_up(bytes);
    const GuestAddr wanted = page_down(hint);
    if (wanted != 0 && is_valid(wanted, length) && owned_parts(wanted, wanted + length).empty()) {
        return wanted;
    }
    constexpr GuestAddr kLowest = 0x10000; // mmap_min_addr
    GuestAddr top = end_ - kPageBytes;
    for (auto below = map_.rbegin(); below != map_.rend(); ++below) {
        if (below->second.end + length <= top) {
            break;
        }
        top = std::min(top, below->first);
    }
    return top >= kLowest + length ? std::optional{top - length} : std::nullopt;
}

std::optional<GuestAddr> AddressSpace::only_place(GuestAddr address, u64 bytes) const {
    const bool beyond = end_ != kTaskSize && page_down(address) + page_up(bytes) > end_;
    return beyond ? std::nullopt : std::optional{address};
}

// mremap(2). Where it grows is the host's to say; only where it moves is not.
i64 AddressSpace::move_mapping(
    GuestAddr from, u64 old_bytes, u64 new_bytes, int flags, GuestAddr to) const {
    const auto remap = [&](int how, GuestAddr at) {
        return host_syscall(SYS_mremap, from, old_bytes, new_bytes, static_cast<u64>(how), at);
    };
    const bool may_be_anywhere = (flags & MREMAP_MAYMOVE) != 0 && (flags & MREMAP_FIXED) == 0;
    if (end_ == kTaskSize || !may_be_anywhere) {
        return remap(flags, to);
    }
    const bool grows_in_place = is_valid(from, new_bytes) && (flags & MREMAP_DONTUNMAP) == 0;
    const i64 result = grows_in_place ? remap(flags & ~MREMAP_MAYMOVE, 0) : -ENOMEM;
    const auto place = result == -ENOMEM ? choose_place(0, new_bytes) : std::nullopt;
    return place ? remap(flags | MREMAP_FIXED, *place) : result;
}

// --- what a program wants

namespace {

class ElfFile {
  public:
    ElfFile(int fd, std::span<const Elf64_Phdr> segments) : fd_{fd}, segments_{segments} {}

    // The first of its kind; null: there is none.
    [[nodiscard]] const Elf64_Phdr* segment(u32 type) const {
        const auto found = std::ranges::find(segments_, type, &Elf64_Phdr::p_type);
        return found != segments_.end() ? &*found : nullptr;
    }
    // Nothing: it is not all in the file.
    template <class T> [[nodiscard]] std::vector<T> read(GuestAddr address, u64 bytes) const {
        for (const Elf64_Phdr& each : segments_) {
            const u64 in_segment = address - each.p_vaddr;
            if (each.p_type == PT_LOAD && in_segment <= each.p_filesz &&
                bytes <= each.p_filesz - in_segment) {
                std::vector<T> result(bytes / sizeof(T));
                const auto wanted = static_cast<ssize_t>(result.size() * sizeof(T));
                const auto offset = static_cast<off_t>(each.p_offset + in_segment);
                return ::pread(fd_, result.data(), static_cast<std::size_t>(wanted), offset) ==
                               wanted
                           ? result
                           : std::vector<T>{};
            }
        }
        return {};
    }

  private:
    int fd_;
    std::span<const Elf64_Phdr> segments_;
};

// What a dynamic program exports or imports; empty: nothing that we understand.
std::vector<char> dynamic_names(const ElfFile& file) {
    const Elf64_Phdr* const dynamic = file.segment(PT_DYNAMIC);
    if (dynamic == nullptr || file.segment(PT_INTERP) == nullptr) {
        return {};
    }
    GuestAddr names = 0;
    u64 bytes = 0;
    for (const Elf64_Dyn& entry : file.read<Elf64_Dyn>(dynamic->p_vaddr, dynamic->p_filesz)) {
        names = entry.d_tag == DT_STRTAB ? entry.d_un.d_ptr : names;
        bytes = entry.d_tag == DT_STRSZ ? entry.d_un.d_val : bytes;
    }
    return file.read<char>(names, bytes);
}

bool has_limited_sanitizer(int fd, std::span<const Elf64_Phdr> segments) {
    const std::vector<char> names = dynamic_names({fd, segments});
    const std::string_view all{names.data(), names.size()};
    using namespace std::string_view_literals;
    return all.find("\0__tsan_init\0"sv) != all.npos || all.find("\0__msan_init\0"sv) != all.npos;
}

} // namespace

GuestAddr limit_for(int fd, std::span<const Elf64_Phdr> segments) {
    constexpr GuestAddr kOfSanitizers = u64{1} << 39;
    if (const u64 reserved = process().options.reserved_bytes; reserved != 0) {
        return std::min(reserved, kTaskSize);
    }
    return has_limited_sanitizer(fd, segments) ? kOfSanitizers : kTaskSize;
}

} // namespace ulna::user
