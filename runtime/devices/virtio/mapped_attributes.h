// The attributes that a guest gives its files, kept in extended attributes of ours: names and
// format are those of QEMU's security model mapped-xattr, so that folders can be shared with it.
#pragma once

#include <sys/stat.h>

#include <optional>

#include "ir/support/types.h"

namespace ulna::devices::virtio {

struct MappedAttributes {
    std::optional<u32> uid, gid;
    std::optional<u32> mode; // with the type: a regular file of ours may be a guest's device
    std::optional<u64> device;
};

// `file` may be a place (O_PATH), but not a symbolic link, which can have no such attributes.
[[nodiscard]] int write_mapped(int file, const MappedAttributes& attributes); // 0 or an errno
// Puts what is there in place of the host's.
void apply_mapped(int file, struct stat& info);

} // namespace ulna::devices::virtio
