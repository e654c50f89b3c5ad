// The messages of vhost-user (QEMU's docs/interop/vhost-user.rst), from the front end's side: one
// at a time, each answered before the next if it has an answer at all.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ir/support/types.h"
#include "runtime/file_descriptor.h"

namespace ulna::devices::virtio {

enum class VhostRequest : u32 {
    GetFeatures = 1,
    SetFeatures = 2,
    SetOwner = 3,
    SetMemTable = 5,
    SetVringNum = 8,
    SetVringAddr = 9,
    SetVringBase = 10,
    GetVringBase = 11,
    SetVringKick = 12,
    SetVringCall = 13,
    GetProtocolFeatures = 15,
    SetProtocolFeatures = 16,
    SetVringEnable = 18,
    GetConfig = 24,
    SetConfig = 25,
};

class VhostUserLink {
  public:
    // Errors end the link: then it is lost, and calls fail.
    [[nodiscard]] bool connect(const std::string& path, std::string& why_not);
    [[nodiscard]] bool is_lost() const { return is_lost_; }
    // Stays open when the link is lost, because an event loop may still watch it.
    [[nodiscard]] int socket() const { return socket_.get(); }
    void lose();

    bool send(VhostRequest request, std::span<const u8> body, const std::vector<int>& fds = {});
    // Sends, and takes an answer that is as long as `answer`.
    bool ask(VhostRequest request, std::span<const u8> body, std::span<u8> answer);
    // The other side has ended, or says what it was not asked. Called when there is nothing to
    // come.
    [[nodiscard]] bool has_ended() const;

    template <class T>
    bool send_struct(VhostRequest request, const T& body, const std::vector<int>& fds = {}) {
        return send(request, {reinterpret_cast<const u8*>(&body), sizeof body}, fds);
    }
    bool ask_number(VhostRequest request, u64& answer) {
        return ask(request, {}, {reinterpret_cast<u8*>(&answer), sizeof answer});
    }

  private:
    bool receive_all(std::span<u8> bytes);

    runtime::FileDescriptor socket_;
    bool is_lost_ = true; // until it is connected
};

} // namespace ulna::devices::virtio
