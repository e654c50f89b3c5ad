#include "runtime/user/address_space.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <shared_mutex>

#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runtime/user/code_placement.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/guest_thread.h"
#include "runtime/user/memory_limits.h"
#include "runtime/user/syscall.h"
#include "runtime/user/tag_storage.h"

namespace ulna::user {

namespace {

// PROT_BTI and PROT_MTE exist on arm64 only and mean nothing without the features.
bool has(frontend::Feature feature) { return process().options.cpu_model.features.has(feature); }
int guest_protection() {
    return PROT_READ | PROT_WRITE | PROT_EXEC | (has(frontend::Feature::BTI) ? kProtBti : 0) |
           (has(frontend::Feature::MTE) ? kProtMte : 0);
}
// Anonymous memory, and files of a file system in memory.
int tags_allowed(int flags, int fd) {
    constexpr auto kTmpfs = 0x0102'1994; // TMPFS_MAGIC, memfd's too
    struct statfs file_system;
    const bool allowed = has(frontend::Feature::MTE) &&
                         ((flags & MAP_ANONYMOUS) != 0 ||
                          (::fstatfs(fd, &file_system) == 0 && file_system.f_type == kTmpfs));
    return allowed ? kMayHaveTags : 0;
}
// x86-64's MAP_32BIT and MAP_ABOVE4G: no such flags on arm64, where unknown ones are ignored.
constexpr int kHostOnlyFlags = 0x40 | 0x80;
// Enough for the longest translation without copying whole pages for short ones.
constexpr u64 kFetchBytes = 512;
// Spans handed out stay valid for this many further fetches of the same thread: more than a
// translation makes.
constexpr unsigned kFetchBuffers = 32;

// Readable for the translator even when the guest may only execute; never executable.
int host_protection(int guest) {
    int host = guest & ~(PROT_EXEC | kProtBti | kProtMte | kMayHaveTags);
    if ((guest & PROT_EXEC) != 0) {
        host |= PROT_READ;
    }
    return host;
}

void* pointer(GuestAddr address) { return reinterpret_cast<void*>(address); }

i64 host_map(GuestAddr address, u64 bytes, int protection, int flags, int fd, u64 offset) {
    return host_syscall(SYS_mmap, address, bytes, static_cast<u64>(protection),
                        static_cast<u64>(flags), static_cast<u64>(static_cast<i64>(fd)), offset);
}

// A file with code; 0: there is no such place, or it is taken.
i64 map_at_usual_place(u64 bytes, int protection, int flags, int fd, u64 offset) {
    const auto identity = code_identity_of_mapping(bytes, protection, flags, fd, offset);
    for (unsigned attempt = 0; identity && attempt < kPlacesToTry; ++attempt) {
        const GuestAddr wanted = usual_place(*identity, attempt, process().space->end());
        const i64 result = host_map(wanted, bytes, host_protection(protection),
                                    flags | MAP_FIXED_NOREPLACE, fd, offset);
        if (result == static_cast<i64>(wanted)) {
            return result;
        }
        if (result > 0) { // only a hint for old kernels
            ::munmap(pointer(static_cast<u64>(result)), bytes);
        }
    }
    return 0;
}

void forget_translations(const std::vector<AddressSpace::Region>& stale) {
    if (process().engine != nullptr) {
        for (const AddressSpace::Region& part : stale) {
            process().engine->invalidate(part.start, part.end - part.start);
        }
    }
}

} // namespace

std::span<const u32> AddressSpace::words(GuestAddr pc) {
    thread_local std::array<std::array<u32, kFetchBytes / 4>, kFetchBuffers> buffers;
    thread_local unsigned next = 0;
    const GuestAddr page_end = page_down(pc) + kPageBytes;
    u64 bytes = std::min(page_end - pc, kFetchBytes);
    const std::shared_lock lock(mutex_);
    const auto region = find(pc);
    if (region == map_.end() || (region->second.protection & PROT_EXEC) == 0) {
        return {};
    }
    auto& buffer = buffers[next++ % kFetchBuffers];
    if (!copy_from_guest_unchecked(buffer.data(), pc, bytes)) {
        return {}; // a file that shrank
    }
    return {buffer.data(), bytes / 4};
}

bool AddressSpace::read(GuestAddr pc, void* to, u64 bytes) {
    const std::shared_lock lock(mutex_);
    const auto region = find(pc);
    return region != map_.end() && (region->second.protection & PROT_EXEC) != 0 &&
           copy_from_guest_unchecked(to, pc, bytes);
}

std::optional<u32> AddressSpace::guarded_word(GuestAddr pc) {
    const std::shared_lock lock(mutex_);
    const auto region = find(pc);
    constexpr int kGuardedCode = PROT_EXEC | kProtBti;
    u32 word;
    if (region == map_.end() || (region->second.protection & kGuardedCode) != kGuardedCode ||
        !copy_from_guest_unchecked(&word, pc, sizeof word)) {
        return std::nullopt;
    }
    return word;
}

void AddressSpace::set_engine_mode() const {
    if (const u32 bits = mode_bits_.load(std::memory_order_relaxed);
        bits != 0 && process().engine != nullptr) {
        if ((bits & ir::BlockMode::kTags) != 0) {
            process().engine->set_tag_memory(tag_memory());
        }
        process().engine->add_mode(bits);
    }
}

// --- the interval map

AddressSpace::Map::const_iterator AddressSpace::find(GuestAddr address) const {
    auto next = map_.upper_bound(address);
    if (next == map_.begin()) {
        return map_.end();
    }
    --next;
    return address < next->second.end ? next : map_.end();
}

// Makes `address` a boundary when it lies inside a region.
void AddressSpace::split(GuestAddr address) {
    const auto found = find(address);
    if (found == map_.end() || found->first == address) {
        return;
    }
    const Value upper = found->second;
    map_[found->first].end = address;
    map_[address] = upper;
}

void AddressSpace::erase(GuestAddr start, GuestAddr end) {
    split(start);
    split(end);
    map_.erase(map_.lower_bound(start), map_.lower_bound(end));
}

void AddressSpace::insert(GuestAddr start, GuestAddr end, int protection) {
    erase(start, end);
    protection &= guest_protection() | kMayHaveTags;
    if ((protection & kProtMte) != 0) {
        mode_bits_.fetch_or(ir::BlockMode::kTags, std::memory_order_relaxed);
        give_tags(start, end);
    }
    if ((protection & PROT_EXEC) != 0 && (protection & kProtBti) != 0) {
        mode_bits_.fetch_or(ir::BlockMode::kBti, std::memory_order_relaxed);
    }
    const auto after = map_.find(end);
    if (after != map_.end() && after->second.protection == protection) {
        end = after->second.end;
        map_.erase(after);
    }
    const auto before = start == 0 ? map_.cend() : find(start - 1);
    if (before != map_.end() && before->second.protection == protection) {
        map_[before->first].end = end;
    } else {
        map_[start] = {end, protection};
    }
}

std::vector<AddressSpace::Region> AddressSpace::owned_parts(GuestAddr start, GuestAddr end) const {
    std::vector<Region> parts;
    auto region = map_.upper_bound(start);
    if (region != map_.begin()) {
        --region;
    }
    for (; region != map_.end() && region->first < end; ++region) {
        const GuestAddr from = std::max(start, region->first);
        const GuestAddr to = std::min(end, region->second.end);
        if (from < to) {
            parts.push_back({from, to, region->second.protection});
        }
    }
    return parts;
}

void AddressSpace::note_executable(GuestAddr start, GuestAddr end, Stale& stale) const {
    for (const Region& part : owned_parts(start, end)) {
        if ((part.protection & PROT_EXEC) != 0) {
            stale.push_back(part);
        }
    }
}

void AddressSpace::drop_tags(GuestAddr start, GuestAddr end) const {
    for (const Region& part : owned_parts(start, end)) {
        if ((part.protection & kProtMte) != 0) {
            take_tags(part.start, part.end);
        }
    }
}

bool AddressSpace::covers(GuestAddr start, GuestAddr end) const {
    for (const Region& part : owned_parts(start, end)) {
        if (part.start != start) {
            return false;
        }
        start = part.end;
    }
    return start >= end;
}

bool AddressSpace::claim_gaps(GuestAddr start, GuestAddr end, std::vector<Region>& claimed) {
    auto parts = owned_parts(start, end);
    parts.push_back({end, end, 0});
    for (const Region& part : parts) {
        if (start < part.start) {
            const i64 result =
                host_map(start, part.start - start, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
            const bool placed = result == static_cast<i64>(start);
            if (!placed) {
                if (result > 0) { // a kernel without MAP_FIXED_NOREPLACE took it as a hint
                    ::munmap(pointer(static_cast<u64>(result)), part.start - start);
                }
                for (const Region& gap : claimed) {
                    ::munmap(pointer(gap.start), gap.end - gap.start);
                }
                return false;
            }
            claimed.push_back({start, part.start, 0});
        }
        start = part.end;
    }
    return true;
}

// RLIMIT_AS: whether that many bytes may be mapped instead of what is in the range (mm/mmap.c,
// may_expand_vm).
bool AddressSpace::may_map(u64 bytes, GuestAddr start, GuestAddr end) const {
    const u64 limit = address_space_limit();
    if (limit == RLIM_INFINITY) {
        return true;
    }
    u64 mapped = bytes;
    for (const auto& [from, region] : map_) {
        mapped += region.end - from;
    }
    for (const Region& part : owned_parts(start, end)) {
        mapped -= part.end - part.start;
    }
    return mapped <= limit;
}

// --- system calls

i64 AddressSpace::map_locked(
    GuestAddr address, u64 bytes, int protection, int flags, int fd, u64 offset, Stale& stale) {
    const bool fixed = (flags & MAP_FIXED) != 0 && (flags & MAP_FIXED_NOREPLACE) == 0;
    const int may_have_tags = tags_allowed(flags, fd);
    if ((protection & guest_protection() & kProtMte) != 0) {
        if (may_have_tags == 0) {
            return -EINVAL;
        }
        if (!reserve_tags()) {
            return -ENOMEM;
        }
    }
    std::vector<Region> claimed;
    if (fixed && !is_valid(address, bytes)) {
        return address % kPageBytes != 0 ? -EINVAL : -ENOMEM;
    }
    const GuestAddr end = fixed ? address + page_up(bytes) : address;
    if (!may_map(page_up(bytes), address, end) || (fixed && !claim_gaps(address, end, claimed))) {
        return -ENOMEM;
    }
    if ((flags & MAP_TYPE) != MAP_PRIVATE) {
        mode_bits_.fetch_or(ir::BlockMode::kShared, std::memory_order_relaxed);
    }
    flags &= ~kHostOnlyFlags;
    i64 result =
        fixed || address != 0 ? 0 : map_at_usual_place(bytes, protection, flags, fd, offset);
    if (result == 0) {
        const bool exact = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;
        const auto place = exact ? only_place(address, bytes) : choose_place(address, bytes);
        const int only_there = place && *place != address ? MAP_FIXED_NOREPLACE : 0;
        result = place ? host_map(*place, bytes, host_protection(protection), flags | only_there,
                                  fd, offset)
                       : -ENOMEM;
    }
    if (result < 0) {
        for (const Region& gap : claimed) {
            ::munmap(pointer(gap.start), gap.end - gap.start);
        }
        return result;
    }
    const auto start = static_cast<GuestAddr>(result);
    note_executable(start, start + page_up(bytes), stale);
    drop_tags(start, start + page_up(bytes));
    insert(start, start + page_up(bytes), (protection & guest_protection()) | may_have_tags);
    return result;
}

i64 AddressSpace::map(GuestAddr address, u64 bytes, int protection, int flags, int fd, u64 offset) {
    Stale stale;
    i64 result;
    {
        const std::unique_lock lock(mutex_);
        result = map_locked(address, bytes, protection, flags, fd, offset, stale);
    }
    forget_translations(stale);
    if (result >= 0) {
        note_code_image(static_cast<GuestAddr>(result), bytes, protection, flags, fd, offset);
    }
    set_engine_mode();
    return result;
}

i64 AddressSpace::unmap_locked(GuestAddr start, GuestAddr end, Stale& stale) {
    note_executable(start, end, stale);
    for (const Region& part : owned_parts(start, end)) {
        const i64 result = host_syscall(SYS_munmap, part.start, part.end - part.start);
        if (result < 0) {
            return result; // sealed, or too many mappings
        }
        drop_tags(part.start, part.end);
        erase(part.start, part.end);
    }
    return 0;
}

i64 AddressSpace::unmap(GuestAddr address, u64 bytes) {
    if (bytes == 0 || !is_valid(address, bytes)) {
        return -EINVAL;
    }
    Stale stale;
    i64 result;
    {
        const std::unique_lock lock(mutex_);
        result = unmap_locked(address, address + page_up(bytes), stale);
    }
    forget_translations(stale);
    forget_code_images(address, bytes);
    return result;
}

i64 AddressSpace::protect(GuestAddr address, u64 bytes, int protection) {
    constexpr int kProtSem = 0x8, kGrows = PROT_GROWSDOWN | PROT_GROWSUP;
    if (address % kPageBytes != 0 ||
        (protection & ~(guest_protection() | kProtSem | kGrows)) != 0) {
        return -EINVAL;
    }
    if (bytes == 0) {
        return 0;
    }
    if (!is_valid(address, bytes)) {
        return -ENOMEM;
    }
    const GuestAddr end = address + page_up(bytes);
    Stale stale;
    i64 result = 0;
    {
        const std::unique_lock lock(mutex_);
        note_executable(address, end, stale);
        std::erase_if(stale, [=](const Region& part) { // what is fetched as it was
            return (protection & PROT_EXEC) != 0 &&
                   ((part.protection ^ protection) & kProtBti) == 0;
        });
        GuestAddr reached = address; // as the kernel: what lies before a hole is changed
        for (const Region& part : owned_parts(address, end)) {
            if (part.start != reached) {
                break;
            }
            // Tags stay, once there.
            const int wanted = protection | (part.protection & (kProtMte | kMayHaveTags));
            if ((wanted & kProtMte) != 0) {
                result = (wanted & kMayHaveTags) == 0 ? -EINVAL : reserve_tags() ? 0 : -ENOMEM;
                if (result < 0) {
                    break;
                }
            }
            result = host_syscall(SYS_mprotect, part.start, part.end - part.start,
                                  static_cast<u64>(host_protection(protection)));
            if (result < 0) {
                break;
            }
            insert(part.start, part.end, wanted);
            reached = part.end;
        }
        if (result == 0 && reached != end) {
            result = -ENOMEM;
        }
    }
    forget_translations(stale);
    set_engine_mode();
    return result;
}

i64 AddressSpace::remap(
    GuestAddr old_address, u64 old_bytes, u64 new_bytes, int flags, GuestAddr new_address) {
    const u64 old_length = page_up(old_bytes);
    const u64 new_length = page_up(new_bytes);
    if (!is_valid(old_address, old_bytes) || new_length == 0 || new_length > end_) {
        return -EINVAL;
    }
    Stale stale;
    i64 result;
    {
        const std::unique_lock lock(mutex_);
        const auto source = find(old_address);
        if (source == map_.end() || !covers(old_address, old_address + old_length)) {
            return -EFAULT;
        }
        const int protection = source->second.protection;
        const u64 replaced = (flags & MREMAP_DONTUNMAP) != 0 ? 0 : old_length;
        if (new_length > replaced && !may_map(new_length, old_address, old_address + replaced)) {
            return -ENOMEM;
        }
        std::vector<Region> claimed;
        if ((flags & MREMAP_FIXED) != 0) {
            if (!is_valid(new_address, new_bytes)) {
                return -EINVAL;
            }
            if (!claim_gaps(new_address, new_address + new_length, claimed)) {
                return -ENOMEM;
            }
        }
        result = move_mapping(old_address, old_bytes, new_bytes, flags, new_address);
        if (result < 0) {
            for (const Region& gap : claimed) {
                ::munmap(pointer(gap.start), gap.end - gap.start);
            }
            return result;
        }
        const auto target = static_cast<GuestAddr>(result);
        note_executable(old_address, old_address + old_length, stale);
        note_executable(target, target + new_length, stale);
        if (target == old_address) {
            if (new_length < old_length) {
                drop_tags(target + new_length, target + old_length);
            }
        } else {
            drop_tags(target, target + new_length);
            if ((protection & kProtMte) != 0) {
                copy_tags(old_address, target, std::min(old_length, new_length));
            }
            if ((flags & MREMAP_DONTUNMAP) != 0 && (protection & kProtMte) != 0) {
                clear_tags(old_address, old_address + old_length);
            } else {
                drop_tags(old_address, old_address + old_length);
            }
        }
        if ((flags & MREMAP_DONTUNMAP) == 0) {
            erase(old_address, old_address + old_length);
        }
        insert(target, target + new_length, protection);
    }
    forget_translations(stale);
    return result;
}

namespace {
// What is there afterwards is new memory.
bool discards(int advice) {
    constexpr int kDontNeedLocked = 24; // MADV_DONTNEED_LOCKED, Linux 5.18
    return advice == MADV_DONTNEED || advice == MADV_REMOVE || advice == kDontNeedLocked;
}
} // namespace

i64 AddressSpace::advise(GuestAddr address, u64 bytes, int advice) {
    if (address % kPageBytes != 0 || !is_valid(address, bytes)) {
        return -EINVAL;
    }
    const GuestAddr end = address + page_up(bytes);
    if (address == end) {
        return host_syscall(SYS_madvise, address, bytes, static_cast<u64>(advice));
    }
    std::vector<Region> parts;
    bool whole = false;
    i64 result = 0;
    {
        // Shared: the call may take long, and only changes of the map must stay out.
        const std::shared_lock lock(mutex_);
        parts = owned_parts(address, end);
        whole = covers(address, end);
        for (const Region& part : parts) {
            // Pages with tags are never merged; the host judges an empty range.
            const bool is_spared = advice == MADV_MERGEABLE && (part.protection & kProtMte) != 0;
            const u64 advised = is_spared ? 0 : part.end - part.start;
            const i64 one =
                host_syscall(SYS_madvise, part.start, advised, static_cast<u64>(advice));
            result = result == 0 ? one : result;
            if (one == 0 && discards(advice) && (part.protection & kProtMte) != 0) {
                clear_tags(part.start, part.end);
            }
        }
    }
    std::erase_if(parts, [](const Region& part) { return (part.protection & PROT_EXEC) == 0; });
    forget_translations(parts); // MADV_DONTNEED and its kind change what is fetched
    return result != 0 || whole ? result : -ENOMEM;
}

i64 AddressSpace::attach_shared(int id, GuestAddr address, int flags) {
    shmid_ds segment;
    if (::shmctl(id, IPC_STAT, &segment) < 0) {
        return -errno;
    }
    const u64 bytes = page_up(segment.shm_segsz);
    const int protection = ((flags & SHM_RDONLY) != 0 ? PROT_READ : PROT_READ | PROT_WRITE) |
                           ((flags & SHM_EXEC) != 0 ? PROT_EXEC : 0);
    Stale stale;
    i64 result;
    {
        const std::unique_lock lock(mutex_);
        std::vector<Region> claimed;
        const GuestAddr at = (flags & SHM_RND) != 0 ? page_down(address) : address;
        if (!may_map(bytes, at, (flags & SHM_REMAP) != 0 ? at + bytes : at)) {
            return -ENOMEM;
        }
        if ((flags & SHM_REMAP) != 0 && at != 0) {
            if (!is_valid(at, bytes) || !claim_gaps(at, at + bytes, claimed)) {
                return -EINVAL;
            }
        }
        mode_bits_.fetch_or(ir::BlockMode::kShared, std::memory_order_relaxed);
        const auto place = address != 0 ? address : choose_place(0, bytes);
        result = place ? host_syscall(SYS_shmat, static_cast<u64>(id), *place,
                                      static_cast<u64>(flags & ~SHM_EXEC))
                       : -ENOMEM;
        if (result < 0) {
            for (const Region& gap : claimed) {
                ::munmap(pointer(gap.start), gap.end - gap.start);
            }
            return result;
        }
        const auto start = static_cast<GuestAddr>(result);
        note_executable(start, start + bytes, stale);
        drop_tags(start, start + bytes);
        insert(start, start + bytes,
               protection | (has(frontend::Feature::MTE) ? kMayHaveTags : 0)); // memory of tmpfs
        shared_segments_[start] = bytes;
    }
    forget_translations(stale);
    set_engine_mode();
    return result;
}

i64 AddressSpace::detach_shared(GuestAddr address) {
    u64 bytes;
    Stale stale;
    {
        const std::unique_lock lock(mutex_);
        const auto segment = shared_segments_.find(address);
        if (segment == shared_segments_.end()) {
            return -EINVAL;
        }
        const i64 result = host_syscall(SYS_shmdt, address);
        if (result < 0) {
            return result;
        }
        bytes = segment->second;
        note_executable(address, address + bytes, stale);
        drop_tags(address, address + bytes);
        shared_segments_.erase(segment);
        erase(address, address + bytes);
    }
    forget_translations(stale);
    return 0;
}

void AddressSpace::init_brk(GuestAddr start) { brk_start_ = brk_end_ = page_up(start); }

u64 AddressSpace::brk(GuestAddr wanted) {
    Stale stale;
    {
        const std::unique_lock lock(mutex_);
        if (wanted < brk_start_ || wanted > end_ || wanted - brk_start_ > heap_limit()) {
            return brk_end_;
        }
        const GuestAddr mapped_end = page_up(brk_end_);
        const GuestAddr wanted_end = page_up(wanted);
        if (wanted_end > mapped_end) {
            const i64 result =
                map_locked(mapped_end, wanted_end - mapped_end, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0, stale);
            if (result < 0) {
                return brk_end_;
            }
        } else if (wanted_end < mapped_end && unmap_locked(wanted_end, mapped_end, stale) < 0) {
            return brk_end_;
        }
        brk_end_ = wanted;
    }
    forget_translations(stale);
    return wanted;
}

void AddressSpace::before_fork() { mutex_.lock(); }

void AddressSpace::after_fork() { mutex_.unlock(); }

std::optional<int> AddressSpace::protection(GuestAddr address) const {
    const std::shared_lock lock(mutex_);
    const auto region = find(address);
    return region == map_.end() ? std::nullopt
                                : std::optional(region->second.protection & ~kMayHaveTags);
}

bool AddressSpace::owns(GuestAddr address, u64 bytes) const {
    const std::shared_lock lock(mutex_);
    return address + bytes >= address && covers(address, address + bytes);
}

bool AddressSpace::maps_beyond(GuestAddr address) const {
    const std::shared_lock lock(mutex_);
    return !map_.empty() && map_.rbegin()->second.end > address;
}

std::vector<AddressSpace::Region> AddressSpace::regions() const {
    const std::shared_lock lock(mutex_);
    std::vector<Region> parts = owned_parts(0, ~u64{0});
    for (Region& part : parts) {
        part.protection &= ~kMayHaveTags;
    }
    return parts;
}

} // namespace ulna::user
