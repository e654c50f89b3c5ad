#include "runtime/devices/socket_backend.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "runtime/host_socket.h"
#include "runtime/option_values.h"

namespace ulna::devices {

namespace {

struct SocketOptions {
    std::optional<u64> fd;  // of a socket that is open already
    std::string unix_path;  // empty: TCP
    std::string host, port; // host empty: any, or this one
    bool server = false, wait = true;
};

// One of ",server", ",server=on", ",nowait", ",wait=off".
bool parse_option(std::string_view text, SocketOptions& options) {
    if (text == "server" || text == "wait") {
        (text == "server" ? options.server : options.wait) = true;
        return true;
    }
    if (text == "nowait") {
        options.wait = false;
        return true;
    }
    const auto equals = text.find('=');
    const auto name = text.substr(0, equals);
    const auto value =
        equals == text.npos ? std::nullopt : runtime::parse_switch(text.substr(equals + 1));
    if (!value || (name != "server" && name != "wait")) {
        return false;
    }
    (name == "server" ? options.server : options.wait) = *value;
    return true;
}

std::optional<SocketOptions> parse(std::string_view words, std::string& why_not) {
    SocketOptions options;
    const bool is_unix = words.starts_with("unix:");
    std::string_view rest = words.substr(words.find(':') + 1);
    const std::string_view address = rest.substr(0, rest.find(','));
    while (rest.find(',') != rest.npos) {
        rest = rest.substr(rest.find(',') + 1);
        const auto option = rest.substr(0, rest.find(','));
        if (!parse_option(option, options)) {
            why_not = "unknown option '" + std::string(option) + "' in '" + std::string(words) +
                      "': there are server=on|off and wait=on|off";
            return std::nullopt;
        }
    }
    const auto colon = address.rfind(':');
    if (words.starts_with("fd:")) {
        options.fd = runtime::parse_number(address);
        if (options.fd && *options.fd < INT32_MAX) {
            return options;
        }
    }
    if (is_unix) {
        options.unix_path = address;
    } else if (colon != address.npos) {
        options.host = address.substr(0, colon);
        options.port = address.substr(colon + 1);
    }
    if (is_unix ? address.empty() : options.port.empty()) {
        why_not = "'" + std::string(words) + "' names no socket: unix:PATH or tcp:HOST:PORT";
        return std::nullopt;
    }
    return options;
}

// A socket that whoever started us has made; it is ours now.
runtime::FileDescriptor adopt(int fd, bool listens, std::string& why_not) {
    int is_listening = 0;
    socklen_t size = sizeof is_listening;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) != 0) {
        why_not = "no socket that is open";
        return {};
    }
    if ((is_listening != 0) != listens) {
        why_not = listens ? "it does not listen" : "it listens, as with server=on";
        return {};
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return runtime::FileDescriptor(fd);
}

runtime::FileDescriptor open(const SocketOptions& options, std::string& why_not) {
    constexpr int kBacklog = 1;
    if (options.fd) {
        return adopt(static_cast<int>(*options.fd), options.server, why_not);
    }
    if (!options.unix_path.empty()) {
        return options.server ? runtime::listen_unix(options.unix_path, kBacklog, why_not)
                              : runtime::connect_unix(options.unix_path, why_not);
    }
    return options.server ? runtime::listen_tcp(options.host, options.port, kBacklog, why_not)
                          : runtime::connect_tcp(options.host, options.port, why_not);
}

// As recv(). Descriptors that come with the bytes go to the sink.
ssize_t receive(int from, std::span<u8> to, CharacterSink& sink) {
    constexpr std::size_t kMostDescriptors = 16;
    alignas(cmsghdr) std::array<u8, CMSG_SPACE(kMostDescriptors * sizeof(int))> control{};
    iovec piece{to.data(), to.size()};
    msghdr message{.msg_iov = &piece,
                   .msg_iovlen = 1,
                   .msg_control = control.data(),
                   .msg_controllen = control.size()};
    const ssize_t count = recvmsg(from, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    cmsghdr* one = count >= 0 ? CMSG_FIRSTHDR(&message) : nullptr;
    for (; one != nullptr; one = CMSG_NXTHDR(&message, one)) {
        const bool has_descriptors = one->cmsg_level == SOL_SOCKET && one->cmsg_type == SCM_RIGHTS;
        for (std::size_t at = CMSG_LEN(0); has_descriptors && at < one->cmsg_len;
             at += sizeof(int)) {
            int fd = -1;
            std::memcpy(&fd, reinterpret_cast<const u8*>(one) + at, sizeof fd);
            sink.receive_descriptor(runtime::FileDescriptor(fd));
        }
    }
    return count;
}

} // namespace

std::unique_ptr<SocketBackend>
SocketBackend::create(std::string_view words, EventLoop& loop, std::string& why_not) {
    const auto options = parse(words, why_not);
    if (!options) {
        return nullptr;
    }
    std::string reason;
    const int fd = open(*options, reason).release();
    if (fd < 0) {
        why_not = std::string(options->server ? "cannot listen at " : "cannot connect to ") +
                  std::string(words) + ": " + reason;
        return nullptr;
    }
    std::unique_ptr<SocketBackend> backend(new SocketBackend(
        loop, options->server ? fd : -1, options->server ? options->unix_path : ""));
    if (!options->server) {
        backend->attach(fd);
    } else if (options->wait) {
        backend->accept_one();
    }
    return backend;
}

SocketBackend::SocketBackend(EventLoop& loop, int listening, std::string unix_path)
    : loop_(loop), listening_(listening), unix_path_(std::move(unix_path)) {
    if (listening_ >= 0) {
        loop_.add_fd(listening_, EPOLLIN, [this](u32) { accept_one(); });
    }
}

SocketBackend::~SocketBackend() {
    sink_ = nullptr; // it may have gone already
    SocketBackend::disconnect();
    if (listening_ >= 0) {
        loop_.remove_fd(listening_);
        close(listening_);
    }
    if (!unix_path_.empty()) {
        unlink(unix_path_.c_str());
    }
}

// The next one waits until this one has gone.
void SocketBackend::accept_one() {
    const int connection = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection >= 0) {
        attach(connection);
    }
}

void SocketBackend::attach(int connection) {
    connection_ = connection;
    output_.emplace(loop_, connection, [this] {
        if (sink_ != nullptr) {
            sink_->output_resumed();
        }
    });
    loop_.add_fd(connection_, 0, [this](u32) { read_input(); });
    if (listening_ >= 0) {
        loop_.change_fd(listening_, 0);
    }
    if (sink_ != nullptr) {
        sink_->opened();
    }
    update_interest();
}

void SocketBackend::detach() {
    loop_.remove_fd(connection_);
    const bool was_congested = output_->congested();
    output_.reset();
    close(connection_);
    connection_ = -1;
    if (listening_ >= 0) {
        loop_.change_fd(listening_, EPOLLIN);
    }
    if (sink_ != nullptr) {
        sink_->closed();
    }
    if (was_congested && sink_ != nullptr) {
        sink_->output_resumed();
    }
}

void SocketBackend::disconnect() {
    if (connection_ >= 0) {
        output_->flush();
        detach();
    }
}

void SocketBackend::connect(CharacterSink* sink) {
    CharacterBackend::connect(sink);
    if (sink_ != nullptr && connection_ >= 0) {
        sink_->opened();
    }
    update_interest();
}

void SocketBackend::write(std::span<const u8> bytes) {
    if (output_) {
        output_->write(bytes);
    }
}

void SocketBackend::flush() {
    if (output_) {
        output_->flush();
    }
}

void SocketBackend::update_interest() {
    if (connection_ >= 0) {
        const bool wanted = sink_ != nullptr && sink_->room() > 0;
        loop_.change_fd(connection_, wanted ? u32{EPOLLIN} : 0);
    }
}

void SocketBackend::read_input() {
    const bool goes_on =
        take_input([this](std::span<u8> to) { return receive(connection_, to, *sink_); });
    goes_on ? update_interest() : detach();
}

} // namespace ulna::devices
