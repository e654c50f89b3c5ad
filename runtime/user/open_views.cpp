#include "runtime/user/open_views.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ulna::user {

namespace {

// Found by its file, as descriptors are duplicated and passed on. The number only bounds the list:
// who opens a view under it again has closed this one, most probably.
struct OpenView {
    int first_fd;
    dev_t device;
    ino_t inode;
    ViewText text;
};

std::mutex g_mutex; // the list, and the texts
std::vector<OpenView> g_views;
std::atomic<bool> g_has_views{false};

// The file again, by a descriptor that may do what this one may not; -1.
int open_again(int fd, int flags) {
    const std::string name = "/proc/self/fd/" + std::to_string(fd);
    return ::open(name.c_str(), flags);
}

// 0 or -errno. Readers see no shorter text meanwhile.
i64 write_text(int fd, const std::string& text) {
    for (std::size_t done = 0; done < text.size();) {
        const ssize_t wrote =
            ::pwrite(fd, text.data() + done, text.size() - done, static_cast<off_t>(done));
        if (wrote < 0) {
            return -errno;
        }
        done += static_cast<std::size_t>(wrote);
    }
    return ::ftruncate(fd, static_cast<off_t>(text.size())) < 0 ? -errno : 0;
}

void note_view(int fd, ViewText text) {
    struct stat file;
    if (::fstat(fd, &file) < 0) {
        return;
    }
    const std::lock_guard lock(g_mutex);
    std::erase_if(g_views, [fd](const OpenView& view) { return view.first_fd == fd; });
    g_views.push_back({fd, file.st_dev, file.st_ino, text});
    g_has_views.store(true, std::memory_order_relaxed);
}

} // namespace

i64 open_text(const std::string& text, u64 host_flags) {
    const int writable = ::memfd_create("proc", MFD_CLOEXEC);
    if (writable < 0) {
        return -errno;
    }
    i64 result = write_text(writable, text);
    if (result == 0) { // again, read-only and with the guest's flags
        const int fd = open_again(writable, O_RDONLY | static_cast<int>(host_flags & O_CLOEXEC));
        result = fd < 0 ? -errno : fd;
    }
    ::close(writable);
    return result;
}

i64 open_view(ViewText view, u64 host_flags) {
    const i64 result = open_text(view(), host_flags);
    if (result >= 0) {
        note_view(static_cast<int>(result), view);
    }
    return result;
}

void refresh_view(int fd) {
    struct stat file;
    if (!g_has_views.load(std::memory_order_relaxed) || ::fstat(fd, &file) < 0) {
        return;
    }
    const std::lock_guard lock(g_mutex);
    const auto found = std::ranges::find_if(g_views, [&file](const OpenView& view) {
        return view.device == file.st_dev && view.inode == file.st_ino;
    });
    const int writable = found == g_views.end() ? -1 : open_again(fd, O_WRONLY | O_CLOEXEC);
    if (writable >= 0) {
        [[maybe_unused]] const i64 result = write_text(writable, found->text());
        ::close(writable);
    }
}

void lock_views() { g_mutex.lock(); }

void unlock_views(bool in_child) {
    if (in_child) {
        g_views.clear();
    }
    g_mutex.unlock();
}

} // namespace ulna::user
