#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/system/snapshot_format.h"

namespace ulna::system {

using namespace snapshot_format;

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

} // namespace ulna::system
