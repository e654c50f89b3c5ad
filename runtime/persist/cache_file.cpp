#include "runtime/persist/cache_file.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/fault_safe_copy.h"
#include "runtime/persist/checksum.h"

namespace ulna::runtime {

namespace {

// "ULNCODE" and the version of what follows, a digit.
constexpr u64 kFileMagic = 0x3345'444f'434e'4c55;
constexpr u64 kSegmentMagic = 0x3147'4553'4e4c'55ff;
constexpr u64 kSegmentsToMerge = 16, kMostSegments = 64;
// Merging needs a few times the file's size in memory, so large ones only grow, until they are
// full.
constexpr u64 kMostMergedBytes = 8u << 20, kMostBytes = 64u << 20;
// A machine's holds all its programs, so what is in there is too much some day: it is begun anew.
constexpr u64 kMostMergedBytesOfMachine = 64u << 20, kMostBytesOfMachine = 256u << 20;
constexpr u64 kSegmentAlign = 64;
constexpr u64 kPageBytes = 4096;

struct FileHeader {
    u64 magic = kFileMagic;
    FileKey key;
    u64 reserved[4] = {};
};
static_assert(sizeof(FileHeader) == kSegmentAlign);

struct SegmentHeader {
    u64 magic = kSegmentMagic;
    u64 bytes = 0; // the whole segment: this, slots, records, padding
    u64 slot_count = 0;
    u64 block_count = 0;
    u64 record_bytes = 0;
    u64 region_count = 0;
    u64 reserved = 0;
    u64 checksum = 0; // of the fields before
    [[nodiscard]] u64 right_checksum() const {
        return runtime::checksum(
            {reinterpret_cast<const u8*>(this), offsetof(SegmentHeader, checksum)});
    }
    // `room`: bytes from here to the end of the file.
    [[nodiscard]] bool is_whole(u64 room) const {
        return magic == kSegmentMagic && checksum == right_checksum() && bytes <= room &&
               bytes % kSegmentAlign == 0 && std::has_single_bit(slot_count) &&
               slot_count <= bytes / sizeof(SegmentSlot) && record_bytes <= bytes &&
               sizeof(SegmentHeader) + slot_count * sizeof(SegmentSlot) + record_bytes <= bytes;
    }
};
static_assert(sizeof(SegmentHeader) == kSegmentAlign);

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] bool is_open() const { return fd_ >= 0; }

  private:
    int fd_;
};

// Size of a file that only its owner, who is us, can have written.
std::optional<u64> trusted_size(int fd) {
    struct stat info;
    if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != ::geteuid() ||
        (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return std::nullopt;
    }
    return static_cast<u64>(info.st_size);
}

// Writing past RLIMIT_FSIZE would end the guest by SIGXFSZ.
bool is_within_limit(u64 file_bytes) {
    rlimit limit;
    return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && file_bytes <= limit.rlim_cur;
}

bool is_of_other_version(u64 magic) {
    const u64 version = magic >> 56;
    return magic != kFileMagic && ((magic ^ kFileMagic) << 8) == 0 && version >= '1' &&
           version <= '9';
}

bool write_at(int fd, u64 offset, std::span<const u8> bytes) {
    if (!is_within_limit(offset + bytes.size())) {
        errno = EFBIG;
        return false;
    }
    while (!bytes.empty()) {
        const ssize_t done = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (done < 0) {
            if (errno == EINTR) {
                continue;
            }
            return false;
        }
        offset += static_cast<u64>(done);
        bytes = bytes.subspan(static_cast<u64>(done));
    }
    return true;
}

bool read_at(int fd, u64 offset, void* to, u64 bytes) {
    for (u64 done = 0; done < bytes;) {
        const ssize_t got = ::pread(fd, static_cast<u8*>(to) + done, bytes - done,
                                    static_cast<off_t>(offset + done));
        if (got <= 0) {
            if (got < 0 && errno == EINTR) {
                continue;
            }
            return false;
        }
        done += static_cast<u64>(got);
    }
    return true;
}

// The whole segments of a file, by whatever means it is read. Returns where the last one ends, or 0
// when the file is not for this key.
template <class Read, class Visit>
u64 walk(u64 file_bytes, const FileKey* key, Read read, Visit visit) {
    FileHeader header;
    if (file_bytes < sizeof header || !read(0, &header, sizeof header) ||
        header.magic != kFileMagic || (key != nullptr && header.key != *key)) {
        return 0;
    }
    u64 at = sizeof header;
    SegmentHeader segment;
    while (file_bytes - at >= sizeof segment && read(at, &segment, sizeof segment) &&
           segment.is_whole(file_bytes - at)) {
        visit(at, segment);
        at += segment.bytes;
    }
    return at;
}

std::span<const u8> bytes_of(const auto& object) {
    return {reinterpret_cast<const u8*>(&object), sizeof object};
}

// Body first, then the header that makes it count.
bool append_segment(int fd, u64 at, const NewBlocks::Parts& segment) {
    constexpr std::array<u8, kSegmentAlign> kPadding{};
    const std::span<const u8> head = segment.head, header = head.first(sizeof(SegmentHeader));
    const u64 records_at = at + head.size();
    return write_at(fd, records_at, segment.records) &&
           write_at(fd, records_at + segment.records.size(),
                    std::span(kPadding).first(segment.padding)) &&
           write_at(fd, at + header.size(), head.subspan(header.size())) &&
           write_at(fd, at, header);
}

// Blocks by their slots. Those of a bundle are best read one after the other.
class BlockReader {
  public:
    // `records` are the segment's. Nothing when the slot leads to none, or to a damaged one; else
    // good until the next call.
    [[nodiscard]] std::optional<StoredBlock> read(const SegmentSlot& slot,
                                                  std::span<const u8> records) {
        if (slot.tag == 0 || slot.offset > records.size() ||
            slot.bytes > records.size() - slot.offset) {
            return std::nullopt;
        }
        const std::span<const u8> record = records.subspan(slot.offset, slot.bytes);
        const bool is_same = record.data() == bundled_.data() && record.size() == bundled_.size();
        if (StoredBlock block; !is_same && decode_record(record, block)) {
            return block;
        }
        if (!is_same) {
            bundled_ = decode_bundle(record, bundle_) ? record : std::span<const u8>{};
        }
        return bundled_.empty() ? std::nullopt : block_of(bundle_, slot.index, code_);
    }

  private:
    std::span<const u8> bundled_; // the bundle that was read last
    StoredBundle bundle_;
    std::vector<u8> code_;
};

// The slots of a segment, which begins at `at`, in the order of what they lead to; and its records.
template <class Visit>
void for_each_slot(std::span<const u8> file, u64 at, const SegmentHeader& header, Visit visit) {
    const u64 slots_at = at + sizeof header;
    std::vector<SegmentSlot> slots(header.slot_count);
    std::memcpy(slots.data(), file.data() + slots_at, slots.size() * sizeof(SegmentSlot));
    std::erase_if(slots, [](const SegmentSlot& slot) { return slot.tag == 0; });
    std::ranges::sort(
        slots, {}, [](const SegmentSlot& slot) { return std::pair(slot.offset, u32{slot.index}); });
    const u64 records_at = slots_at + header.slot_count * sizeof(SegmentSlot);
    for (const SegmentSlot& slot : slots) {
        visit(slot, file.subspan(records_at, header.record_bytes));
    }
}

// The newest translation of each key and of what else tells them apart, from a file's bytes: in the
// order in which they were stored, regions behind what they replace.
NewBlocks merged(std::span<const u8> file, const FileKey& key) {
    struct Kept {
        SegmentSlot slot;
        std::span<const u8> records;
        bool is_region = false;
        [[nodiscard]] auto order() const {
            return std::tuple(is_region, records.data() + slot.offset, u32{slot.index});
        }
    };
    // By tag and, of blocks that are found by their code, by all of it.
    std::map<std::tuple<u64, u64, bool, bool, bool>, Kept> newest;
    BlockReader reader;
    const auto read = [&](u64 at, void* to, u64 bytes) {
        std::memcpy(to, file.data() + at, bytes);
        return true;
    };
    walk(file.size(), &key, read, [&](u64 at, const SegmentHeader& header) {
        for_each_slot(file, at, header, [&](const SegmentSlot& slot, std::span<const u8> records) {
            if (const auto block = reader.read(slot, records)) {
                const u64 sum = key.is_machine() ? checksum(block->guest_bytes) : 0;
                Kept& kept =
                    newest[{slot.tag, sum, block->is_region, block->masks_tags, block->guarded}];
                const Kept candidate{slot, records, block->is_region};
                if (kept.slot.tag == 0 || candidate.order() > kept.order()) { // further back: newer
                    kept = candidate;
                }
            }
        });
    });
    std::vector<Kept> in_order;
    for (const auto& [what, kept] : newest) {
        in_order.push_back(kept);
    }
    std::sort(in_order.begin(), in_order.end(),
              [](const Kept& a, const Kept& b) { return a.order() < b.order(); });
    NewBlocks blocks;
    for (const Kept& kept : in_order) {
        if (const auto block = reader.read(kept.slot, kept.records)) {
            blocks.add(kept.slot.tag, *block);
        }
    }
    return blocks;
}

// Under another name first: whoever opens the file finds the old one or the new one.
bool replace_file(const std::string& path, const FileKey& key, const NewBlocks& blocks) {
    const std::string temporary = path + "." + std::to_string(::getpid()) + ".tmp";
    const Descriptor file{
        ::open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)};
    const FileHeader header{.key = key};
    const NewBlocks::Parts segment = blocks.segment();
    if (file.is_open() && write_at(file.get(), 0, bytes_of(header)) &&
        append_segment(file.get(), sizeof header, segment) &&
        ::rename(temporary.c_str(), path.c_str()) == 0) {
        return true;
    }
    const int error = errno;
    ::unlink(temporary.c_str());
    errno = error;
    return false;
}

// The old file's blocks and the new ones, in one segment.
bool merge_into_new_file(
    int fd, u64 bytes, const std::string& path, const FileKey& key, const NewBlocks& blocks) {
    std::vector<u8> all(bytes);
    if (!read_at(fd, 0, all.data(), bytes)) {
        return replace_file(path, key, blocks);
    }
    const NewBlocks::Parts segment = blocks.segment();
    all.insert(all.end(), segment.head.begin(), segment.head.end());
    all.insert(all.end(), segment.records.begin(), segment.records.end());
    all.resize(all.size() + segment.padding);
    return replace_file(path, key, merged(all, key));
}

} // namespace

std::string FileKey::file_name() const {
    char name[64];
    std::snprintf(name, sizeof name, "%016llx-%llx-%016llx.code",
                  static_cast<unsigned long long>(identity), static_cast<unsigned long long>(base),
                  static_cast<unsigned long long>(configuration));
    return name;
}

u64 tag_of(ir::BlockKey key) {
    const u64 tag = (key.pc ^ u64{key.mode.bits} << 40) * 0x9e37'79b9'7f4a'7c15u;
    return (tag ^ tag >> 29) | 1u << 31;
}

void NewBlocks::add(u64 tag, const backend::CompiledBlock& compiled, const Origin& origin) {
    const u32 offset = static_cast<u32>(records_.size());
    const u32 bytes = append_record(records_, compiled, origin);
    slots_.push_back({tag, offset, bytes});
    regions_ += origin.is_region;
    is_machine_ = compiled.key.mode.system();
}

void NewBlocks::add(u64 tag, const StoredBlock& block) {
    const u32 offset = static_cast<u32>(records_.size());
    const u32 bytes = append_record(records_, block);
    slots_.push_back({tag, offset, bytes});
    regions_ += block.is_region;
    is_machine_ = block.key.mode.system();
}

void NewBlocks::clear() { *this = {}; }

void NewBlocks::index() {
    if (slots_.size() > heads_.size()) {
        heads_.assign(std::bit_ceil(slots_.size() * 2), kNone);
        indexed_ = 0;
    }
    next_.resize(slots_.size());
    for (; indexed_ < slots_.size(); ++indexed_) {
        u32& head = heads_[slots_[indexed_].tag & (heads_.size() - 1)];
        next_[indexed_] = std::exchange(head, indexed_);
    }
}

// The records as bundles, as far as they go together, and their slots.
std::vector<SegmentSlot> NewBlocks::bundle(std::vector<u8>& records) const {
    std::vector<StoredBlock> blocks(slots_.size());
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        read_record(std::span(records_).subspan(slots_[i].offset, slots_[i].bytes), blocks[i]);
    }
    std::vector<SegmentSlot> slots;
    records.reserve(records_.size());
    while (slots.size() < slots_.size()) {
        const std::size_t begin = slots.size();
        const u32 offset = static_cast<u32>(records.size());
        u32 bytes = 0;
        const std::size_t count = append_bundle(records, std::span(blocks).subspan(begin), bytes);
        for (std::size_t i = 0; i < count; ++i) {
            slots.push_back({slots_[begin + i].tag, offset, bytes, static_cast<u32>(i)});
        }
    }
    return slots;
}

NewBlocks::Parts NewBlocks::segment() const {
    Parts parts;
    std::vector<SegmentSlot> bundled;
    if (!is_machine_) {
        bundled = bundle(parts.bundled);
    }
    const std::vector<SegmentSlot>& slots = is_machine_ ? slots_ : bundled;
    parts.records = is_machine_ ? std::span<const u8>(records_) : parts.bundled;
    SegmentHeader header;
    header.slot_count = std::bit_ceil(slots.size() * 3 / 2 + 1);
    header.block_count = slots.size();
    header.record_bytes = parts.records.size();
    header.region_count = regions_;
    const u64 records_at = sizeof header + header.slot_count * sizeof(SegmentSlot);
    const u64 end = records_at + parts.records.size();
    header.bytes = (end + kSegmentAlign - 1) / kSegmentAlign * kSegmentAlign;
    header.checksum = header.right_checksum();
    std::vector<SegmentSlot> table(header.slot_count);
    // Backwards: of two blocks with one tag, the newer comes first in the probe sequence.
    for (auto slot = slots.rbegin(); slot != slots.rend(); ++slot) {
        u64 i = slot->tag;
        while (table[i & (header.slot_count - 1)].tag != 0) {
            ++i;
        }
        table[i & (header.slot_count - 1)] = *slot;
    }
    parts.head.resize(records_at);
    std::memcpy(parts.head.data(), &header, sizeof header);
    std::memcpy(parts.head.data() + sizeof header, table.data(),
                table.size() * sizeof(SegmentSlot));
    parts.padding = header.bytes - end;
    return parts;
}

CacheFile::~CacheFile() {
    if (map_ != nullptr) {
        ::munmap(const_cast<u8*>(map_), bytes_);
    }
}

bool CacheFile::open(const std::string& path, const FileKey& key) {
    const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
    const std::optional<u64> bytes = file.is_open() ? trusted_size(file.get()) : std::nullopt;
    if (!bytes || *bytes < sizeof(FileHeader)) {
        return false;
    }
    void* const map = ::mmap(nullptr, *bytes, PROT_READ, MAP_SHARED, file.get(), 0);
    if (map == MAP_FAILED) {
        return false;
    }
    map_ = static_cast<const u8*>(map);
    bytes_ = *bytes;
    is_mapped_.resize(bytes_ / kWindowBytes + 1);
    is_machine_ = key.is_machine();
    if (is_large()) {
        ::madvise(map, bytes_, MADV_NOHUGEPAGE); // else a touch may map 2 MiB
    }
    const auto read = [this](u64 at, void* to, u64 count) {
        return copy_or_fault(to, map_ + at, count);
    };
    const u64 end = walk(bytes_, &key, read, [this](u64 at, const SegmentHeader& header) {
        const u64 slots = at + sizeof header;
        segments_.push_back({slots, header.slot_count - 1,
                             slots + header.slot_count * sizeof(SegmentSlot), header.record_bytes,
                             false});
        has_regions_ = has_regions_ || header.region_count != 0;
    });
    if (is_large()) {
        keep_tables_only();
    }
    damaged_ = end == 0;
    return end != 0;
}

std::optional<SegmentSlot> CacheFile::next_candidate(Segment& segment, u64 tag, u64& index) {
    for (;; ++index) {
        if (index - tag > segment.slot_mask) {
            return std::nullopt; // a table without an empty slot is damaged
        }
        SegmentSlot slot;
        const u64 at = segment.slots_at + (index & segment.slot_mask) * sizeof slot;
        if (!copy_or_fault(&slot, map_ + at, sizeof slot) || slot.tag == 0) {
            return std::nullopt;
        }
        if (slot.tag == tag && slot.offset <= segment.record_bytes &&
            slot.bytes <= segment.record_bytes - slot.offset) {
            last_ = {static_cast<std::size_t>(&segment - segments_.data()), slot.offset,
                     slot.bytes};
            return copy_record(segment, slot.offset, slot.bytes) ? std::optional(slot)
                                                                 : std::nullopt;
        }
    }
}

bool CacheFile::copy_record(Segment& segment, u64 offset, u64 bytes) {
    const u64 at = segment.records_at + offset;
    scratch_.resize(bytes);
    const bool whole = copy_or_fault(scratch_.data(), map_ + at, bytes);
    note_read(segment, at, bytes);
    return whole;
}

std::optional<RecordHead> CacheFile::next_head() {
    if (last_.segment >= segments_.size()) {
        return std::nullopt;
    }
    const Segment& segment = segments_[last_.segment];
    const u64 offset = last_.offset + last_.bytes;
    std::array<u8, RecordHead::kBytes> bytes;
    if (offset + bytes.size() > segment.record_bytes ||
        !copy_or_fault(bytes.data(), map_ + segment.records_at + offset, bytes.size())) {
        return std::nullopt;
    }
    const RecordHead head = read_head(bytes);
    if (head.bytes() > segment.record_bytes - offset) {
        return std::nullopt; // damaged
    }
    last_ = {last_.segment, offset, head.bytes()};
    return head;
}

bool CacheFile::next(StoredBlock& block) {
    return last_.segment < segments_.size() &&
           copy_record(segments_[last_.segment], last_.offset, last_.bytes) &&
           decode_record(scratch_, block);
}

bool CacheFile::next(StoredBundle& bundle) {
    return last_.segment < segments_.size() &&
           copy_record(segments_[last_.segment], last_.offset, last_.bytes) &&
           decode_bundle(scratch_, bundle);
}

// Maps the tables, which every look-up reads, and then forgets what came with them.
void CacheFile::keep_tables_only() {
    for (Segment& segment : segments_) {
#ifdef MADV_POPULATE_READ
        const u64 begin = segment.slots_at / kPageBytes * kPageBytes;
        ::madvise(const_cast<u8*>(map_) + begin, segment.records_at - begin, MADV_POPULATE_READ);
#endif
        segment.was_read = true;
    }
    give_back_records();
}

void CacheFile::note_read(Segment& segment, u64 at, u64 bytes) {
    if (is_machine_) {
        return;
    }
    segment.was_read = true;
    const u64 window = at / kWindowBytes;
    mapped_windows_ += !is_mapped_[window];
    is_mapped_[window] = true;
    read_bytes_ += bytes;
    if (read_bytes_ >= kMostReadBytes || (is_large() && mapped_windows_ >= kMostWindows)) {
        give_back_records();
    }
}

void CacheFile::give_back_records() {
    for (Segment& segment : segments_) {
        const u64 begin = (segment.records_at + kPageBytes - 1) / kPageBytes * kPageBytes;
        const u64 end = (segment.records_at + segment.record_bytes) / kPageBytes * kPageBytes;
        if (segment.was_read && begin < end) {
            ::madvise(const_cast<u8*>(map_) + begin, end - begin, MADV_DONTNEED);
        }
        segment.was_read = false;
    }
    is_mapped_.assign(is_mapped_.size(), false);
    mapped_windows_ = read_bytes_ = 0;
}

bool CacheFile::save(const std::string& path, const FileKey& key, const NewBlocks& blocks) {
    const Descriptor file{
        ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600)};
    if (!file.is_open() || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        return false; // another process is writing: this one's blocks can wait for the next run
    }
    const std::optional<u64> bytes = trusted_size(file.get());
    if (!bytes) {
        errno = EPERM;
        return false;
    }
    u64 segments = 0;
    const auto read = [&](u64 at, void* to, u64 count) {
        return read_at(file.get(), at, to, count);
    };
    const u64 end = walk(*bytes, &key, read, [&](u64, const SegmentHeader&) { ++segments; });
    if (end == 0) { // new, or damaged
        const bool replaced = replace_file(path, key, blocks);
        if (const int error = errno; !replaced && *bytes == 0) {
            ::unlink(path.c_str()); // what was made for the lock
            errno = error;
        }
        return replaced;
    }
    const bool is_machine = key.is_machine();
    if (segments >= kSegmentsToMerge &&
        end <= (is_machine ? kMostMergedBytesOfMachine : kMostMergedBytes)) {
        return merge_into_new_file(file.get(), end, path, key, blocks);
    }
    if (segments >= kMostSegments ||
        end + blocks.bytes() > (is_machine ? kMostBytesOfMachine : kMostBytes)) {
        if (is_machine) {
            return replace_file(path, key, blocks);
        }
        errno = EFBIG;
        return false;
    }
    if (*bytes != end && ::ftruncate(file.get(), static_cast<off_t>(end)) != 0) {
        return false;
    }
    if (append_segment(file.get(), end, blocks.segment())) {
        return true;
    }
    const int error = errno;
    if (::ftruncate(file.get(), static_cast<off_t>(end)) != 0) {
        // The next writer does it.
    }
    errno = error;
    return false;
}

CacheFile::Report CacheFile::inspect(const std::string& path) {
    Report report;
    const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
    const std::optional<u64> bytes = file.is_open() ? trusted_size(file.get()) : std::nullopt;
    if (!bytes) {
        return report;
    }
    report.bytes = *bytes;
    const auto read = [&](u64 at, void* to, u64 count) {
        return read_at(file.get(), at, to, count);
    };
    std::vector<u8> segment;
    const u64 end = walk(*bytes, nullptr, read, [&](u64 at, const SegmentHeader& header) {
        ++report.segments;
        segment.resize(header.bytes);
        if (!read(at, segment.data(), header.bytes)) {
            report.damaged_blocks += header.block_count;
            return;
        }
        u64 whole = 0;
        BlockReader reader;
        for_each_slot(
            segment, 0, header, [&](const SegmentSlot& slot, std::span<const u8> records) {
                const auto block = reader.read(slot, records);
                whole += block && (block->key.mode.system() || tag_of(block->key) == slot.tag);
            });
        report.blocks += header.block_count;
        report.damaged_blocks += header.block_count - std::min(whole, header.block_count);
    });
    u64 magic = 0;
    report.readable = end != 0;
    report.other_version = end == 0 && read(0, &magic, sizeof magic) && is_of_other_version(magic);
    report.trailing_bytes = *bytes - end;
    return report;
}

} // namespace ulna::runtime
