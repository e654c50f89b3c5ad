#include "runtime/devices/virtio/raw_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "ir/support/bits.h"

namespace ulna::devices::virtio {
namespace {

constexpr size_t kMostPieces = 1024; // IOV_MAX

// A lock of the open file, not of the process, so that two machines in one process see each other.
bool lock_file(int fd, bool read_only) {
    struct flock lock = {};
    lock.l_type = static_cast<short>(read_only ? F_RDLCK : F_WRLCK);
    lock.l_whence = SEEK_SET;
    return fcntl(fd, F_OFD_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES);
}

// Why the open file cannot be a disk; empty when it can.
std::string unfit(int fd, bool read_only) {
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return std::strerror(errno);
    }
    if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode)) {
        return "neither a file nor a block device";
    }
    return lock_file(fd, read_only) ? "" : "in use by another program";
}

// Reads or writes all of `list` by preadv or pwritev, which may do a part; `at_end` says what to do
// with pieces past the end of the file and returns an errno.
template <class Transfer, class AtEnd>
int transfer_all(std::vector<iovec> list, u64 offset, Transfer transfer, AtEnd at_end) {
    size_t first = 0;
    while (first < list.size()) {
        const size_t count = std::min(list.size() - first, kMostPieces);
        const ssize_t done =
            transfer(&list[first], static_cast<int>(count), static_cast<off_t>(offset));
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return errno;
        }
        if (done == 0) {
            return at_end(Scatter(list).subspan(first));
        }
        offset += static_cast<u64>(done);
        u64 left = static_cast<u64>(done);
        while (first < list.size() && left >= list[first].iov_len) {
            left -= list[first++].iov_len;
        }
        if (left > 0) {
            list[first].iov_base = static_cast<u8*>(list[first].iov_base) + left;
            list[first].iov_len -= left;
        }
    }
    return 0;
}

int last_error(int result) { return result == 0 ? 0 : errno; }

} // namespace

std::unique_ptr<RawFile>
RawFile::open(const std::string& path, bool read_only, std::string& why_not) {
    const int fd = ::open(path.c_str(), (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
    why_not = fd < 0 ? std::strerror(errno) : unfit(fd, read_only);
    const off_t end = why_not.empty() ? lseek(fd, 0, SEEK_END) : 0;
    if (end < 0) {
        why_not = std::strerror(errno);
    }
    if (!why_not.empty()) {
        why_not = "cannot use '" + path + "' as a disk: " + why_not;
        if (fd >= 0) {
            close(fd);
        }
        return nullptr;
    }
    return std::unique_ptr<RawFile>(
        new RawFile(fd, align_up(static_cast<u64>(end), kSectorBytes), read_only));
}

std::unique_ptr<RawFile> RawFile::temporary(u64 bytes, std::string& why_not) {
    const char* folder = std::getenv("TMPDIR");
    const std::string base = folder != nullptr && *folder != 0 ? folder : "/var/tmp";
    int fd = ::open(base.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) { // not every file system has these
        std::string name = base + "/ulna-snapshot-XXXXXX";
        fd = mkostemp(name.data(), O_CLOEXEC);
        if (fd >= 0) {
            unlink(name.c_str());
        }
    }
    if (fd < 0 || ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
        why_not = "cannot make a temporary file in '" + base + "': " + std::strerror(errno);
        if (fd >= 0) {
            close(fd);
        }
        return nullptr;
    }
    return std::unique_ptr<RawFile>(new RawFile(fd, bytes, false));
}

RawFile::~RawFile() { close(fd_); }

int RawFile::do_read(u64 offset, Scatter to) {
    return transfer_all(
        {to.begin(), to.end()}, offset,
        [&](const iovec* list, int count, off_t at) { return preadv(fd_, list, count, at); },
        [](Scatter rest) {
            fill(rest, 0);
            return 0;
        });
}

int RawFile::do_write(u64 offset, Scatter from) {
    return transfer_all(
        {from.begin(), from.end()}, offset,
        [&](const iovec* list, int count, off_t at) { return pwritev(fd_, list, count, at); },
        [](Scatter) { return ENOSPC; });
}

int RawFile::do_flush() { return last_error(fdatasync(fd_)); }

// Whether the host can is a property of its file system; the guest need not know.
int RawFile::do_discard(u64 offset, u64 bytes) {
    fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
              static_cast<off_t>(bytes));
    return 0;
}

int RawFile::do_write_zeroes(u64 offset, u64 bytes) {
    for (const int mode : {FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE}) {
        if (fallocate(fd_, mode | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                      static_cast<off_t>(bytes)) == 0) {
            return 0;
        }
    }
    static std::array<u8, 65536> zeroes{};
    for (u64 done = 0; done < bytes; done += zeroes.size()) {
        const iovec piece{zeroes.data(), std::min<u64>(bytes - done, zeroes.size())};
        if (const int error = do_write(offset + done, {&piece, 1}); error != 0) {
            return error;
        }
    }
    return 0;
}

} // namespace ulna::devices::virtio
