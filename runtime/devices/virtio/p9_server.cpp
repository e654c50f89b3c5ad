#include "runtime/devices/virtio/p9_server.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace ulna::devices::virtio {
namespace {

constexpr u64 kHeaderBytes = 7; // size[4] type[1] tag[2]
constexpr u8 kError = 7;        // Rlerror
constexpr u32 kLeastMessageBytes = 4096;
constexpr size_t kMostFids = 1 << 16;
constexpr size_t kMostWalkNames = 16;

enum QidType : u8 { kQidFolder = 0x80, kQidSymlink = 0x02, kQidFile = 0x00 };

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

std::string child_of(const std::string& folder, const std::string& name) {
    return folder.empty() ? name : folder + "/" + name;
}

// The folder and the name in it of a path that is not the root's.
struct Split {
    std::string folder, name;
};
Split split(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? Split{"", path}
                                      : Split{path.substr(0, slash), path.substr(slash + 1)};
}

// 0, or why the name cannot be one of something in a folder.
int wrong_name(const std::string& name) {
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
        name.find('\0') != std::string::npos) {
        return EINVAL;
    }
    return name.size() > NAME_MAX ? ENAMETOOLONG : 0;
}

bool is_within(const std::string& path, const std::string& top) {
    return path == top || (path.size() > top.size() && path.compare(0, top.size(), top) == 0 &&
                           path[top.size()] == '/');
}

void put_qid_of(u8 type, u32 version, u64 path, P9Writer& out) {
    out.put8(type);
    out.put32(version);
    out.put64(path);
}

void put_qid_of(const struct stat& info, P9Writer& out) {
    const u8 type = S_ISDIR(info.st_mode)   ? kQidFolder
                    : S_ISLNK(info.st_mode) ? kQidSymlink
                                            : kQidFile;
    const u64 version = static_cast<u64>(info.st_mtim.tv_sec) * 1'000'000'000 +
                        static_cast<u64>(info.st_mtim.tv_nsec);
    put_qid_of(type, static_cast<u32>(version ^ (version >> 32)) ^ static_cast<u32>(info.st_size),
               info.st_ino, out);
}

int io_error(ssize_t done) { return done < 0 ? errno : 0; }

} // namespace

// Numbers are of the T-message; the answer's is one more.
struct P9Server::Message {
    u8 type;
    int (P9Server::*serve)(P9Reader&, P9Writer&);
};

const P9Server::Message P9Server::kMessages[] = {
    {8, &P9Server::statfs},    {12, &P9Server::lopen},    {14, &P9Server::lcreate},
    {16, &P9Server::symlink},  {18, &P9Server::mknod},    {20, &P9Server::rename},
    {22, &P9Server::readlink}, {24, &P9Server::getattr},  {26, &P9Server::setattr},
    {40, &P9Server::readdir},  {50, &P9Server::fsync},    {52, &P9Server::lock},
    {54, &P9Server::getlock},  {70, &P9Server::link},     {72, &P9Server::mkdir},
    {74, &P9Server::renameat}, {76, &P9Server::unlinkat}, {100, &P9Server::version},
    {104, &P9Server::attach},  {108, &P9Server::flush},   {110, &P9Server::walk},
    {116, &P9Server::read},    {118, &P9Server::write},   {120, &P9Server::clunk},
    {122, &P9Server::remove},
    // 30 xattrwalk and 32 xattrcreate: attributes of the host's files are not the guest's
    // 102 auth: nobody has to prove who they are
};

std::vector<u8> P9Server::answer(std::span<const u8> message, u64 most_bytes) {
    P9Reader in(message);
    const u32 bytes = in.take32();
    const u8 type = in.take8();
    const u16 tag = in.take16();
    if (in.ran_out() || bytes > message.size() || bytes < kHeaderBytes) {
        return {};
    }
    most_answer_bytes_ = std::min<u64>(most_bytes, message_bytes_);
    const auto header = [&](P9Writer& out, u8 answer_type) {
        out.put32(0); // its length: below
        out.put8(answer_type);
        out.put16(tag);
    };
    P9Writer out;
    header(out, static_cast<u8>(type + 1));
    int error = EOPNOTSUPP;
    for (const Message& known : kMessages) {
        if (known.type == type) {
            P9Reader fields(message.subspan(kHeaderBytes, bytes - kHeaderBytes));
            error = (this->*known.serve)(fields, out);
            error = fields.ran_out() ? EPROTO : error;
        }
    }
    if (error == 0 && out.size() > most_answer_bytes_) {
        error = EMSGSIZE;
    }
    if (error != 0) {
        out = {};
        header(out, kError);
        out.put32(static_cast<u32>(error));
    }
    out.set32(0, static_cast<u32>(out.size()));
    return out.bytes();
}

void P9Server::reset() {
    fids_.clear();
    message_bytes_ = kMostMessageBytes;
}

u64 P9Server::room(u64 fields, u32 asked) const {
    const u64 others = kHeaderBytes + fields;
    return std::min<u64>(asked, most_answer_bytes_ > others ? most_answer_bytes_ - others : 0);
}

// --- fids

P9Server::Fid* P9Server::find(u32 fid) {
    const auto at = fids_.find(fid);
    return at == fids_.end() ? nullptr : &at->second;
}

P9Server::Fid* P9Server::find_open(u32 fid) {
    Fid* const found = find(fid);
    return found != nullptr && found->file ? found : nullptr;
}

int P9Server::add(u32 fid, std::string path, u32 uid) {
    if (fids_.size() >= kMostFids) {
        return EMFILE;
    }
    return fids_.try_emplace(fid, Fid{std::move(path), uid, {}}).second ? 0 : EBADF;
}

// An open file is asked itself: its name may be gone.
int P9Server::status(const Fid& fid, struct stat& info) const {
    return fid.file ? folder_->status(fid.file.get(), info) : folder_->status(fid.path, info);
}

int P9Server::put_qid(const std::string& path, P9Writer& out) const {
    struct stat info;
    const int error = folder_->status(path, info);
    if (error == 0) {
        put_qid_of(info, out);
    }
    return error;
}

// --- sessions

int P9Server::version(P9Reader& in, P9Writer& out) {
    const u32 asked = in.take32();
    const std::string name = in.take_string();
    if (in.ran_out() || asked < kLeastMessageBytes) {
        return EMSGSIZE;
    }
    reset();
    message_bytes_ = std::min(asked, kMostMessageBytes);
    out.put32(message_bytes_);
    out.put_string(name == "9P2000.L" ? name : "unknown");
    return 0;
}

int P9Server::attach(P9Reader& in, P9Writer& out) {
    const u32 fid = in.take32();
    (void)in.take32(); // of an authentication, of which there is none
    (void)in.take_string();
    (void)in.take_string();
    const u32 uid = in.take32();
    if (in.ran_out()) {
        return EPROTO;
    }
    const int error = add(fid, "", uid == ~u32{0} ? 0 : uid);
    return error != 0 ? error : put_qid("", out);
}

int P9Server::flush(P9Reader& in, P9Writer&) {
    (void)in.take16();
    return 0;
}

int P9Server::walk(P9Reader& in, P9Writer& out) {
    const u32 from = in.take32(), to = in.take32();
    const u16 names = in.take16();
    Fid* const start = find(from);
    if (start == nullptr || names > kMostWalkNames || (to != from && find(to) != nullptr)) {
        return start == nullptr ? EBADF : EINVAL;
    }
    std::string path = start->path;
    P9Writer qids;
    u16 walked = 0;
    int error = 0;
    for (; walked < names; ++walked) {
        const std::string name = in.take_string();
        std::string next =
            name == ".." ? (path.empty() ? path : split(path).folder) : child_of(path, name);
        error = name == ".." ? 0 : wrong_name(name);
        error = error == 0 ? put_qid(next, qids) : error;
        if (error != 0) {
            break;
        }
        path = std::move(next);
    }
    if (in.ran_out() || (error != 0 && walked == 0)) {
        return error != 0 ? error : EPROTO;
    }
    if (walked == names) { // else the client sees how far it got, and has no new fid
        if (to == from) {
            *start = Fid{std::move(path), start->uid, {}};
        } else if (const int full = add(to, std::move(path), start->uid); full != 0) {
            return full;
        }
    }
    out.put16(walked);
    const auto bytes = out.extend(qids.size());
    std::copy(qids.bytes().begin(), qids.bytes().end(), bytes.begin());
    return 0;
}

int P9Server::clunk(P9Reader& in, P9Writer&) { return fids_.erase(in.take32()) != 0 ? 0 : EBADF; }

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

// --- folders

int P9Server::symlink(P9Reader& in, P9Writer& out) {
    const Fid* const fid = find(in.take32());
    const std::string name = in.take_string(), target = in.take_string();
    const u32 gid = in.take32();
    if (fid == nullptr || in.ran_out() || target.empty() ||
        target.find('\0') != std::string::npos) {
        return fid == nullptr ? EBADF : EINVAL;
    }
    int error = wrong_name(name);
    error =
        error == 0 ? folder_->make_symlink(fid->path, name, target, {0777, fid->uid, gid}) : error;
    return error == 0 ? put_qid(child_of(fid->path, name), out) : error;
}

int P9Server::mknod(P9Reader& in, P9Writer& out) {
    const Fid* const fid = find(in.take32());
    const std::string name = in.take_string();
    const u32 mode = in.take32(), major = in.take32(), minor = in.take32(), gid = in.take32();
    if (fid == nullptr || in.ran_out()) {
        return EBADF;
    }
    int error = wrong_name(name);
    error = error == 0
                ? folder_->make_node(fid->path, name, {mode, fid->uid, gid}, makedev(major, minor))
                : error;
    return error == 0 ? put_qid(child_of(fid->path, name), out) : error;
}

int P9Server::mkdir(P9Reader& in, P9Writer& out) {
    const Fid* const fid = find(in.take32());
    const std::string name = in.take_string();
    const u32 mode = in.take32(), gid = in.take32();
    if (fid == nullptr || in.ran_out()) {
        return EBADF;
    }
    int error = wrong_name(name);
    error = error == 0 ? folder_->make_folder(fid->path, name, {mode, fid->uid, gid}) : error;
    return error == 0 ? put_qid(child_of(fid->path, name), out) : error;
}

int P9Server::link(P9Reader& in, P9Writer&) {
    const Fid* const folder = find(in.take32());
    const Fid* const from = find(in.take32());
    const std::string name = in.take_string();
    if (folder == nullptr || from == nullptr || in.ran_out()) {
        return EBADF;
    }
    const int error = wrong_name(name);
    return error != 0 ? error : folder_->make_link(from->path, folder->path, name);
}

int P9Server::move(const std::string& from, const Fid& folder, const std::string& name) {
    if (const int error = wrong_name(name); error != 0) {
        return error;
    }
    if (from.empty()) {
        return EBUSY; // the root
    }
    const auto [from_folder, from_name] = split(from);
    if (const int error = folder_->rename(from_folder, from_name, folder.path, name); error != 0) {
        return error;
    }
    const std::string old = from, moved = child_of(folder.path, name); // copies: they change below
    for (auto& [number, fid] : fids_) {
        if (is_within(fid.path, old)) {
            fid.path = moved + fid.path.substr(old.size());
        }
    }
    return 0;
}

int P9Server::rename(P9Reader& in, P9Writer&) {
    const Fid* const fid = find(in.take32());
    const Fid* const folder = find(in.take32());
    const std::string name = in.take_string();
    return fid == nullptr || folder == nullptr || in.ran_out() ? EBADF
                                                               : move(fid->path, *folder, name);
}

int P9Server::renameat(P9Reader& in, P9Writer&) {
    const Fid* const from = find(in.take32());
    const std::string from_name = in.take_string();
    const Fid* const to = find(in.take32());
    const std::string to_name = in.take_string();
    if (from == nullptr || to == nullptr || in.ran_out()) {
        return EBADF;
    }
    const int error = wrong_name(from_name);
    return error != 0 ? error : move(child_of(from->path, from_name), *to, to_name);
}

int P9Server::unlinkat(P9Reader& in, P9Writer&) {
    const Fid* const folder = find(in.take32());
    const std::string name = in.take_string();
    const u32 flags = in.take32();
    if (folder == nullptr || in.ran_out()) {
        return EBADF;
    }
    const int error = wrong_name(name);
    return error != 0 ? error : folder_->remove(folder->path, name, (flags & AT_REMOVEDIR) != 0);
}

// The fid is gone whether or not the file could be removed.
int P9Server::remove(P9Reader& in, P9Writer&) {
    const u32 number = in.take32();
    const Fid* const fid = find(number);
    if (fid == nullptr) {
        return EBADF;
    }
    int error = EBUSY;
    if (!fid->path.empty()) {
        const auto [folder, name] = split(fid->path);
        error = folder_->remove(folder, name, false);
        error = error == EISDIR ? folder_->remove(folder, name, true) : error;
    }
    fids_.erase(number);
    return error;
}

} // namespace ulna::devices::virtio
