#include "runtime/devices/virtio/vsock.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "runtime/host_socket.h"

namespace ulna::devices::virtio {

using runtime::FileDescriptor;

namespace {

using State = VsockConnection::State;

constexpr unsigned kReceiveQueue = 0;
constexpr unsigned kTransmitQueue = 1;
constexpr unsigned kEventQueue = 2;
constexpr u32 kQueueEntries = 128;
constexpr size_t kMostWaiting = 1024; // packets; then the guest's wait
constexpr size_t kMostConnections = 1024;
constexpr u32 kMostDataBytes = 65536;
constexpr u32 kFirstHostPort = 1u << 30; // of connections that the host makes
// Connections whose guest's port is not known yet have a key that no packet can have.
constexpr u32 kNoPort = ~u32{0};

// The port of "CONNECT port\n".
std::optional<u32> parse_greeting(std::string_view line) {
    constexpr std::string_view kWord = "CONNECT ";
    u32 port = 0;
    if (line.substr(0, kWord.size()) != kWord) {
        return std::nullopt;
    }
    line.remove_prefix(kWord.size());
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), port);
    const bool is_right =
        error == std::errc() && std::string_view(end, line.data() + line.size()) == "\n";
    return is_right && port != kNoPort ? std::optional(port) : std::nullopt;
}

} // namespace

std::unique_ptr<Vsock>
Vsock::open(EventLoop& loop, const std::string& path, u64 guest_cid, std::string& why_not) {
    constexpr int kBacklog = 16;
    FileDescriptor listener = runtime::listen_unix(path, kBacklog, why_not, SOCK_NONBLOCK);
    if (!listener) {
        why_not = "cannot listen at '" + path + "': " + why_not;
        return nullptr;
    }
    return std::unique_ptr<Vsock>(new Vsock(loop, path, guest_cid, std::move(listener)));
}

Vsock::Vsock(EventLoop& loop, std::string path, u64 guest_cid, FileDescriptor listener)
    : VirtioDevice({kQueueEntries, kQueueEntries, kQueueEntries}),
      loop_(loop),
      path_(std::move(path)),
      guest_cid_(guest_cid),
      listener_(std::move(listener)),
      next_host_port_(kFirstHostPort),
      data_(kMostDataBytes) {
    std::memcpy(config_.data(), &guest_cid_, sizeof guest_cid_);
    loop_.add_fd(listener_.get(), EPOLLIN, [this](u32) { accept_from_host(); });
}

Vsock::~Vsock() {
    reset();
    loop_.remove_fd(listener_.get());
    unlink(path_.c_str());
}

void Vsock::reset() {
    while (!connections_.empty()) {
        remove(connections_.begin()->first);
    }
    waiting_.clear();
    is_starved_ = reset_is_due_ = false;
}

void Vsock::notified(unsigned queue) {
    if (queue == kTransmitQueue) {
        transmit_all();
    } else if (queue == kReceiveQueue) {
        is_starved_ = false;
        send_waiting();
        for (const auto& [key, connection] : connections_) {
            pump(*connection);
        }
        transmit_all();
    } else if (queue == kEventQueue) {
        tell_of_reset();
    }
}

void Vsock::forget_past() {
    reset();
    reset_is_due_ = true;
    tell_of_reset();
}

// Section 5.10.6.7: of events there is one, VIRTIO_VSOCK_EVENT_TRANSPORT_RESET.
void Vsock::tell_of_reset() {
    constexpr u32 kTransportReset = 0;
    if (!reset_is_due_) {
        return;
    }
    if (const auto request = next(kEventQueue)) {
        const u64 bytes = scatter(request->writable(), 0, &kTransportReset, sizeof kTransportReset);
        complete(kEventQueue, *request, bytes);
        reset_is_due_ = false;
    }
}

// --- the guest's packets

// A guest that takes no answers is not asked for more questions.
void Vsock::transmit_all() {
    while (waiting_.size() < kMostWaiting) {
        const auto request = next(kTransmitQueue);
        if (!request) {
            break;
        }
        read_packet(*request);
        give(kTransmitQueue, *request, 0);
    }
    publish(kTransmitQueue);
}

void Vsock::read_packet(const Chain& request) {
    VsockHeader header;
    if (gather(request.readable(), 0, &header, sizeof header) != sizeof header ||
        header.data_bytes > kMostDataBytes) {
        return;
    }
    std::vector<u8> data(header.data_bytes);
    data.resize(gather(request.readable(), sizeof header, data.data(), data.size()));
    serve_packet(header, data);
}

void Vsock::serve_packet(const VsockHeader& header, const std::vector<u8>& data) {
    const Key key{header.dst_port, header.src_port};
    const auto found = connections_.find(key);
    const bool is_known = found != connections_.end();
    if (header.dst_cid != kVsockHostCid || header.src_cid != guest_cid_ ||
        header.type != kVsockStream || (header.op == VsockOp::Request) == is_known) {
        return refuse_packet(header);
    }
    if (!is_known) {
        return connect_to_host(key, header);
    }
    found->second->note_credit(header);
    if (header.op == VsockOp::Reset) {
        return remove(key);
    }
    serve(*found->second, header, data) ? pump(*found->second) : fail(key, *found->second);
}

bool Vsock::serve(VsockConnection& connection,
                  const VsockHeader& header,
                  const std::vector<u8>& data) {
    switch (header.op) {
    case VsockOp::Response: {
        if (connection.state() != State::Requesting) {
            return false;
        }
        connection.set_state(State::Open);
        const std::string answer = "OK " + std::to_string(header.dst_port) + "\n";
        return ::send(connection.socket(), answer.data(), answer.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(answer.size());
    }
    case VsockOp::Shutdown:
        return connection.shut_down(header.flags);
    case VsockOp::Data:
        return connection.take(data);
    case VsockOp::CreditRequest:
        send(connection.header(VsockOp::CreditUpdate, guest_cid_));
        return true;
    case VsockOp::CreditUpdate:
        return true;
    default:
        return false;
    }
}

void Vsock::connect_to_host(const Key& key, const VsockHeader& request) {
    std::string why_not;
    FileDescriptor socket;
    if (connections_.size() < kMostConnections) {
        socket = runtime::connect_unix(path_ + "_" + std::to_string(key.host_port), why_not,
                                       SOCK_NONBLOCK);
    }
    if (!socket) {
        return refuse_packet(request);
    }
    auto connection = std::make_unique<VsockConnection>(std::move(socket), State::Open,
                                                        key.host_port, key.guest_port);
    connection->note_credit(request);
    send(connection->header(VsockOp::Response, guest_cid_));
    add(key, std::move(connection));
}

// --- packets for the guest

void Vsock::send(const VsockHeader& header) {
    if (!waiting_.empty() || !put_packet(header)) {
        waiting_.push_back(header);
    }
}

void Vsock::refuse_packet(const VsockHeader& header) {
    if (header.op != VsockOp::Reset) {
        send({.src_cid = header.dst_cid,
              .dst_cid = guest_cid_,
              .src_port = header.dst_port,
              .dst_port = header.src_port,
              .type = header.type,
              .op = VsockOp::Reset});
    }
}

void Vsock::send_waiting() {
    while (!waiting_.empty() && put_packet(waiting_.front())) {
        waiting_.pop_front();
    }
}

bool Vsock::put_packet(const VsockHeader& header) {
    const auto request = next_with_room(sizeof header);
    if (request) {
        scatter(request->writable(), 0, &header, sizeof header);
        complete(kReceiveQueue, *request, sizeof header);
    }
    return request.has_value();
}

// The driver's next buffer of that size at least; smaller ones are good for nothing.
std::optional<Chain> Vsock::next_with_room(u64 bytes) {
    auto request = next(kReceiveQueue);
    while (request && total_bytes(request->writable()) < bytes) {
        complete(kReceiveQueue, *request, 0);
        request = next(kReceiveQueue);
    }
    return request;
}

// --- the host's side

void Vsock::add(const Key& key, std::unique_ptr<VsockConnection> connection) {
    VsockConnection& added = *connection;
    connections_[key] = std::move(connection);
    loop_.add_fd(added.socket(), 0, [this, key](u32 events) { on_socket(key, events); });
    watch(added);
}

void Vsock::remove(const Key& key) {
    const auto found = connections_.find(key);
    if (found != connections_.end()) {
        loop_.remove_fd(found->second->socket());
        connections_.erase(found);
    }
}

void Vsock::fail(const Key& key, VsockConnection& connection) {
    if (connection.state() != State::Greeting) {
        send(connection.header(VsockOp::Reset, guest_cid_));
    }
    remove(key);
}

void Vsock::accept_from_host() {
    FileDescriptor socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket && connections_.size() < kMostConnections) {
        const Key key{next_greeting_++, kNoPort};
        add(key, std::make_unique<VsockConnection>(std::move(socket), State::Greeting, 0, 0));
    }
}

// The line is looked at first and taken when it is whole, because data may follow it.
void Vsock::on_greeting(const Key& key, VsockConnection& connection) {
    std::array<char, 32> text;
    const ssize_t got = recv(connection.socket(), text.data(), text.size(), MSG_PEEK);
    const std::string_view seen(text.data(), static_cast<size_t>(std::max<ssize_t>(got, 0)));
    const size_t end = seen.find('\n');
    if (end == std::string_view::npos) {
        // Incomplete: not to be woken again and again, so whoever does not write it at once fails.
        return remove(key);
    }
    const auto port = parse_greeting(seen.substr(0, end + 1));
    if (!port) {
        return remove(key);
    }
    (void)recv(connection.socket(), text.data(), end + 1, 0);
    FileDescriptor socket(dup(connection.socket()));
    remove(key);
    if (socket) {
        const Key named{next_host_port_++ | kFirstHostPort, *port};
        auto request = std::make_unique<VsockConnection>(std::move(socket), State::Requesting,
                                                         named.host_port, named.guest_port);
        send(request->header(VsockOp::Request, guest_cid_));
        remove(named); // when the numbers have come round
        add(named, std::move(request));
    }
}

void Vsock::on_socket(const Key& key, u32 events) {
    const auto found = connections_.find(key);
    if (found == connections_.end()) {
        return;
    }
    VsockConnection& connection = *found->second;
    if (connection.state() == State::Greeting) {
        return on_greeting(key, connection);
    }
    const bool is_lost = (events & EPOLLERR) != 0 ||
                         ((events & EPOLLHUP) != 0 && connection.state() == State::Requesting);
    if (is_lost || !connection.flush()) {
        return fail(key, connection);
    }
    pump(connection);
}

// Host to guest, as far as there are data, credit and buffers.
void Vsock::pump(VsockConnection& connection) {
    if (connection.should_update_credit()) {
        send(connection.header(VsockOp::CreditUpdate, guest_cid_));
    }
    while (connection.can_give() && !is_starved_) {
        is_starved_ = !waiting_.empty();
        const auto request = is_starved_ ? std::nullopt : next_with_room(sizeof(VsockHeader) + 1);
        is_starved_ = !request;
        if (!request || !give_data(connection, *request)) {
            break;
        }
    }
    watch(connection);
}

// False when the host has nothing for the guest, now or ever.
bool Vsock::give_data(VsockConnection& connection, const Chain& request) {
    const u64 room = total_bytes(request.writable()) - sizeof(VsockHeader);
    const u64 most = std::min<u64>({room, connection.credit(), data_.size()});
    const ssize_t got = recv(connection.socket(), data_.data(), most, MSG_DONTWAIT);
    if (got <= 0) {
        put_back(kReceiveQueue, 1);
        if (got == 0 || errno != EAGAIN) {
            connection.note_end_of_host();
            VsockHeader end = connection.header(VsockOp::Shutdown, guest_cid_);
            end.flags = kVsockNoSend;
            send(end);
        }
        return false;
    }
    VsockHeader header = connection.header(VsockOp::Data, guest_cid_);
    header.data_bytes = static_cast<u32>(got);
    connection.gave(header.data_bytes);
    scatter(request.writable(), 0, &header, sizeof header);
    scatter(request.writable(), sizeof header, data_.data(), header.data_bytes);
    complete(kReceiveQueue, request, sizeof header + header.data_bytes);
    return true;
}

void Vsock::watch(VsockConnection& connection) {
    const bool reads =
        connection.state() == State::Greeting || (connection.can_give() && !is_starved_);
    const u32 events = (reads ? u32{EPOLLIN} : 0) | (connection.has_waiting() ? u32{EPOLLOUT} : 0);
    loop_.change_fd(connection.socket(), events);
}

} // namespace ulna::devices::virtio
