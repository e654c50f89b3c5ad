#include "runtime/devices/virtio/mapped_attributes.h"

#include <sys/xattr.h>

#include <cerrno>
#include <string>

namespace ulna::devices::virtio {
namespace {

constexpr char kUid[] = "user.virtfs.uid";
constexpr char kGid[] = "user.virtfs.gid";
constexpr char kMode[] = "user.virtfs.mode";
constexpr char kDevice[] = "user.virtfs.rdev";

// A place has no extended attributes itself; what it leads to has.
std::string name_of(int file) { return "/proc/self/fd/" + std::to_string(file); }

template <class T> int write_one(int file, const char* name, const std::optional<T>& value) {
    if (!value || setxattr(name_of(file).c_str(), name, &*value, sizeof *value, 0) == 0) {
        return 0;
    }
    return errno;
}

template <class T> std::optional<T> read_one(int file, const char* name) {
    T value;
    const ssize_t bytes = getxattr(name_of(file).c_str(), name, &value, sizeof value);
    return bytes == sizeof value ? std::optional(value) : std::nullopt;
}

} // namespace

int write_mapped(int file, const MappedAttributes& attributes) {
    for (const int error :
         {write_one(file, kUid, attributes.uid), write_one(file, kGid, attributes.gid),
          write_one(file, kMode, attributes.mode), write_one(file, kDevice, attributes.device)}) {
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

void apply_mapped(int file, struct stat& info) {
    if (S_ISLNK(info.st_mode)) {
        return;
    }
    info.st_uid = read_one<u32>(file, kUid).value_or(info.st_uid);
    info.st_gid = read_one<u32>(file, kGid).value_or(info.st_gid);
    info.st_mode = read_one<u32>(file, kMode).value_or(info.st_mode);
    info.st_rdev = read_one<u64>(file, kDevice).value_or(info.st_rdev);
}

} // namespace ulna::devices::virtio
