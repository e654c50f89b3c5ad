#include "runtime/devices/virtio/shared_folder.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "runtime/devices/virtio/mapped_attributes.h"

namespace ulna::devices::virtio {

using runtime::FileDescriptor;

namespace {

int open_inside(int root, const std::string& path, int flags) {
    open_how how{};
    how.flags = static_cast<u64>(flags | O_CLOEXEC);
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    return static_cast<int>(
        syscall(SYS_openat2, root, path.empty() ? "." : path.c_str(), &how, sizeof how));
}

int result(int returned) { return returned < 0 ? errno : 0; }

// What was looked up, opened: the kernel leads there without looking at names again.
int open_place(const FileDescriptor& place, int flags, FileDescriptor& file) {
    const std::string name = "/proc/self/fd/" + std::to_string(place.get());
    file = FileDescriptor(open(name.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    return file ? 0 : errno;
}

// A guest's set-user-ID program is not to be one on the host.
constexpr u32 kHostModeBits = 01777;
// Of files whose mode is mapped: ours alone.
constexpr mode_t kMappedFileMode = 0600;
constexpr mode_t kMappedFolderMode = 0700;
constexpr int kOpenFlags = O_ACCMODE | O_TRUNC | O_APPEND | O_SYNC;

} // namespace

std::unique_ptr<SharedFolder> SharedFolder::open(const Options& options, std::string& why_not) {
    auto folder = std::unique_ptr<SharedFolder>(new SharedFolder(options));
    folder->root_ = FileDescriptor(::open(options.path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    FileDescriptor probe;
    const int error = folder->root_ ? folder->look_up("", 0, probe) : errno;
    if (error != 0) {
        why_not = "cannot share the folder '" + options.path + "': " +
                  (error == ENOSYS ? "the host's kernel has no openat2" : std::strerror(error));
        return nullptr;
    }
    return folder;
}

int SharedFolder::look_up(const std::string& path, int flags, FileDescriptor& place) const {
    place = FileDescriptor(open_inside(root_.get(), path, O_PATH | O_NOFOLLOW | flags));
    return place ? 0 : errno;
}

// The folder in which something is to change.
int SharedFolder::parent(const std::string& path, FileDescriptor& place) const {
    return options_.read_only ? EROFS : look_up(path, O_DIRECTORY, place);
}

int SharedFolder::status(const std::string& path, struct stat& info) const {
    FileDescriptor place;
    const int error = look_up(path, 0, place);
    return error != 0 ? error : status(place.get(), info);
}

int SharedFolder::status(int file, struct stat& info) const {
    if (fstat(file, &info) != 0) {
        return errno;
    }
    if (is_mapped()) {
        apply_mapped(file, info);
    }
    return 0;
}

int SharedFolder::open_file(const std::string& path, int flags, FileDescriptor& file) const {
    FileDescriptor place;
    struct stat info;
    if (const int error = look_up(path, 0, place); error != 0) {
        return error;
    }
    if (fstat(place.get(), &info) != 0) {
        return errno;
    }
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) {
        return ENXIO;
    }
    const bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
    if (options_.read_only && writes) {
        return EROFS;
    }
    return open_place(place, flags & kOpenFlags, file);
}

int SharedFolder::read_link(const std::string& path, std::string& target) const {
    FileDescriptor place, file;
    struct stat info;
    if (const int error = look_up(path, 0, place); error != 0) {
        return error;
    }
    if (const int error = status(place.get(), info); error != 0) {
        return error;
    }
    char text[PATH_MAX];
    ssize_t bytes = readlinkat(place.get(), "", text, sizeof text);
    if (bytes < 0 && is_mapped() && S_ISLNK(info.st_mode)) { // a file with the target in it
        if (const int error = open_place(place, O_RDONLY, file); error != 0) {
            return error;
        }
        bytes = read(file.get(), text, sizeof text);
    }
    if (bytes < 0) {
        return errno;
    }
    target.assign(text, static_cast<size_t>(bytes));
    return 0;
}

int SharedFolder::file_system(const std::string& path, struct statfs& info) const {
    FileDescriptor place;
    const int error = look_up(path, 0, place);
    return error != 0 ? error : result(fstatfs(place.get(), &info));
}

// Gives what was just made the attributes that the guest wants; or it is not there.
int SharedFolder::claim(int folder,
                        const std::string& name,
                        const Creation& creation,
                        dev_t device) const {
    FileDescriptor place(openat(folder, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    int error = place ? 0 : errno;
    if (error == 0 && is_mapped()) {
        const bool has_device = S_ISCHR(creation.mode) || S_ISBLK(creation.mode);
        error = write_mapped(place.get(), {creation.uid, creation.gid, creation.mode,
                                           has_device ? std::optional<u64>(device) : std::nullopt});
    } else if (error == 0) {
        // Again, because our umask has had its say, and the guest's is in the mode already.
        const std::string link = "/proc/self/fd/" + std::to_string(place.get());
        error = result(chmod(link.c_str(), creation.mode & kHostModeBits));
    }
    if (error != 0) {
        unlinkat(folder, name.c_str(), S_ISDIR(creation.mode) ? AT_REMOVEDIR : 0);
    }
    return error;
}

int SharedFolder::create(const std::string& folder,
                         const std::string& name,
                         int flags,
                         const Creation& creation,
                         FileDescriptor& file) const {
    FileDescriptor place;
    if (const int error = parent(folder, place); error != 0) {
        return error;
    }
    const mode_t mode = is_mapped() ? kMappedFileMode : creation.mode & kHostModeBits;
    const int made = openat(place.get(), name.c_str(),
                            (flags & kOpenFlags) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (made < 0) {
        // Two guests, or a guest and its host, may create the same file at once.
        const bool may_exist = errno == EEXIST && (flags & O_EXCL) == 0;
        return may_exist ? open_file(folder.empty() ? name : folder + "/" + name, flags, file)
                         : errno;
    }
    file = FileDescriptor(made);
    return claim(place.get(), name, {(creation.mode & 07777) | S_IFREG, creation.uid, creation.gid},
                 0);
}

int SharedFolder::make_folder(const std::string& folder,
                              const std::string& name,
                              const Creation& creation) const {
    FileDescriptor place;
    if (const int error = parent(folder, place); error != 0) {
        return error;
    }
    const mode_t mode = is_mapped() ? kMappedFolderMode : creation.mode & kHostModeBits;
    if (mkdirat(place.get(), name.c_str(), mode) != 0) {
        return errno;
    }
    return claim(place.get(), name, {(creation.mode & 07777) | S_IFDIR, creation.uid, creation.gid},
                 0);
}

int SharedFolder::make_node(const std::string& folder,
                            const std::string& name,
                            const Creation& creation,
                            dev_t device) const {
    FileDescriptor place;
    if (const int error = parent(folder, place); error != 0) {
        return error;
    }
    const u32 type = creation.mode & S_IFMT;
    if (!is_mapped() && (type == S_IFCHR || type == S_IFBLK)) {
        return EPERM; // a device of the host is nothing for a guest to make
    }
    const mode_t mode =
        is_mapped() ? S_IFREG | kMappedFileMode : type | (creation.mode & kHostModeBits);
    if (mknodat(place.get(), name.c_str(), mode, 0) != 0) {
        return errno;
    }
    return claim(place.get(), name, creation, device);
}

int SharedFolder::make_symlink(const std::string& folder,
                               const std::string& name,
                               const std::string& target,
                               const Creation& creation) const {
    FileDescriptor place;
    if (const int error = parent(folder, place); error != 0) {
        return error;
    }
    if (!is_mapped()) {
        return result(symlinkat(target.c_str(), place.get(), name.c_str()));
    }
    const FileDescriptor file(openat(place.get(), name.c_str(),
                                     O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC,
                                     kMappedFileMode));
    if (!file) {
        return errno;
    }
    if (write(file.get(), target.data(), target.size()) != static_cast<ssize_t>(target.size())) {
        unlinkat(place.get(), name.c_str(), 0);
        return ENOSPC;
    }
    return claim(place.get(), name, {0777 | S_IFLNK, creation.uid, creation.gid}, 0);
}

int SharedFolder::make_link(const std::string& path,
                            const std::string& folder,
                            const std::string& name) const {
    FileDescriptor place, from;
    if (const int error = parent(folder, place); error != 0) {
        return error;
    }
    if (const int error = look_up(path, 0, from); error != 0) {
        return error;
    }
    const std::string link = "/proc/self/fd/" + std::to_string(from.get());
    return result(linkat(AT_FDCWD, link.c_str(), place.get(), name.c_str(), AT_SYMLINK_FOLLOW));
}

int SharedFolder::rename(const std::string& from_folder,
                         const std::string& from_name,
                         const std::string& to_folder,
                         const std::string& to_name) const {
    FileDescriptor from, to;
    if (const int error = parent(from_folder, from); error != 0) {
        return error;
    }
    if (const int error = parent(to_folder, to); error != 0) {
        return error;
    }
    return result(renameat(from.get(), from_name.c_str(), to.get(), to_name.c_str()));
}

int SharedFolder::remove(const std::string& folder, const std::string& name, bool is_folder) const {
    FileDescriptor place;
    if (const int error = parent(folder, place); error != 0) {
        return error;
    }
    return result(unlinkat(place.get(), name.c_str(), is_folder ? AT_REMOVEDIR : 0));
}

int SharedFolder::set_mode(const std::string& path, u32 mode) const {
    FileDescriptor place;
    struct stat info;
    if (const int error = options_.read_only ? EROFS : look_up(path, 0, place); error != 0) {
        return error;
    }
    if (const int error = status(place.get(), info); error != 0) {
        return error;
    }
    if (is_mapped()) {
        const u32 whole = (info.st_mode & S_IFMT) | (mode & 07777);
        return write_mapped(place.get(), {.mode = whole});
    }
    if (S_ISLNK(info.st_mode)) {
        return EOPNOTSUPP;
    }
    const std::string link = "/proc/self/fd/" + std::to_string(place.get());
    return result(chmod(link.c_str(), mode & kHostModeBits));
}

int SharedFolder::set_owner(const std::string& path, u32 uid, u32 gid) const {
    FileDescriptor place;
    if (const int error = options_.read_only ? EROFS : look_up(path, 0, place); error != 0) {
        return error;
    }
    if (!is_mapped()) {
        return result(fchownat(place.get(), "", uid, gid, AT_EMPTY_PATH));
    }
    const auto given = [](u32 id) { return id == ~u32{0} ? std::nullopt : std::optional(id); };
    return write_mapped(place.get(), {.uid = given(uid), .gid = given(gid)});
}

int SharedFolder::set_size(const std::string& path, u64 bytes) const {
    FileDescriptor file;
    const int error = open_file(path, O_WRONLY, file);
    return error != 0 ? error : result(ftruncate(file.get(), static_cast<off_t>(bytes)));
}

int SharedFolder::set_times(const std::string& path, const timespec (&times)[2]) const {
    FileDescriptor place;
    if (const int error = options_.read_only ? EROFS : look_up(path, 0, place); error != 0) {
        return error;
    }
    return result(utimensat(place.get(), "", times, AT_EMPTY_PATH));
}

} // namespace ulna::devices::virtio
