#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/system/snapshot_format.h"

namespace ulna::system {

using namespace snapshot_format;

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

// What follows one another in a section, and its checksum.
class SnapshotReader::Stream {
  public:
    Stream(const SnapshotReader& file, const SnapshotSection& section)
        : file_{file}, at_{section.offset}, left_{section.bytes} {}
    [[nodiscard]] bool take(void* to, u64 bytes) {
        const bool done = bytes <= left_ && file_.read_at(at_, {static_cast<u8*>(to), bytes});
        at_ += done ? bytes : 0;
        left_ -= done ? bytes : 0;
        return done;
    }
    [[nodiscard]] u64 left() const { return left_; }

  private:
    const SnapshotReader& file_;
    u64 at_, left_;
};

bool SnapshotReader::read(const SnapshotSection& section,
                          StateImage& image,
                          std::string& why_not) const {
    Stream stream{*this, section};
    runtime::FieldHash hash;
    bool fits = true;
    if (!read_runs(stream, image, hash, fits) || stream.left() != 0 ||
        hash.value() != section.checksum) {
        why_not = fits ? "its '" + section.name + "' is damaged"
                       : "cannot have what its '" + section.name + "' has";
        return false;
    }
    return true;
}

bool SnapshotReader::read_runs(Stream& stream,
                               StateImage& image,
                               runtime::FieldHash& hash,
                               bool& fits) {
    u64 count = 0;
    if (!stream.take(&count, sizeof count) || count > stream.left() / sizeof(StateImage::Run) ||
        count > image.bytes() / StateImage::kBlockBytes + 1) {
        return false;
    }
    std::vector<StateImage::Run> runs(count);
    if (!stream.take(runs.data(), count * sizeof(StateImage::Run)) || !make_sense(runs, image)) {
        return false;
    }
    hash.add(count).add(bytes_of(runs));
    std::vector<u8> piece(kPiece);
    for (const StateImage::Run& run : runs) {
        for (u64 done = 0; done < run.bytes; done += piece.size()) {
            piece.resize(std::min(kPiece, run.bytes - done));
            if (!stream.take(piece.data(), piece.size())) {
                return false;
            }
            hash.add(piece);
            fits = image.put(run.offset + done, piece);
            if (!fits) {
                return false;
            }
        }
        piece.resize(kPiece);
    }
    return true;
}

} // namespace ulna::system
