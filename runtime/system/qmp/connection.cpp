#include "runtime/system/qmp/connection.h"

#include <utility>

namespace ulna::system::qmp {

class Connection::Request final : public devices::virtio::Worker::Job {
  public:
    Request(Connection& connection, u64 client, Message message, bool is_last)
        : client{client}, message{std::move(message)}, is_last{is_last}, connection_{connection} {}
    void work() override { answer_ = connection_.execute(*this); }
    void finish() override { connection_.answer(*this, answer_); }

    const u64 client;
    const Message message;
    const bool is_last; // the client is sent away

  private:
    Connection& connection_;
    std::string answer_;
};

Connection::Connection(Shared& shared, std::unique_ptr<devices::CharacterBackend> client)
    : shared_{shared}, client_{std::move(client)}, session_{shared.commands} {
    worker_.emplace(shared_.machine_lock);
    client_->connect(this);
}

Connection::~Connection() {
    client_->connect(nullptr);
    client_.reset(); // writes what is left
}

void Connection::finish() {
    {
        const std::lock_guard lock{shared_.machine_lock};
        is_over_ = true;
    }
    worker_.reset();
}

// --- The client

void Connection::opened() {
    ++clients_;
    is_closed_ = is_sent_away_ = wants_events_ = false;
    splitter_ = {};
    write(shared_.greeting);
}

void Connection::closed() { is_closed_ = true; }

std::size_t Connection::room() const {
    const bool is_busy = waiting_ >= kMostWaiting || client_->congested();
    return is_over_ || is_closed_ || is_sent_away_ || is_busy ? 0 : kMostBytes;
}

void Connection::receive(std::span<const u8> bytes) {
    std::deque<Message> messages;
    is_sent_away_ = !splitter_.take(bytes, messages);
    waiting_ += messages.size();
    while (!messages.empty()) {
        const bool is_last = is_sent_away_ && messages.size() == 1;
        worker_->add(
            std::make_unique<Request>(*this, clients_, std::move(messages.front()), is_last));
        messages.pop_front();
    }
}

// A client that does not read misses events: nothing waits for it, and nothing grows.
void Connection::send_event(const std::string& line) {
    if (wants_events_ && !client_->congested()) {
        write(line);
    }
}

void Connection::write(const std::string& line) {
    if (!is_closed_) {
        client_->write({reinterpret_cast<const u8*>(line.data()), line.size()});
    }
}

// --- Commands

std::string Connection::execute(const Request& request) {
    if (std::exchange(session_of_, request.client) != request.client) {
        session_ = Session{shared_.commands};
    }
    return session_.answer(request.message);
}

// Who has gone gets none, and a successor no other's.
void Connection::answer(const Request& request, const std::string& line) {
    --waiting_;
    shared_.before_answer();
    if (request.client == clients_) {
        write(line);
        wants_events_ = session_.negotiated();
        if (request.is_last) {
            client_->disconnect();
        }
    }
    client_->room_grew();
}

} // namespace ulna::system::qmp
