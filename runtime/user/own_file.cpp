// See own_file.h.
#include "runtime/user/own_file.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "ir/support/types.h"

namespace ulna::user {

namespace {

// Of the thread: that of the process is gone when its first thread has ended.
constexpr char kOwnPath[] = "/proc/thread-self/exe";

struct OwnFile {
    int fd = -1;
    dev_t device = 0;
    ino_t inode = 0;
};
OwnFile g_own;

void remember(const struct stat& status) {
    g_own.device = status.st_dev;
    g_own.inode = status.st_ino;
}

// Takes over a descriptor.
void keep(int opened) {
    struct stat status = {};
    if (opened >= 0 && fstat(opened, &status) == 0) {
        remember(status);
        g_own.fd = fcntl(opened, F_DUPFD_CLOEXEC, high_descriptor());
        close(opened);
    }
}

// In a chroot without /proc the path we were started by may still lead here. (Under binfmt_misc it
// is the guest program's, which is not for this machine.)
int open_by_start_path() {
    const auto* path = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
    const int fd = path != nullptr ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    Elf64_Ehdr header = {};
    if (fd >= 0 &&
        (pread(fd, &header, sizeof header, 0) != sizeof header || header.e_machine == EM_AARCH64)) {
        close(fd);
        return -1;
    }
    return fd;
}

} // namespace

// Below what makes the kernel's table large.
int high_descriptor() {
    constexpr u64 kHighDescriptor = 1000;
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    return static_cast<int>(
        std::min<u64>(kHighDescriptor, limit.rlim_cur - limit.rlim_cur / 16 - 1));
}

bool is_own_file(const struct stat& status) {
    return g_own.inode != 0 && status.st_dev == g_own.device && status.st_ino == g_own.inode;
}

void init_own_file(int handed_over) {
    struct stat status;
    if (stat(kOwnPath, &status) == 0) {
        remember(status);
        if (handed_over >= 0) {
            close(handed_over);
        }
        return;
    }
    keep(handed_over >= 0 ? handed_over : open_by_start_path());
}

void keep_own_file() {
    if (own_file_descriptor() < 0 && own_path_is_visible()) {
        keep(open(kOwnPath, O_PATH | O_CLOEXEC));
    }
}

int own_file_descriptor() {
    struct stat status;
    return g_own.fd >= 0 && fstat(g_own.fd, &status) == 0 && is_own_file(status) ? g_own.fd : -1;
}

bool own_path_is_visible() {
    struct stat status;
    return stat(kOwnPath, &status) == 0 && is_own_file(status);
}

const char* own_path() { return kOwnPath; }

} // namespace ulna::user
