#include "runtime/user/paths.h"

#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/user/guest_thread.h"
#include "runtime/user/own_file.h"

namespace ulna::user {

namespace {

// Always the host's, even when the sysroot has (usually empty) directories of these names: a file
// made there must be found there again.
constexpr std::string_view kHostOnly[] = {"/proc", "/dev", "/sys", "/run", "/tmp", "/var/tmp"};

bool is_below(std::string_view path, std::string_view directory) {
    return path.starts_with(directory) &&
           (path.size() == directory.size() || path[directory.size()] == '/');
}

bool is_host_only(std::string_view path) {
    for (const std::string_view directory : kHostOnly) {
        if (is_below(path, directory)) {
            return true;
        }
    }
    return path == "/";
}

// Opened for each lookup that needs it: a descriptor kept open would be the guest's to close.
int open_sysroot() {
    return ::open(process().options.sysroot.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
}

long open_path(int directory, const std::string& path, FollowLinks follow, u64 resolve) {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC | (follow == FollowLinks::No ? O_NOFOLLOW : 0);
    how.resolve = resolve;
    return ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof(how));
}

// Absolute links inside the sysroot point into it, as they would after a chroot.
std::string follow_in_sysroot(const std::string& path, FollowLinks follow) {
    const int root = open_sysroot();
    if (root < 0) {
        return {};
    }
    const long file = open_path(root, path, follow, RESOLVE_IN_ROOT);
    ::close(root);
    if (file < 0) {
        return {};
    }
    char target[PATH_MAX];
    const std::string link = "/proc/self/fd/" + std::to_string(file);
    const ssize_t length = ::readlink(link.c_str(), target, sizeof(target));
    ::close(static_cast<int>(file));
    return length > 0 ? std::string(target, static_cast<std::size_t>(length)) : std::string();
}

// Most names have no links on their way, or do not exist: one call tells.
std::string resolve_in_sysroot(const std::string& path, FollowLinks follow) {
    std::string plain = process().options.sysroot + path;
    const long file = open_path(AT_FDCWD, plain, follow, RESOLVE_NO_SYMLINKS);
    if (file >= 0) {
        ::close(static_cast<int>(file));
        return plain;
    }
    switch (errno) {
    case ELOOP:
        return follow_in_sysroot(path, follow);
    case ENOSYS: // a kernel before 5.6, or a container that forbids the call
    case EPERM:
        return ::access(plain.c_str(), F_OK) == 0 ? plain : std::string();
    default:
        return {};
    }
}

// A name that the sysroot does not have, in a directory that only the sysroot has; else empty.
std::string new_in_sysroot(const std::string& path) {
    const std::size_t last = path.find_last_not_of('/');
    const std::size_t slash = path.rfind('/', last);
    const std::string directory = path.substr(0, slash);
    if (slash == 0 || last == path.npos || ::access(directory.c_str(), F_OK) == 0) {
        return {};
    }
    const std::string found = resolve_in_sysroot(directory, FollowLinks::Yes);
    return found.empty() ? found : found + path.substr(slash);
}

// The guest program of another process that runs under Ulna; empty when it does not, or hides it.
// Its program is the file that is mapped lowest: the host kernel puts everything else higher.
std::string exe_of_other(std::string_view pid) {
    const std::string directory = "/proc/" + std::string(pid);
    struct stat status;
    if (::stat((directory + "/exe").c_str(), &status) != 0 || !is_own_file(status)) {
        return {};
    }
    const int maps = ::open((directory + "/maps").c_str(), O_RDONLY | O_CLOEXEC);
    char text[4096]; // the lowest mappings come first
    const ssize_t got = maps < 0 ? -1 : ::read(maps, text, sizeof(text));
    if (maps >= 0) {
        ::close(maps);
    }
    const std::string_view lines(text, got < 0 ? 0 : static_cast<std::size_t>(got));
    const std::size_t name = lines.find('/');
    const std::size_t end = lines.find('\n', name);
    return name == lines.npos || end == lines.npos ? std::string()
                                                   : std::string(lines.substr(name, end - name));
}

bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

} // namespace

std::string guest_exe(std::string_view path) {
    if (!path.starts_with("/proc/") || !path.ends_with("/exe")) {
        return {};
    }
    const std::string_view middle = path.substr(6, path.size() - 6 - 4);
    if (middle == "self" || middle == "thread-self" || middle == std::to_string(::getpid())) {
        return process().exe_path;
    }
    return is_number(middle) ? exe_of_other(middle) : std::string();
}

std::string guest_exe_to_open(std::string_view path) {
    std::string exe = guest_exe(path);
    const Process& self = process();
    return self.exe_file >= 0 && exe == self.exe_path
               ? "/proc/self/fd/" + std::to_string(self.exe_file)
               : exe;
}

bool sysroot_is_empty() { return process().options.sysroot.empty(); }

std::string host_path(const std::string& guest_path, FollowLinks follow) {
    if (guest_path.empty() || guest_path[0] != '/') {
        return guest_path;
    }
    if (follow == FollowLinks::Yes) {
        if (std::string exe = guest_exe_to_open(guest_path); !exe.empty()) {
            return exe;
        }
    }
    if (sysroot_is_empty() || is_host_only(guest_path) ||
        is_below(guest_path, process().options.sysroot)) {
        return guest_path;
    }
    std::string found = resolve_in_sysroot(guest_path, follow);
    if (found.empty()) {
        found = new_in_sysroot(guest_path);
    }
    return found.empty() ? guest_path : found;
}

} // namespace ulna::user
