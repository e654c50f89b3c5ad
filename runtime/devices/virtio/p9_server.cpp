#include "runtime/devices/virtio/p9_server.h"

#include <algorithm>

#include "runtime/devices/virtio/p9_names.h"
#include "runtime/devices/virtio/p9_qid.h"

namespace ulna::devices::virtio {
namespace {

constexpr u64 kHeaderBytes = 7; // size[4] type[1] tag[2]
constexpr u8 kError = 7;        // Rlerror
constexpr u32 kLeastMessageBytes = 4096;
constexpr size_t kMostFids = 1 << 16;
constexpr size_t kMostWalkNames = 16;

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

} // namespace ulna::devices::virtio
