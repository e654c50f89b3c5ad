#include "runtime/devices/virtio/vhost_user_link.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "runtime/host_socket.h"

namespace ulna::devices::virtio {

using runtime::FileDescriptor;

namespace {

struct Header {
    u32 request, flags, body_bytes;
};
constexpr u32 kVersion = 1;
constexpr u32 kReply = 4;
constexpr size_t kMostFds = 8;
// The machine stands still while it waits for an answer.
constexpr timeval kPatience{5, 0};

} // namespace

bool VhostUserLink::connect(const std::string& path, std::string& why_not) {
    socket_ = runtime::connect_unix(path, why_not);
    if (!socket_) {
        return false;
    }
    for (const int direction : {SO_RCVTIMEO, SO_SNDTIMEO}) {
        setsockopt(socket_.get(), SOL_SOCKET, direction, &kPatience, sizeof kPatience);
    }
    is_lost_ = false;
    return true;
}

void VhostUserLink::lose() {
    is_lost_ = true;
    shutdown(socket_.get(), SHUT_RDWR);
}

bool VhostUserLink::send(VhostRequest request,
                         std::span<const u8> body,
                         const std::vector<int>& fds) {
    if (is_lost() || fds.size() > kMostFds) {
        return false;
    }
    Header header{static_cast<u32>(request), kVersion, static_cast<u32>(body.size())};
    iovec pieces[2] = {{&header, sizeof header}, {const_cast<u8*>(body.data()), body.size()}};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = 2;
    if (!fds.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
        cmsghdr* const passed = CMSG_FIRSTHDR(&message);
        passed->cmsg_level = SOL_SOCKET;
        passed->cmsg_type = SCM_RIGHTS;
        passed->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
        std::memcpy(CMSG_DATA(passed), fds.data(), fds.size() * sizeof(int));
    }
    // Messages are far smaller than a socket's buffer: a part of one means that nobody reads.
    const ssize_t sent = sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(sizeof header + body.size())) {
        lose();
    }
    return !is_lost();
}

bool VhostUserLink::ask(VhostRequest request, std::span<const u8> body, std::span<u8> answer) {
    Header header{};
    if (!send(request, body) || !receive_all({reinterpret_cast<u8*>(&header), sizeof header})) {
        return false;
    }
    if (header.request != static_cast<u32>(request) || (header.flags & kReply) == 0 ||
        header.body_bytes != answer.size()) {
        lose();
        return false;
    }
    return receive_all(answer);
}

bool VhostUserLink::receive_all(std::span<u8> bytes) {
    while (!bytes.empty()) {
        const ssize_t got = recv(socket_.get(), bytes.data(), bytes.size(), 0);
        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            lose();
            return false;
        }
        bytes = bytes.subspan(static_cast<size_t>(got < 0 ? 0 : got));
    }
    return true;
}

bool VhostUserLink::has_ended() const {
    u8 byte;
    const ssize_t got = recv(socket_.get(), &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
    return got >= 0 || (errno != EAGAIN && errno != EINTR);
}

} // namespace ulna::devices::virtio
