#include "runtime/persist/persistent_cache.h"

#include <algorithm>
#include <cstring>

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/persist/cache_directory.h"
#include "runtime/persist/checksum.h"
#include "runtime/persist/guest_code.h"

namespace ulna::runtime {

namespace {
constexpr u64 kPageBytes = 4096;
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

void PersistentCache::add_image(const CodeImage& image) {
    const std::lock_guard lock{mutex_};
    remove_locked(image.start, image.end);
    images_[image.start] = {image.end, &file_for(image.identity, image.base)};
}

void PersistentCache::keep_machine(u64 identity) {
    const std::lock_guard lock{mutex_};
    machine_ = &file_for(identity, FileKey::kAnywhere);
}

PersistentCache::File& PersistentCache::file_for(u64 identity, GuestAddr base) {
    auto& file = files_[{identity, base}];
    if (file == nullptr) {
        file = std::make_unique<File>();
        file->key = {configuration_, identity, base};
    }
    return *file;
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
            images_[from] = {start, image.file};
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

PersistentCache::File* PersistentCache::file_of(ir::BlockKey key) {
    if (key.mode.system()) {
        return machine_;
    }
    const Image* const image = image_at(key.pc);
    return image != nullptr ? image->file : nullptr;
}

PersistentCache::Found PersistentCache::find(ir::BlockKey key,
                                             Wanted wanted,
                                             frontend::CodeSource& source,
                                             Finding& finding) {
    const std::lock_guard lock{mutex_};
    File* const file = file_of(key);
    if (file == nullptr) {
        return Found::Nothing;
    }
    if (file->stored == nullptr) {
        file->stored = std::make_unique<CacheFile>();
        (void)file->stored->open(path_of(file->key), file->key);
    }
    last_found_in_ = file->stored.get();
    if (key.mode.system()) {
        const bool is_fresh =
            file->fresh.find(tag_of_code(key, source), [&](const StoredBlock& candidate) {
                return accept(candidate, key, wanted, source, finding);
            });
        if (is_fresh) {
            last_found_in_ = nullptr;
            return Found::Block;
        }
    }
    return find_in(*file->stored, key, wanted, source, finding);
}

PersistentCache::Found PersistentCache::find_in(CacheFile& file,
                                                ir::BlockKey key,
                                                Wanted wanted,
                                                frontend::CodeSource& source,
                                                Finding& finding) {
    bool is_bundle = false;
    const auto accept_block = [&](const StoredBlock& candidate) {
        return accept(candidate, key, wanted, source, finding);
    };
    const auto accept_bundle = [&](const StoredBundle& bundle, std::size_t index) {
        const LinkedBlocks& linked = bundle.linked;
        is_bundle = wanted.bundles && linked.mode == key.mode && index < linked.blocks.size() &&
                    linked.blocks[index].pc == key.pc && is_same_code(bundle, source, guest_bytes_);
        finding.bundle = bundle;
        return is_bundle;
    };
    const u64 tag = key.mode.system() ? tag_of_code(key, source) : tag_of(key);
    if (!file.find(tag, accept_block, accept_bundle)) {
        return Found::Nothing;
    }
    return is_bundle ? Found::Bundle : Found::Block;
}

bool PersistentCache::accept(const StoredBlock& candidate,
                             ir::BlockKey key,
                             Wanted wanted,
                             frontend::CodeSource& source,
                             Finding& finding) {
    const u64 by = key.pc - candidate.key.pc;
    if (!stands_for(candidate.key, key) || (candidate.is_region && wanted.tiers == Tiers::First) ||
        !is_same_code(candidate, by, source, guest_bytes_)) {
        return false;
    }
    unpack(candidate, finding.compiled);
    if (!finding.compiled.move_to(key.pc)) {
        return false;
    }
    finding.compiled.key = key;
    finding.block = candidate;
    last_moved_by_ = by;
    return true;
}

bool PersistentCache::find_region(ir::BlockKey key,
                                  frontend::CodeSource& source,
                                  Finding& finding) {
    const std::lock_guard lock{mutex_};
    if (last_found_in_ == nullptr || !last_found_in_->has_regions()) {
        return false;
    }
    const CacheFile::Place place = last_found_in_->place();
    const bool found = last_found_in_->find(tag_of(key), [&](const StoredBlock& candidate) {
        return candidate.is_region && accept(candidate, key, {Tiers::Both}, source, finding);
    });
    last_found_in_->go_back_to(place);
    return found;
}

std::optional<ir::BlockKey> PersistentCache::next_key() {
    const std::lock_guard lock{mutex_};
    const auto head = last_found_in_ != nullptr ? last_found_in_->next_head() : std::nullopt;
    if (!head) {
        return std::nullopt;
    }
    next_is_bundle_ = head->is_bundle();
    ir::BlockKey key = head->key();
    key.pc += last_moved_by_;
    return key;
}

PersistentCache::Found PersistentCache::find_next(ir::BlockKey key,
                                                  Wanted wanted,
                                                  frontend::CodeSource& source,
                                                  Finding& finding) {
    const std::lock_guard lock{mutex_};
    if (last_found_in_ == nullptr) {
        return Found::Nothing; // its file was saved since
    }
    CacheFile& file = *last_found_in_;
    if (next_is_bundle_) {
        const bool is_good = wanted.bundles && file.next(finding.bundle) &&
                             finding.bundle.linked.mode == key.mode &&
                             is_same_code(finding.bundle, source, guest_bytes_);
        return is_good ? Found::Bundle : Found::Nothing;
    }
    if (!file.has_regions()) {
        StoredBlock candidate;
        return file.next(candidate) && accept(candidate, key, wanted, source, finding)
                   ? Found::Block
                   : Found::Nothing;
    }
    const CacheFile::Place place = file.place();
    const Found found = find_in(file, key, {wanted.tiers}, source, finding);
    file.go_back_to(place);
    return found;
}

bool PersistentCache::has_translations_at(GuestAddr pc) {
    const std::lock_guard lock{mutex_};
    const Image* const image = image_at(pc);
    return image != nullptr && image->file->is_stored();
}

bool PersistentCache::add(const backend::CompiledBlock& compiled,
                          const TranslationOrigin& origin,
                          frontend::CodeSource& source) {
    const std::lock_guard lock{mutex_};
    const ir::BlockKey key = compiled.key;
    File* const file = file_of(key);
    if (file == nullptr) {
        return false;
    }
    const bool guarded = is_guarded(key.mode, key.pc, source);
    std::vector<GuestRange> ranges(origin.ranges.begin(), origin.ranges.end());
    guest_bytes_.clear();
    for (GuestRange& range : ranges) {
        if (is_guarded(key.mode, range.low, source) != guarded ||
            !read_guest_code(source, range, guest_bytes_)) {
            return false;
        }
    }
    const bool moves = key.mode.system();
    if (moves && file->fresh.count() == 0) {
        file->fresh.reserve(kMostFreshBytesOfMachine + (u64{1} << 20));
    }
    file->fresh.add(moves ? tag_of_code(key, source) : tag_of(key), compiled,
                    {ranges, origin.masks_tags, guarded, origin.is_region, guest_bytes_});
    if (file->fresh.bytes() >= (moves ? kMostFreshBytesOfMachine : kMostFreshBytes)) {
        save_locked(file->fresh.count());
    }
    return true;
}

void PersistentCache::save(std::size_t least_blocks) {
    const std::lock_guard lock{mutex_};
    save_locked(std::max<std::size_t>(least_blocks, 1));
}

std::string PersistentCache::damaged_file() {
    const std::lock_guard lock{mutex_};
    for (const auto& [name, file] : files_) {
        if (file->stored != nullptr && file->stored->is_damaged()) {
            return path_of(file->key);
        }
    }
    return "";
}

void PersistentCache::save_locked(std::size_t least_blocks) {
    bool any = false;
    for (auto& [name, file] : files_) {
        // What has no file yet starts one.
        if (file->fresh.count() < (file->is_stored() ? least_blocks : 1)) {
            continue;
        }
        any |= CacheFile::save(path_of(file->key), file->key, file->fresh);
        file->fresh.clear();
        if (file->key.is_machine()) { // what it has just written may be wanted again
            last_found_in_ = nullptr;
            file->stored = nullptr;
        }
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
