// Messages that make, move and remove names in folders.
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "runtime/devices/virtio/p9_names.h"
#include "runtime/devices/virtio/p9_server.h"

namespace ulna::devices::virtio {

// `how` makes it, or returns an errno.
template <class How>
int P9Server::make(const Fid& folder, const std::string& name, P9Writer& out, How how) {
    int error = wrong_name(name);
    error = error == 0 ? how() : error;
    return error == 0 ? put_qid(child_of(folder.path, name), out) : error;
}

int P9Server::symlink(P9Reader& in, P9Writer& out) {
    const Fid* const fid = find(in.take32());
    const std::string name = in.take_string(), target = in.take_string();
    const u32 gid = in.take32();
    if (fid == nullptr || in.ran_out() || target.empty() ||
        target.find('\0') != std::string::npos) {
        return fid == nullptr ? EBADF : EINVAL;
    }
    return make(*fid, name, out, [&] {
        return folder_->make_symlink(fid->path, name, target, {0777, fid->uid, gid});
    });
}

int P9Server::mknod(P9Reader& in, P9Writer& out) {
    const Fid* const fid = find(in.take32());
    const std::string name = in.take_string();
    const u32 mode = in.take32(), major = in.take32(), minor = in.take32(), gid = in.take32();
    if (fid == nullptr || in.ran_out()) {
        return EBADF;
    }
    return make(*fid, name, out, [&] {
        return folder_->make_node(fid->path, name, {mode, fid->uid, gid}, makedev(major, minor));
    });
}

int P9Server::mkdir(P9Reader& in, P9Writer& out) {
    const Fid* const fid = find(in.take32());
    const std::string name = in.take_string();
    const u32 mode = in.take32(), gid = in.take32();
    if (fid == nullptr || in.ran_out()) {
        return EBADF;
    }
    return make(*fid, name, out, [&] {
        return folder_->make_folder(fid->path, name, {mode, fid->uid, gid});
    });
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
