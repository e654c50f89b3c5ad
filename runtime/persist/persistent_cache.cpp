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
constexpr u64 kMostExtentBytes = 4096 + 64; // a page, and how far the look-ahead is counted

// The guest bytes of a translation: from low to high, or to the end of low's page, behind which no
// translation reads.
bool read_guest_code(frontend::CodeSource& source,
                     GuestAddr low,
                     GuestAddr high,
                     std::vector<u8>& out) {
    const GuestAddr end = std::min(high, (low & ~(kPageBytes - 1)) + kPageBytes);
    out.resize(end - low);
    return source.read(low, out.data(), out.size());
}

bool is_guarded(ir::BlockKey key, frontend::CodeSource& source) {
    return key.mode.bti() && source.guarded_word(key.pc).has_value();
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
    const bool guarded = is_guarded(key, source);
    return file.stored.find(key, [&](const StoredBlock& candidate) {
        if (candidate.guarded != guarded ||
            !read_guest_code(source, candidate.low, candidate.high, guest_bytes_) ||
            candidate.guest_bytes.size() != guest_bytes_.size() ||
            std::memcmp(candidate.guest_bytes.data(), guest_bytes_.data(), guest_bytes_.size()) !=
                0) {
            return false;
        }
        unpack(candidate, compiled);
        block = candidate;
        return true;
    });
}

bool PersistentCache::add(const backend::CompiledBlock& compiled,
                          GuestAddr low,
                          GuestAddr high,
                          bool masks_tags,
                          frontend::CodeSource& source) {
    const std::lock_guard lock{mutex_};
    const Image* const image = image_at(compiled.key.pc);
    if (image == nullptr || high - low > kMostExtentBytes ||
        !read_guest_code(source, low, high, guest_bytes_)) {
        return false;
    }
    NewBlocks& fresh = image->file->fresh;
    fresh.add(compiled, {low, high, masks_tags, is_guarded(compiled.key, source), guest_bytes_});
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
