// What tells files apart: QIDs.
#pragma once

#include <sys/stat.h>

#include "runtime/devices/virtio/p9_wire.h"

namespace ulna::devices::virtio {

enum QidType : u8 { kQidFolder = 0x80, kQidSymlink = 0x02, kQidFile = 0x00 };

inline void put_qid_of(u8 type, u32 version, u64 path, P9Writer& out) {
    out.put8(type);
    out.put32(version);
    out.put64(path);
}

inline void put_qid_of(const struct stat& info, P9Writer& out) {
    const u8 type = S_ISDIR(info.st_mode)   ? kQidFolder
                    : S_ISLNK(info.st_mode) ? kQidSymlink
                                            : kQidFile;
    const u64 version = static_cast<u64>(info.st_mtim.tv_sec) * 1'000'000'000 +
                        static_cast<u64>(info.st_mtim.tv_nsec);
    put_qid_of(type, static_cast<u32>(version ^ (version >> 32)) ^ static_cast<u32>(info.st_size),
               info.st_ino, out);
}

} // namespace ulna::devices::virtio
