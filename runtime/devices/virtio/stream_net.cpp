// A network on a stream socket: each frame goes behind its length, four bytes, big-endian. What is
// sent while nobody is connected, or by a guest that is faster than the other side, is lost.
#include <endian.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "runtime/devices/virtio/net_options.h"
#include "runtime/host_socket.h"

namespace ulna::devices::virtio {
namespace {

using runtime::FileDescriptor;

constexpr u64 kNsPerMs = 1'000'000;
constexpr u64 kLengthBytes = 4;
constexpr u64 kMostFrameBytes = 65536 + 4096; // what peers take
constexpr u64 kMostWaitingBytes = 1 << 20;

class StreamNet final : public NetBackend {
  public:
    StreamNet(EventLoop& loop, const StreamNetOptions& options) : loop_(loop), options_(options) {}
    ~StreamNet() override;

    [[nodiscard]] bool start(std::string& why_not);
    void connect(FrameReceiver* receiver) override { receiver_ = receiver; }
    void send(std::span<const u8> frame) override;

  private:
    [[nodiscard]] FileDescriptor open(std::string& why_not) const;
    [[nodiscard]] std::string name() const;
    void attach(FileDescriptor connection);
    void detach();
    void try_again();
    void serve(u32 events);
    void read_input();
    [[nodiscard]] bool deliver_all();
    void write_output();

    EventLoop& loop_;
    const StreamNetOptions options_;
    FrameReceiver* receiver_ = nullptr;
    FileDescriptor listening_, connection_;
    std::unique_ptr<EventLoop::Timer> retry_;
    std::vector<u8> input_, output_; // what is not whole, and what was not taken yet
};

StreamNet::~StreamNet() {
    if (connection_) {
        loop_.remove_fd(connection_.get());
    }
    if (listening_) {
        loop_.remove_fd(listening_.get());
        if (options_.place.is_unix()) {
            unlink(options_.place.unix_path.c_str());
        }
    }
}

FileDescriptor StreamNet::open(std::string& why_not) const {
    constexpr int kBacklog = 1;
    const SocketPlace& place = options_.place;
    if (options_.fd >= 0) {
        const bool is_open = fcntl(options_.fd, F_GETFD) >= 0;
        why_not = is_open ? "" : std::strerror(errno);
        return FileDescriptor{is_open ? options_.fd : -1};
    }
    if (place.is_unix()) {
        return options_.server ? runtime::listen_unix(place.unix_path, kBacklog, why_not)
                               : runtime::connect_unix(place.unix_path, why_not);
    }
    return options_.server ? runtime::listen_tcp(place.host, place.port, kBacklog, why_not)
                           : runtime::connect_tcp(place.host, place.port, why_not);
}

std::string StreamNet::name() const {
    const SocketPlace& place = options_.place;
    return options_.fd >= 0  ? "descriptor " + std::to_string(options_.fd)
           : place.is_unix() ? place.unix_path
                             : place.host + ":" + place.port;
}

bool StreamNet::start(std::string& why_not) {
    if (options_.reconnect_ms != 0) {
        retry_ = loop_.add_timer([this] { try_again(); }, EventLoop::Time::Host);
        try_again();
        return true;
    }
    std::string reason;
    FileDescriptor fd = open(reason);
    if (!fd) {
        why_not = std::string("network: cannot ") +
                  (options_.server ? "listen at " : "connect to ") + name() + ": " + reason;
        return false;
    }
    if (!options_.server) {
        attach(std::move(fd));
        return true;
    }
    listening_ = std::move(fd);
    loop_.add_fd(listening_.get(), EPOLLIN, [this](u32) {
        FileDescriptor next(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (next) {
            attach(std::move(next));
        }
    });
    return true;
}

void StreamNet::try_again() {
    std::string reason;
    if (FileDescriptor fd = open(reason)) {
        attach(std::move(fd));
    } else {
        retry_->set(monotonic_ns() + options_.reconnect_ms * kNsPerMs);
    }
}

// The next one waits until this one has gone.
void StreamNet::attach(FileDescriptor connection) {
    const int on = 1;
    setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // of others: an error
    connection_ = std::move(connection);
    loop_.add_fd(connection_.get(), EPOLLIN, [this](u32 events) { serve(events); });
    if (listening_) {
        loop_.change_fd(listening_.get(), 0);
    }
}

void StreamNet::detach() {
    loop_.remove_fd(connection_.get());
    connection_ = {};
    input_.clear();
    output_.clear();
    if (listening_) {
        loop_.change_fd(listening_.get(), EPOLLIN);
    }
    if (retry_ != nullptr) {
        retry_->set(monotonic_ns() + options_.reconnect_ms * kNsPerMs);
    }
}

void StreamNet::send(std::span<const u8> frame) {
    if (!connection_ || output_.size() > kMostWaitingBytes) {
        return;
    }
    const u32 length = htobe32(static_cast<u32>(frame.size()));
    const auto* const first = reinterpret_cast<const u8*>(&length);
    const bool is_first = output_.empty();
    output_.insert(output_.end(), first, first + kLengthBytes);
    output_.insert(output_.end(), frame.begin(), frame.end());
    if (is_first) {
        write_output();
    }
}

void StreamNet::write_output() {
    const ssize_t count =
        ::send(connection_.get(), output_.data(), output_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) {
        return detach();
    }
    output_.erase(output_.begin(), output_.begin() + std::max<ssize_t>(count, 0));
    loop_.change_fd(connection_.get(), u32{EPOLLIN} | (output_.empty() ? 0 : u32{EPOLLOUT}));
}

void StreamNet::serve(u32 events) {
    if ((events & EPOLLOUT) != 0) {
        write_output();
    }
    if (connection_ && (events & ~u32{EPOLLOUT}) != 0) {
        read_input();
    }
}

void StreamNet::read_input() {
    std::array<u8, 65536> bytes;
    const ssize_t count = recv(connection_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        return detach();
    }
    input_.insert(input_.end(), bytes.begin(), bytes.begin() + count);
    if (!deliver_all()) {
        detach();
    }
}

// False where a length cannot be right.
bool StreamNet::deliver_all() {
    std::span<const u8> rest{input_};
    while (rest.size() >= kLengthBytes) {
        u32 length = 0;
        std::memcpy(&length, rest.data(), sizeof length);
        length = be32toh(length);
        if (length > kMostFrameBytes) {
            return false;
        }
        if (rest.size() - kLengthBytes < length) {
            break;
        }
        if (receiver_ != nullptr && length != 0) {
            receiver_->receive(rest.subspan(kLengthBytes, length));
        }
        rest = rest.subspan(kLengthBytes + length);
    }
    input_.erase(input_.begin(), input_.end() - static_cast<std::ptrdiff_t>(rest.size()));
    return true;
}

} // namespace

std::unique_ptr<NetBackend>
open_stream_net(EventLoop& loop, const StreamNetOptions& options, std::string& why_not) {
    auto net = std::make_unique<StreamNet>(loop, options);
    return net->start(why_not) ? std::move(net) : nullptr;
}

} // namespace ulna::devices::virtio
