#include "runtime/devices/virtio/packet_net.h"

#include <sys/epoll.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

namespace ulna::devices::virtio {

PacketNet::PacketNet(EventLoop& loop, runtime::FileDescriptor fd, Options options)
    : loop_(loop), fd_(std::move(fd)), options_(std::move(options)) {
    loop_.add_fd(fd_.get(), EPOLLIN, [this](u32) { read_all(); });
}

PacketNet::~PacketNet() {
    loop_.remove_fd(fd_.get());
    if (!options_.unix_path.empty()) {
        unlink(options_.unix_path.c_str());
    }
}

void PacketNet::send(std::span<const u8> frame) {
    static constexpr std::array<u8, 64> kHeader{};
    iovec pieces[] = {{const_cast<u8*>(kHeader.data()), options_.header_bytes},
                      {const_cast<u8*>(frame.data()), frame.size()}};
    msghdr message{.msg_iov = pieces, .msg_iovlen = std::size(pieces)};
    if (options_.to) {
        message.msg_name = const_cast<sockaddr_storage*>(&*options_.to);
        message.msg_namelen = options_.to_bytes;
        (void)sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
        (void)!writev(fd_.get(), pieces, std::size(pieces));
    }
}

// A few, so that others have their turn.
void PacketNet::read_all() {
    constexpr unsigned kMostAtOnce = 64;
    std::array<u8, 65536 + 4096> frame;
    for (unsigned n = 0; n < kMostAtOnce; ++n) {
        const ssize_t count = read(fd_.get(), frame.data(), frame.size());
        if (count < 0) {
            // Such as what the other side answers that is not there yet; but not an interface's
            // end.
            const bool goes_on = errno == EAGAIN || errno == EINTR || errno == ECONNREFUSED;
            return goes_on ? void() : loop_.change_fd(fd_.get(), 0);
        }
        if (receiver_ != nullptr && static_cast<u64>(count) > options_.header_bytes) {
            receiver_->receive(std::span{frame}
                                   .first(static_cast<std::size_t>(count))
                                   .subspan(options_.header_bytes));
        }
    }
}

} // namespace ulna::devices::virtio
