#include "runtime/system/qmp/connection.h"

#include <csignal>
#include <utility>

namespace ulna::system::qmp {

Connection::Connection(Shared& shared, std::unique_ptr<devices::CharacterBackend> client)
    : shared_{shared}, client_{std::move(client)}, session_{shared.commands}, thread_{[this] {
          run();
      }} {
    client_->connect(this);
}

Connection::~Connection() {
    client_->connect(nullptr);
    client_.reset(); // writes what is left
}

void Connection::finish() {
    {
        const std::lock_guard lock{mutex_};
        quit_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

// --- The client, with the machine's lock held

void Connection::opened() {
    ++clients_;
    is_closed_ = is_sent_away_ = wants_events_ = false;
    splitter_ = {};
    write(shared_.greeting);
}

void Connection::closed() { is_closed_ = true; }

std::size_t Connection::room() const {
    const std::lock_guard lock{mutex_};
    const bool is_busy = requests_.size() >= kMostWaiting || client_->congested();
    return is_closed_ || is_sent_away_ || is_busy ? 0 : kMostBytes;
}

void Connection::receive(std::span<const u8> bytes) {
    std::deque<Message> messages;
    is_sent_away_ = !splitter_.take(bytes, messages);
    const std::lock_guard lock{mutex_};
    while (!messages.empty()) {
        const bool is_last = is_sent_away_ && messages.size() == 1;
        requests_.push_back({clients_, std::move(messages.front()), is_last});
        messages.pop_front();
    }
    changed_.notify_all();
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

// --- Commands, in the thread

void Connection::run() {
    sigset_t all;
    sigfillset(&all);
    static_cast<void>(pthread_sigmask(SIG_BLOCK, &all, nullptr));
    while (const auto request = next()) {
        if (std::exchange(session_of_, request->client) != request->client) {
            session_ = Session{shared_.commands};
        }
        answer(*request);
    }
}

// Nothing: it is over.
std::optional<Connection::Request> Connection::next() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return quit_ || !requests_.empty(); });
    if (quit_) {
        return std::nullopt;
    }
    Request request = std::move(requests_.front());
    requests_.pop_front();
    return request;
}

// Who has gone gets none, and a successor no other's.
void Connection::answer(const Request& request) {
    const std::string line = session_.answer(request.message);
    const std::lock_guard lock{shared_.machine_lock};
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
