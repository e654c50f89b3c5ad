#include "runtime/system/snapshot_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/persist/checksum.h"

namespace ulna::system {

using devices::StateImage;
using devices::StateVisitor;

namespace {

struct Header {
    char magic[8];
    u32 format, reserved;
    u64 directory_offset, directory_bytes, directory_checksum;
    u64 reserved2[2];
    u64 checksum; // of what is before it
};
static_assert(sizeof(Header) == 64);
constexpr char kMagic[8] = {'u', 'l', 'n', 'a', 's', 'n', 'a', 'p'};
constexpr u32 kFormat = 1;

constexpr u64 kMostSections = 4096, kMostName = 128;
constexpr u64 kMostSectionBytes = u64{16} << 20; // of what is no image
constexpr u64 kMostDirectoryBytes = u64{1} << 20;
constexpr u64 kPiece = u64{256} << 10; // images go by these, and so do their checksums

std::span<const u8> bytes_of(const Header& header) {
    return {reinterpret_cast<const u8*>(&header), sizeof header};
}
u64 checksum_of(const Header& header) {
    return runtime::checksum(bytes_of(header).first(offsetof(Header, checksum)));
}

void visit_directory(StateVisitor& visit, std::vector<SnapshotSection>& sections) {
    sections.resize(visit.count(sections.size(), kMostSections));
    for (SnapshotSection& section : sections) {
        visit.text(section.name, kMostName);
        visit(section.version, section.offset, section.bytes, section.checksum);
    }
    visit.finish();
}

std::span<const u8> bytes_of(std::span<const StateImage::Run> runs) {
    return {reinterpret_cast<const u8*>(runs.data()), runs.size_bytes()};
}

} // namespace

// --- writing

bool SnapshotWriter::open(const std::string& path, std::string& why_not) {
    path_ = path;
    temporary_ = path + "." + std::to_string(getpid()) + ".new";
    file_ = runtime::FileDescriptor{
        ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
    if (!file_) {
        why_not = "cannot make '" + temporary_ + "': " + std::strerror(errno);
        temporary_.clear();
        return false;
    }
    const Header header{}; // comes last
    write(bytes_of(header));
    return true;
}

SnapshotWriter::~SnapshotWriter() {
    if (!temporary_.empty()) {
        unlink(temporary_.c_str());
    }
}

void SnapshotWriter::write(std::span<const u8> bytes) {
    constexpr std::size_t kMostWaiting = 1 << 20;
    waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
    at_ += bytes.size();
    if (waiting_.size() >= kMostWaiting) {
        flush();
    }
}

void SnapshotWriter::flush() {
    for (std::size_t done = 0; done < waiting_.size() && error_.empty();) {
        const ssize_t written =
            ::write(file_.get(), waiting_.data() + done, waiting_.size() - done);
        if (written < 0 && errno != EINTR) {
            error_ = std::strerror(errno);
        }
        done += written > 0 ? static_cast<std::size_t>(written) : 0;
    }
    waiting_.clear();
}

void SnapshotWriter::add(const std::string& name, u32 version, std::span<const u8> bytes) {
    sections_.push_back({name, version, at_, bytes.size(), runtime::checksum(bytes)});
    write(bytes);
}

void SnapshotWriter::add(StateImage& image) {
    const std::vector<StateImage::Run> runs = image.runs();
    const u64 start = at_, count = runs.size();
    runtime::FieldHash hash;
    hash.add(count).add(bytes_of(runs));
    write({reinterpret_cast<const u8*>(&count), sizeof count});
    write(bytes_of(runs));
    std::vector<u8> piece(kPiece);
    for (const StateImage::Run& run : runs) {
        for (u64 done = 0; done < run.bytes; done += piece.size()) {
            piece.resize(std::min(kPiece, run.bytes - done));
            if (!image.read(run.offset + done, piece)) {
                error_ = "cannot read " + image.name();
            }
            hash.add(piece);
            write(piece);
        }
        piece.resize(kPiece);
    }
    sections_.push_back({image.name(), 1, start, at_ - start, hash.value()});
}

bool SnapshotWriter::finish(std::string& why_not) {
    StateVisitor visit;
    visit_directory(visit, sections_);
    const std::vector<u8> directory = visit.take();
    Header header{.magic = {},
                  .format = kFormat,
                  .reserved = 0,
                  .directory_offset = at_,
                  .directory_bytes = directory.size(),
                  .directory_checksum = runtime::checksum(directory),
                  .reserved2 = {},
                  .checksum = 0};
    std::copy(std::begin(kMagic), std::end(kMagic), header.magic);
    header.checksum = checksum_of(header);
    write(directory);
    flush();
    if (error_.empty() &&
        (pwrite(file_.get(), &header, sizeof header, 0) != ssize_t{sizeof header} ||
         rename(temporary_.c_str(), path_.c_str()) != 0)) {
        error_ = std::strerror(errno);
    }
    if (!error_.empty()) {
        why_not = "cannot write '" + path_ + "': " + error_;
        return false;
    }
    temporary_.clear();
    return true;
}

// --- reading

bool SnapshotReader::read_at(u64 offset, std::span<u8> to) const {
    while (!to.empty()) {
        const ssize_t got = pread(file_.get(), to.data(), to.size(), static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        to = to.subspan(static_cast<std::size_t>(got));
        offset += static_cast<u64>(got);
    }
    return true;
}

bool SnapshotReader::open(const std::string& path, std::string& why_not) {
    file_ = runtime::FileDescriptor{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat info {};
    if (!file_ || fstat(file_.get(), &info) != 0) {
        why_not = std::strerror(errno);
        return false;
    }
    bytes_ = static_cast<u64>(info.st_size);
    Header header;
    if (!S_ISREG(info.st_mode) || !read_at(0, {reinterpret_cast<u8*>(&header), sizeof header}) ||
        !std::equal(std::begin(kMagic), std::end(kMagic), header.magic)) {
        why_not = "not a snapshot";
        return false;
    }
    if (header.format != kFormat) {
        why_not = "of format " + std::to_string(header.format) + ", and this program reads " +
                  std::to_string(kFormat);
        return false;
    }
    if (header.checksum != checksum_of(header) ||
        !read_directory(header.directory_offset, header.directory_bytes,
                        header.directory_checksum)) {
        why_not = "damaged, or not whole";
        return false;
    }
    return true;
}

bool SnapshotReader::read_directory(u64 offset, u64 bytes, u64 checksum) {
    if (offset > bytes_ || bytes > bytes_ - offset || bytes > kMostDirectoryBytes) {
        return false;
    }
    std::vector<u8> directory(bytes);
    if (!read_at(offset, directory) || runtime::checksum(directory) != checksum) {
        return false;
    }
    StateVisitor visit{directory};
    visit_directory(visit, sections_);
    return !visit.failed() && std::ranges::all_of(sections_, [&](const SnapshotSection& section) {
        return section.offset <= bytes_ && section.bytes <= bytes_ - section.offset;
    });
}

const SnapshotSection* SnapshotReader::find(const std::string& name) const {
    const auto found = std::ranges::find(sections_, name, &SnapshotSection::name);
    return found == sections_.end() ? nullptr : &*found;
}

bool SnapshotReader::read(const SnapshotSection& section,
                          std::vector<u8>& bytes,
                          std::string& why_not) const {
    if (section.bytes <= kMostSectionBytes) {
        bytes.resize(section.bytes);
        if (read_at(section.offset, bytes) && runtime::checksum(bytes) == section.checksum) {
            return true;
        }
    }
    why_not = "its '" + section.name + "' is damaged";
    return false;
}

namespace {
bool make_sense(std::span<const StateImage::Run> runs, const StateImage& image) {
    u64 end = 0;
    for (const StateImage::Run& run : runs) {
        if (run.offset < end || run.offset > image.bytes() ||
            run.offset % StateImage::kBlockBytes != 0 || run.bytes == 0 ||
            run.bytes > image.bytes() - run.offset) {
            return false;
        }
        end = run.offset + run.bytes;
        if (run.bytes % StateImage::kBlockBytes != 0 && end != image.bytes()) {
            return false;
        }
    }
    return true;
}
} // namespace

bool SnapshotReader::read(const SnapshotSection& section,
                          StateImage& image,
                          std::string& why_not) const {
    why_not = "its '" + section.name + "' is damaged";
    const u64 most_runs = image.bytes() / StateImage::kBlockBytes + 1;
    u64 count = 0, left = section.bytes, at = section.offset;
    const auto take = [&](void* to, u64 bytes) {
        const bool done = bytes <= left && read_at(at, {static_cast<u8*>(to), bytes});
        at += bytes;
        left -= done ? bytes : left;
        return done;
    };
    if (!take(&count, sizeof count) || count > most_runs ||
        count > left / sizeof(StateImage::Run)) {
        return false;
    }
    std::vector<StateImage::Run> runs(count);
    if (!take(runs.data(), count * sizeof(StateImage::Run)) || !make_sense(runs, image)) {
        return false;
    }
    runtime::FieldHash hash;
    hash.add(count).add(bytes_of(runs));
    std::vector<u8> piece(kPiece);
    for (const StateImage::Run& run : runs) {
        for (u64 done = 0; done < run.bytes; done += piece.size()) {
            piece.resize(std::min(kPiece, run.bytes - done));
            if (!take(piece.data(), piece.size())) {
                return false;
            }
            hash.add(piece);
            if (!image.put(run.offset + done, piece)) {
                why_not = "cannot have what its '" + section.name + "' has";
                return false;
            }
        }
        piece.resize(kPiece);
    }
    return left == 0 && hash.value() == section.checksum;
}

} // namespace ulna::system
