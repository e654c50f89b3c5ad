// Messages about files: attributes, what is in them, and what is in folders.
#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>

#include "runtime/devices/virtio/p9_names.h"
#include "runtime/devices/virtio/p9_qid.h"
#include "runtime/devices/virtio/p9_server.h"

namespace ulna::devices::virtio {

using runtime::FileDescriptor;

namespace {

// The bits of Tsetattr's `valid`.
enum Set : u32 {
    kSetMode = 0x001,
    kSetUid = 0x002,
    kSetGid = 0x004,
    kSetSize = 0x008,
    kSetAtime = 0x010,
    kSetMtime = 0x020,
    kSetAtimeTo = 0x080, // else to now
    kSetMtimeTo = 0x100,
};
constexpr u64 kAttributesOfStat = 0x7ff; // P9_GETATTR_BASIC
constexpr u32 kFileSystemType = 0x01021997;
constexpr u8 kUnlocked = 2;

// open(2)'s flags are x86-64 Linux' in the protocol, which are the host's.
static_assert(O_TRUNC == 01000 && O_APPEND == 02000 && O_EXCL == 0200 && O_SYNC == 04010000);

int io_error(ssize_t done) { return done < 0 ? errno : 0; }

} // namespace

// --- attributes

int P9Server::statfs(P9Reader& in, P9Writer& out) {
    const Fid* const fid = find(in.take32());
    struct ::statfs info;
    if (fid == nullptr) {
        return EBADF;
    }
    if (const int error = folder_->file_system(fid->path, info); error != 0) {
        return error;
    }
    out.put32(kFileSystemType);
    out.put32(static_cast<u32>(info.f_bsize));
    out.put64(info.f_blocks);
    out.put64(info.f_bfree);
    out.put64(info.f_bavail);
    out.put64(info.f_files);
    out.put64(info.f_ffree);
    u64 id;
    static_assert(sizeof id == sizeof info.f_fsid);
    std::memcpy(&id, &info.f_fsid, sizeof id);
    out.put64(id);
    out.put32(NAME_MAX);
    return 0;
}

int P9Server::getattr(P9Reader& in, P9Writer& out) {
    const Fid* const fid = find(in.take32());
    (void)in.take64(); // what is asked for; we say all that we know
    struct stat info;
    if (fid == nullptr) {
        return EBADF;
    }
    if (const int error = status(*fid, info); error != 0) {
        return error;
    }
    out.put64(kAttributesOfStat);
    put_qid_of(info, out);
    out.put32(info.st_mode);
    out.put32(info.st_uid);
    out.put32(info.st_gid);
    out.put64(info.st_nlink);
    out.put64(info.st_rdev);
    out.put64(static_cast<u64>(info.st_size));
    out.put64(static_cast<u64>(info.st_blksize));
    out.put64(static_cast<u64>(info.st_blocks));
    for (const timespec& time : {info.st_atim, info.st_mtim, info.st_ctim, timespec{}}) {
        out.put64(static_cast<u64>(time.tv_sec));
        out.put64(static_cast<u64>(time.tv_nsec));
    }
    out.put64(0); // generation
    out.put64(0); // data version
    return 0;
}

int P9Server::setattr(P9Reader& in, P9Writer&) {
    const Fid* const fid = find(in.take32());
    const u32 valid = in.take32(), mode = in.take32(), uid = in.take32(), gid = in.take32();
    const u64 bytes = in.take64();
    const auto time = [&](u32 set, u32 set_to) {
        const timespec given{static_cast<time_t>(in.take64()), static_cast<long>(in.take64())};
        return (valid & set) == 0      ? timespec{0, UTIME_OMIT}
               : (valid & set_to) == 0 ? timespec{0, UTIME_NOW}
                                       : given;
    };
    const timespec access = time(kSetAtime, kSetAtimeTo);
    const timespec change = time(kSetMtime, kSetMtimeTo);
    if (fid == nullptr || in.ran_out()) {
        return EBADF;
    }
    int error = 0;
    if ((valid & kSetSize) != 0) {
        const bool done = fid->file && ftruncate(fid->file.get(), static_cast<off_t>(bytes)) == 0;
        error = done ? 0 : folder_->set_size(fid->path, bytes); // not open, or not for writing
    }
    if (error == 0 && (valid & (kSetUid | kSetGid)) != 0) {
        error = folder_->set_owner(fid->path, (valid & kSetUid) != 0 ? uid : ~u32{0},
                                   (valid & kSetGid) != 0 ? gid : ~u32{0});
    }
    if (error == 0 && (valid & kSetMode) != 0) {
        error = folder_->set_mode(fid->path, mode);
    }
    if (error == 0 && (valid & (kSetAtime | kSetMtime)) != 0) {
        error = folder_->set_times(fid->path, {access, change});
    }
    return error;
}

// --- files

int P9Server::lopen(P9Reader& in, P9Writer& out) {
    Fid* const fid = find(in.take32());
    const u32 flags = in.take32();
    if (fid == nullptr || fid->file || in.ran_out()) {
        return EBADF;
    }
    if (const int error = folder_->open_file(fid->path, static_cast<int>(flags), fid->file);
        error != 0) {
        return error;
    }
    struct stat info;
    if (const int error = status(*fid, info); error != 0) {
        return error;
    }
    put_qid_of(info, out);
    out.put32(0); // as much at once as a message takes
    return 0;
}

int P9Server::lcreate(P9Reader& in, P9Writer& out) {
    Fid* const fid = find(in.take32());
    const std::string name = in.take_string();
    const u32 flags = in.take32(), mode = in.take32(), gid = in.take32();
    if (fid == nullptr || fid->file || in.ran_out()) {
        return EBADF;
    }
    if (const int error = wrong_name(name); error != 0) {
        return error;
    }
    FileDescriptor file;
    struct stat info;
    int error =
        folder_->create(fid->path, name, static_cast<int>(flags), {mode, fid->uid, gid}, file);
    error = error == 0 ? folder_->status(file.get(), info) : error;
    if (error != 0) {
        return error;
    }
    *fid = Fid{child_of(fid->path, name), fid->uid, std::move(file)};
    put_qid_of(info, out);
    out.put32(0);
    return 0;
}

int P9Server::read(P9Reader& in, P9Writer& out) {
    const Fid* const fid = find_open(in.take32());
    const u64 offset = in.take64();
    const u32 asked = in.take32();
    if (fid == nullptr || in.ran_out()) {
        return EBADF;
    }
    out.put32(0);
    const u64 start = out.size();
    const auto room_for = out.extend(room(4, asked));
    const ssize_t got =
        pread(fid->file.get(), room_for.data(), room_for.size(), static_cast<off_t>(offset));
    if (got < 0) {
        return errno;
    }
    out.shorten(start + static_cast<u64>(got));
    out.set32(start - 4, static_cast<u32>(got));
    return 0;
}

int P9Server::write(P9Reader& in, P9Writer& out) {
    const Fid* const fid = find_open(in.take32());
    const u64 offset = in.take64();
    const auto bytes = in.take_bytes(in.take32());
    if (fid == nullptr || in.ran_out()) {
        return EBADF;
    }
    const ssize_t done =
        pwrite(fid->file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    out.put32(static_cast<u32>(std::max<ssize_t>(done, 0)));
    return io_error(done);
}

// Positions in a folder are the host's, which are valid for as long as it is open. What does not
// fit is read again with the next message, which starts at the last entry's position.
int P9Server::readdir(P9Reader& in, P9Writer& out) {
    const Fid* const fid = find_open(in.take32());
    const u64 offset = in.take64();
    const u32 asked = in.take32();
    if (fid == nullptr || in.ran_out()) {
        return EBADF;
    }
    if (lseek(fid->file.get(), static_cast<off_t>(offset), SEEK_SET) < 0) {
        return errno;
    }
    out.put32(0);
    const u64 start = out.size(), most = room(4, asked);
    alignas(8) std::array<u8, 32768> entries;
    while (true) {
        const long bytes = syscall(SYS_getdents64, fid->file.get(), entries.data(), entries.size());
        if (bytes < 0) {
            return errno;
        }
        bool full = false;
        for (long at = 0; at < bytes && !full;) {
            const auto* entry =
                reinterpret_cast<const dirent64*>(&entries[static_cast<size_t>(at)]);
            const std::string_view name(entry->d_name);
            constexpr u64 kFixed = 13 + 8 + 1 + 2; // qid, offset, type, length of the name
            full = out.size() - start + kFixed + name.size() > most;
            if (!full) {
                put_qid_of(entry->d_type == DT_DIR   ? kQidFolder
                           : entry->d_type == DT_LNK ? kQidSymlink
                                                     : kQidFile,
                           0, entry->d_ino, out);
                out.put64(static_cast<u64>(entry->d_off));
                out.put8(entry->d_type);
                out.put_string(name);
                at += entry->d_reclen;
            }
        }
        if (full || bytes == 0) {
            break;
        }
    }
    out.set32(start - 4, static_cast<u32>(out.size() - start));
    return 0;
}

int P9Server::fsync(P9Reader& in, P9Writer&) {
    const Fid* const fid = find_open(in.take32()); // whether data only is an optional field
    return fid == nullptr ? EBADF : io_error(::fsync(fid->file.get()));
}

// The guest's kernel keeps the locks among its own processes, and there are no other clients.
int P9Server::lock(P9Reader& in, P9Writer& out) {
    out.put8(0); // success
    return find_open(in.take32()) == nullptr ? EBADF : 0;
}

int P9Server::getlock(P9Reader& in, P9Writer& out) {
    const bool is_open = find_open(in.take32()) != nullptr;
    (void)in.take8();
    const u64 start = in.take64(), length = in.take64();
    const u32 process = in.take32();
    const std::string client = in.take_string();
    out.put8(kUnlocked);
    out.put64(start);
    out.put64(length);
    out.put32(process);
    out.put_string(client);
    return is_open ? 0 : EBADF;
}

int P9Server::readlink(P9Reader& in, P9Writer& out) {
    const Fid* const fid = find(in.take32());
    std::string target;
    const int error = fid == nullptr ? EBADF : folder_->read_link(fid->path, target);
    out.put_string(target);
    return error;
}

} // namespace ulna::devices::virtio
