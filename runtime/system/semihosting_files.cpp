#include "runtime/system/semihosting_files.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/devices/state_visitor.h"

namespace ulna::system {

namespace {

constexpr u64 kMostHandles = 256;
constexpr std::string_view kConsole = ":tt", kFeatures = ":semihosting-features";
// Magic, and: SYS_EXIT_EXTENDED, and ":tt" opened for appending is standard error.
constexpr std::array<char, 5> kFeatureBytes{'S', 'H', 'F', 'B', 3};

// Of each pair of modes, without and with "b".
constexpr int kOpenFlags[] = {
    O_RDONLY,                      // r
    O_RDWR,                        // r+
    O_WRONLY | O_CREAT | O_TRUNC,  // w
    O_RDWR | O_CREAT | O_TRUNC,    // w+
    O_WRONLY | O_CREAT | O_APPEND, // a
    O_RDWR | O_CREAT | O_APPEND,   // a+
};
constexpr u64 kModes = 2 * std::size(kOpenFlags), kFirstWriting = 4;

} // namespace

SemihostingFiles::~SemihostingFiles() {
    for (const Entry& entry : entries_) {
        if (entry.kind == Kind::Host) {
            ::close(entry.fd);
        }
    }
}

i64 SemihostingFiles::fail(int error) {
    error_ = error;
    return -1;
}

const SemihostingFiles::Entry* SemihostingFiles::find(u64 handle) const {
    const bool open = handle - 1 < entries_.size() && entries_[handle - 1].kind != Kind::Closed;
    return open ? &entries_[handle - 1] : nullptr;
}

i64 SemihostingFiles::add(Entry entry) {
    auto place = std::ranges::find(entries_, Kind::Closed, &Entry::kind);
    if (place == entries_.end()) {
        place = entries_.insert(place, Entry{});
    }
    *place = entry;
    return place - entries_.begin() + 1;
}

i64 SemihostingFiles::open(const std::string& path, u64 mode) {
    const auto in_use = std::ranges::count_if(
        entries_, [](const Entry& entry) { return entry.kind != Kind::Closed; });
    if (mode >= kModes) {
        return fail(EINVAL);
    }
    if (static_cast<u64>(in_use) >= kMostHandles) {
        return fail(EMFILE);
    }
    if (path == kConsole) {
        return add({mode < kFirstWriting ? Kind::ConsoleInput : Kind::ConsoleOutput});
    }
    if (path == kFeatures) {
        return mode < 2 ? add({Kind::Features}) : fail(EACCES);
    }
    constexpr mode_t kPermissions = 0644;
    const int fd = ::open(path.c_str(), kOpenFlags[mode / 2] | O_CLOEXEC, kPermissions);
    return fd < 0 ? fail(errno) : add({Kind::Host, fd});
}

i64 SemihostingFiles::close(u64 handle) {
    const Entry* const entry = find(handle);
    if (entry == nullptr) {
        return fail(EBADF);
    }
    const int result = entry->kind == Kind::Host ? ::close(entry->fd) : 0;
    entries_[handle - 1] = {};
    return result < 0 ? fail(errno) : 0;
}

SemihostingFiles::Kind SemihostingFiles::kind(u64 handle) const {
    const Entry* const entry = find(handle);
    return entry == nullptr ? Kind::Closed : entry->kind;
}

i64 SemihostingFiles::read(u64 handle, char* to, u64 bytes) {
    if (kind(handle) == Kind::Features) {
        Entry& entry = entries_[handle - 1];
        const u64 count = std::min(bytes, kFeatureBytes.size() - entry.position);
        std::copy_n(kFeatureBytes.data() + entry.position, count, to);
        entry.position += count;
        return static_cast<i64>(count);
    }
    if (kind(handle) != Kind::Host) {
        return fail(EBADF);
    }
    const ssize_t count = ::read(entries_[handle - 1].fd, to, bytes);
    return count < 0 ? fail(errno) : count;
}

i64 SemihostingFiles::write(u64 handle, const char* from, u64 bytes) {
    if (kind(handle) != Kind::Host) {
        return fail(EBADF);
    }
    const ssize_t count = ::write(entries_[handle - 1].fd, from, bytes);
    return count < 0 ? fail(errno) : count;
}

i64 SemihostingFiles::seek(u64 handle, u64 position) {
    if (kind(handle) == Kind::Features && position <= kFeatureBytes.size()) {
        entries_[handle - 1].position = position;
        return 0;
    }
    if (kind(handle) != Kind::Host) {
        return fail(EBADF);
    }
    const off_t at = ::lseek(entries_[handle - 1].fd, static_cast<off_t>(position), SEEK_SET);
    return at < 0 ? fail(errno) : 0;
}

i64 SemihostingFiles::length(u64 handle) const {
    if (kind(handle) == Kind::Features) {
        return kFeatureBytes.size();
    }
    struct stat status;
    const bool known = kind(handle) == Kind::Host && ::fstat(entries_[handle - 1].fd, &status) == 0;
    return known ? status.st_size : -1;
}

bool SemihostingFiles::has_host_files() const {
    return std::ranges::count(entries_, Kind::Host, &Entry::kind) != 0;
}

void SemihostingFiles::visit_state(devices::StateVisitor& visit) {
    entries_.resize(visit.count(entries_.size(), kMostHandles));
    for (Entry& entry : entries_) {
        Kind kind = entry.kind;
        visit.enumerator(kind, Kind::Features);
        visit.bounded(entry.position, kFeatureBytes.size());
        if (kind == Kind::Host) {
            visit.fail("a file of the host");
        } else {
            entry.kind = kind;
        }
    }
    visit(error_);
}

i64 SemihostingFiles::is_terminal(u64 handle) const {
    switch (kind(handle)) {
    case Kind::ConsoleInput:
    case Kind::ConsoleOutput:
        return 1;
    case Kind::Host:
        return ::isatty(entries_[handle - 1].fd);
    default:
        return 0;
    }
}

} // namespace ulna::system
