#include "runtime/debug/gdb_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "ir/support/check.h"
#include "runtime/debug/gdb_packet.h"
#include "runtime/debug/gdb_protocol.h"

namespace ulna::runtime::debug {

GdbServer::GdbServer(GdbTarget& target, GdbListener listener, int lowest_fd)
    : target_{target},
      lowest_fd_{lowest_fd},
      listener_{renumbered(std::move(listener.socket), lowest_fd)},
      path_{std::move(listener.path)},
      quit_{renumbered(FileDescriptor{eventfd(0, EFD_CLOEXEC)}, lowest_fd)} {
    CHECK(quit_);
}

void GdbServer::abandon() {
    listener_ = FileDescriptor{};
    quit_ = FileDescriptor{};
    client_ = FileDescriptor{};
}

void GdbServer::start() {
    thread_ = std::thread{[this] { run(); }};
}

GdbServer::~GdbServer() {
    const u64 one = 1;
    CHECK(::write(quit_.get(), &one, sizeof one) == sizeof one);
    if (thread_.joinable()) {
        thread_.join();
    }
    if (!path_.empty()) {
        static_cast<void>(unlink(path_.c_str()));
    }
}

unsigned GdbServer::port() const {
    sockaddr_storage address{};
    socklen_t bytes = sizeof address;
    if (getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &bytes) != 0) {
        return 0;
    }
    return address.ss_family == AF_INET ? ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port)
           : address.ss_family == AF_INET6
               ? ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port)
               : 0;
}

namespace {

bool is_readable(const pollfd& fd) { return (fd.revents & (POLLIN | POLLHUP | POLLERR)) != 0; }

// False: interrupted, or nothing to wait for.
bool wait_for(std::span<pollfd> fds) {
    return poll(fds.data(), fds.size(), -1) > 0 || errno == EINTR;
}

// One debugger, from its first byte to its last.
class Conversation {
  public:
    Conversation(GdbTarget& target, int fd) : target_{target}, session_{target}, fd_{fd} {}

    // False: it is over.
    [[nodiscard]] bool read() {
        u8 bytes[4096];
        const ssize_t count = recv(fd_, bytes, sizeof bytes, 0);
        if (count <= 0) {
            return count < 0 && errno == EINTR;
        }
        for (ssize_t i = 0; i < count && !over_; ++i) {
            take(bytes[i]);
        }
        return !over_;
    }
    void stopped() {
        if (const auto stop = running_ ? target_.take_stop() : std::nullopt) {
            running_ = false;
            send_packet(session_.describe(*stop));
        }
    }
    void ended(const GdbStop& how) {
        if (!over_) {
            send_packet(session_.describe(how));
        }
    }
    [[nodiscard]] bool running() const { return running_; }
    [[nodiscard]] bool left() const { return left_; } // as it should: detached, or killed

  private:
    void take(u8 byte) {
        using Event = GdbPacketReader::Event;
        switch (reader_.take(byte)) {
        case Event::Packet:
            acknowledge('+');
            if (!running_) {
                handle(reader_.packet());
            }
            break;
        case Event::Damaged:
            acknowledge('-');
            break;
        case Event::Refused:
            send_bytes(last_);
            break;
        case Event::Interrupt:
            if (running_) {
                target_.interrupt();
            }
            break;
        case Event::Acknowledged:
        case Event::None:
            break;
        }
    }
    void handle(const std::string& packet) {
        std::string answer;
        switch (session_.handle(packet, answer)) {
        case GdbSession::Next::Answer:
            send_packet(answer);
            break;
        case GdbSession::Next::Run:
            running_ = true;
            break;
        case GdbSession::Next::Leave:
            send_packet(answer);
            over_ = left_ = true;
            break;
        case GdbSession::Next::Kill:
            send_packet(answer);
            over_ = left_ = true;
            target_.kill();
            break;
        }
    }
    void acknowledge(char c) {
        if (session_.acknowledges()) {
            send_bytes({&c, 1});
        }
    }
    void send_packet(std::string_view data) {
        last_ = gdb_packet(data);
        send_bytes(last_);
    }
    void send_bytes(std::string_view bytes) {
        while (!bytes.empty() && !over_) {
            const ssize_t count = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count > 0) {
                bytes.remove_prefix(static_cast<std::size_t>(count));
            } else if (errno != EINTR) {
                over_ = true;
            }
        }
    }

    GdbTarget& target_;
    GdbSession session_;
    const int fd_;
    GdbPacketReader reader_;
    std::string last_; // packet that we sent
    bool running_ = false, over_ = false, left_ = false;
};

} // namespace

void GdbServer::run() {
    // Signals are for the threads that know what they do with them.
    sigset_t all;
    sigfillset(&all);
    static_cast<void>(pthread_sigmask(SIG_BLOCK, &all, nullptr));
    pollfd fds[] = {{quit_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    while (wait_for(fds) && !is_readable(fds[0])) {
        client_ = renumbered(
            FileDescriptor{accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)}, lowest_fd_);
        if (client_) {
            const int on = 1; // answers are small, and waited for
            static_cast<void>(setsockopt(client_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
            serve(client_.get());
            client_ = FileDescriptor{};
        }
    }
}

void GdbServer::serve(int client) {
    target_.attach();
    Conversation conversation{target_, client};
    pollfd fds[] = {{quit_.get(), POLLIN, 0}, {client, POLLIN, 0}, {target_.stop_fd(), POLLIN, 0}};
    while (wait_for(fds)) {
        if (is_readable(fds[0])) {
            const int signal = killed_by_.load();
            return conversation.ended(
                signal != 0
                    ? GdbStop{.kind = GdbStop::Kind::Killed, .signal = signal}
                    : GdbStop{.kind = GdbStop::Kind::Exited, .signal = exit_status_.load()});
        }
        if (is_readable(fds[1]) && !conversation.read()) {
            break;
        }
        if (is_readable(fds[2])) {
            conversation.stopped();
        }
        fds[2].events = conversation.running() ? POLLIN : 0;
    }
    if (!conversation.left()) { // a debugger that dies leaves nothing behind
        target_.detach();
    }
}

} // namespace ulna::runtime::debug
