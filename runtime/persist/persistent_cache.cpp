#include "runtime/persist/persistent_cache.h"

#include <algorithm>
#include <cstring>

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/persist/cache_directory.h"
#include "runtime/persist/checksum.h"

namespace ulna::runtime {

namespace {

constexpr u64 kPageBytes = 4096;
constexpr u64 kMostRangeBytes = 4096 + 64; // a page, and how far the look-ahead is counted

// What is read of a range: to the end of low's page, behind which no translation reads.
u64 readable_bytes(const GuestRange& range) {
    return std::min(range.bytes, kPageBytes - range.low % kPageBytes);
}

// The guest bytes of a translation.
bool read_guest_code(frontend::CodeSource& source,
                     std::span<const GuestRange> ranges,
                     std::vector<u8>& out) {
    out.clear();
    for (const GuestRange& range : ranges) {
        const std::size_t at = out.size();
        out.resize(at + range.bytes);
        if (!source.read(range.low, out.data() + at, range.bytes)) {
            return false;
        }
    }
    return true;
}

bool is_guarded(ir::BlockMode mode, GuestAddr pc, frontend::CodeSource& source) {
    return mode.bti() && source.guarded_word(pc).has_value();
}

// Made from the very bytes that the guest's memory holds now?
bool is_same_code(const StoredBlock& block, frontend::CodeSource& source, std::vector<u8>& now) {
    const u8* stored = block.guest_bytes.data();
    for (std::size_t i = 0; i < block.range_count(); ++i) {
        const GuestRange range = block.range(i);
        if (is_guarded(block.key.mode, range.low, source) != block.guarded ||
            !read_guest_code(source, {&range, 1}, now) ||
            std::memcmp(stored, now.data(), range.bytes) != 0) {
            return false;
        }
        stored += range.bytes;
    }
    return true;
}

} // namespace

std::optional<u64> code_file_identity(int fd) {
    struct stat info;
    alignas(Elf64_Ehdr) u8 page[kPageBytes];
    if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        return std::nullopt;
    }
    const ssize_t got = ::pread(fd, page, sizeof page, 0);
    if (got < static_cast<ssize_t>(sizeof(Elf64_Ehdr))) {
        return std::nullopt;
    }
    const auto& header = reinterpret_cast<const Elf64_Ehdr&>(page);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != EM_AARCH64) {
        return std::nullopt;
    }
    return checksum({page, static_cast<std::size_t>(got)}, static_cast<u64>(info.st_size));
}

std::unique_ptr<PersistentCache>
PersistentCache::open(const std::string& directory, u64 configuration, std::string& why_not) {
    const std::optional<u64> seed = prepare_cache_directory(directory, why_not);
    if (!seed) {
        return nullptr;
    }
    return std::unique_ptr<PersistentCache>(new PersistentCache(directory, configuration, *seed));
}

GuestAddr PersistentCache::preferred_address(u64 identity, unsigned attempt) const {
    // A range of 4 TiB that neither programs nor the host kernel's own choices are near.
    constexpr GuestAddr kFirst = 0x7800'0000'0000;
    constexpr u64 kSlotBytes = 4u << 20;
    constexpr u64 kSlots = (u64{4} << 40) / kSlotBytes;
    const u64 slot = FieldHash{}.add(placement_seed_).add(identity).add(attempt).value() % kSlots;
    return kFirst + slot * kSlotBytes;
}

void PersistentCache::add_image(const CodeImage& image) {
    const std::lock_guard lock{mutex_};
    remove_locked(image.start, image.end);
    auto& file = files_[{image.identity, image.base}];
    if (file == nullptr) {
        file = std::make_unique<File>();
    }
    images_[image.start] = {image.end, {configuration_, image.identity, image.base}, file.get()};
}

void PersistentCache::remove_images(GuestAddr start, GuestAddr end) {
    const std::lock_guard lock{mutex_};
    remove_locked(start, end);
}

// Images are cut, as mappings are.
void PersistentCache::remove_locked(GuestAddr start, GuestAddr end) {
    auto at = images_.lower_bound(start);
    if (at != images_.begin()) {
        --at;
    }
    while (at != images_.end() && at->first < end) {
        const GuestAddr from = at->first;
        const Image image = at->second;
        if (image.end <= start) {
            ++at;
            continue;
        }
        at = images_.erase(at);
        if (from < start) {
            images_[from] = {start, image.key, image.file};
        }
        if (image.end > end) {
            images_[end] = image;
        }
    }
}

PersistentCache::Image* PersistentCache::image_at(GuestAddr pc) {
    auto after = images_.upper_bound(pc);
    if (after == images_.begin()) {
        return nullptr;
    }
    Image& image = std::prev(after)->second;
    return pc < image.end ? &image : nullptr;
}

bool PersistentCache::find(ir::BlockKey key,
                           Tiers tiers,
                           frontend::CodeSource& source,
                           StoredBlock& block,
                           backend::CompiledBlock& compiled) {
    const std::lock_guard lock{mutex_};
    const Image* const image = image_at(key.pc);
    if (image == nullptr) {
        return false;
    }
    File& file = *image->file;
    if (!file.opened) {
        file.opened = true;
        (void)file.stored.open(path_of(image->key), image->key);
    }
    last_found_in_ = &file.stored;
    return file.stored.find(key, [&](const StoredBlock& candidate) {
        return accept(candidate, tiers, source, block, compiled);
    });
}

bool PersistentCache::accept(const StoredBlock& candidate,
                             Tiers tiers,
                             frontend::CodeSource& source,
                             StoredBlock& block,
                             backend::CompiledBlock& compiled) {
    if ((candidate.is_region && tiers == Tiers::First) ||
        !is_same_code(candidate, source, guest_bytes_)) {
        return false;
    }
    unpack(candidate, compiled);
    block = candidate;
    return true;
}

std::optional<ir::BlockKey> PersistentCache::next_key() {
    const std::lock_guard lock{mutex_};
    return last_found_in_ != nullptr ? last_found_in_->next_key() : std::nullopt;
}

bool PersistentCache::find_next(ir::BlockKey key,
                                Tiers tiers,
                                frontend::CodeSource& source,
                                StoredBlock& block,
                                backend::CompiledBlock& compiled) {
    const std::lock_guard lock{mutex_};
    CacheFile& file = *last_found_in_;
    const auto accepts = [&](const StoredBlock& candidate) {
        return accept(candidate, tiers, source, block, compiled);
    };
    if (!file.has_regions()) {
        StoredBlock candidate;
        return file.next(candidate) && candidate.key == key && accepts(candidate);
    }
    const CacheFile::Place place = file.place();
    const bool found = file.find(key, accepts);
    file.go_back_to(place);
    return found;
}

bool PersistentCache::has_translations_at(GuestAddr pc) {
    const std::lock_guard lock{mutex_};
    const Image* const image = image_at(pc);
    return image != nullptr && image->file->stored.is_open();
}

bool PersistentCache::add(const backend::CompiledBlock& compiled,
                          const TranslationOrigin& origin,
                          frontend::CodeSource& source) {
    const std::lock_guard lock{mutex_};
    const Image* const image = image_at(compiled.key.pc);
    if (image == nullptr) {
        return false;
    }
    const bool guarded = is_guarded(compiled.key.mode, compiled.key.pc, source);
    std::vector<GuestRange> ranges(origin.ranges.begin(), origin.ranges.end());
    for (GuestRange& range : ranges) {
        if (range.bytes > kMostRangeBytes ||
            is_guarded(compiled.key.mode, range.low, source) != guarded) {
            return false;
        }
        range.bytes = readable_bytes(range);
    }
    if (!read_guest_code(source, ranges, guest_bytes_)) {
        return false;
    }
    NewBlocks& fresh = image->file->fresh;
    fresh.add(compiled, {ranges, origin.masks_tags, guarded, origin.is_region, guest_bytes_});
    if (fresh.bytes() >= kMostFreshBytes) {
        save_locked(fresh.count());
    }
    return true;
}

void PersistentCache::save(std::size_t least_blocks) {
    const std::lock_guard lock{mutex_};
    save_locked(std::max<std::size_t>(least_blocks, 1));
}

void PersistentCache::save_locked(std::size_t least_blocks) {
    bool any = false;
    for (auto& [name, file] : files_) {
        // What has no file yet starts one.
        if (file->fresh.count() < (file->stored.is_open() ? least_blocks : 1)) {
            continue;
        }
        const FileKey key{configuration_, name.first, name.second};
        any |= CacheFile::save(path_of(key), key, file->fresh);
        file->fresh.clear();
    }
    if (any) {
        trim_cache_directory(directory_);
    }
}

void PersistentCache::unlock_after_fork(bool in_child) {
    if (in_child) {
        for (auto& [name, file] : files_) {
            file->fresh.clear();
        }
    }
    mutex_.unlock();
}

} // namespace ulna::runtime
