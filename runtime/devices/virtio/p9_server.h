// A 9P2000.L server (the protocol of Linux' v9fs over Plan 9's version 9P2000) for one client and
// one shared folder. A message in, a message out, in order; so there is never anything to flush.
#pragma once

#include <map>
#include <span>

#include "runtime/devices/virtio/p9_wire.h"
#include "runtime/devices/virtio/shared_folder.h"

namespace ulna::devices::virtio {

class P9Server {
  public:
    static constexpr u32 kMostMessageBytes = 512 << 10;

    explicit P9Server(std::unique_ptr<SharedFolder> folder) : folder_(std::move(folder)) {}

    // The answer to a message, at most `most_bytes` long, which is at least kLeastAnswerBytes.
    // Empty for what is no message at all.
    static constexpr u32 kLeastAnswerBytes = 11; // an error
    [[nodiscard]] std::vector<u8> answer(std::span<const u8> message, u64 most_bytes);
    void reset(); // the client forgets everything
    [[nodiscard]] bool is_in_use() const { return !fids_.empty(); }

  private:
    // What a client's number stands for. `path` follows renames by this client.
    struct Fid {
        std::string path;
        u32 uid;                      // of the guest's user who attached
        runtime::FileDescriptor file; // once opened
    };
    struct Message;
    static const Message kMessages[];

    // Each takes the message's fields and puts the answer's, or returns an errno.
    // --- p9_server.cpp
    int version(P9Reader& in, P9Writer& out);
    int attach(P9Reader& in, P9Writer& out);
    int flush(P9Reader& in, P9Writer& out);
    int walk(P9Reader& in, P9Writer& out);
    int clunk(P9Reader& in, P9Writer& out);
    // --- p9_files.cpp
    int statfs(P9Reader& in, P9Writer& out);
    int getattr(P9Reader& in, P9Writer& out);
    int setattr(P9Reader& in, P9Writer& out);
    int lopen(P9Reader& in, P9Writer& out);
    int lcreate(P9Reader& in, P9Writer& out);
    int read(P9Reader& in, P9Writer& out);
    int write(P9Reader& in, P9Writer& out);
    int readdir(P9Reader& in, P9Writer& out);
    int fsync(P9Reader& in, P9Writer& out);
    int lock(P9Reader& in, P9Writer& out);
    int getlock(P9Reader& in, P9Writer& out);
    int readlink(P9Reader& in, P9Writer& out);
    // --- p9_folders.cpp
    int symlink(P9Reader& in, P9Writer& out);
    int mknod(P9Reader& in, P9Writer& out);
    int mkdir(P9Reader& in, P9Writer& out);
    int link(P9Reader& in, P9Writer& out);
    int rename(P9Reader& in, P9Writer& out);
    int renameat(P9Reader& in, P9Writer& out);
    int unlinkat(P9Reader& in, P9Writer& out);
    int remove(P9Reader& in, P9Writer& out);

    [[nodiscard]] Fid* find(u32 fid);
    [[nodiscard]] Fid* find_open(u32 fid);
    [[nodiscard]] int add(u32 fid, std::string path, u32 uid);
    [[nodiscard]] int status(const Fid& fid, struct stat& info) const;
    int put_qid(const std::string& path, P9Writer& out) const;
    template <class How>
    int make(const Fid& folder, const std::string& name, P9Writer& out, How how);
    int move(const std::string& from, const Fid& folder, const std::string& name);
    // How much data an answer may have that has `fields` bytes besides.
    [[nodiscard]] u64 room(u64 fields, u32 asked) const;

    std::unique_ptr<SharedFolder> folder_;
    std::map<u32, Fid> fids_;
    u32 message_bytes_ = kMostMessageBytes; // agreed on by version
    u64 most_answer_bytes_ = 0;             // of the current message
};

} // namespace ulna::devices::virtio
