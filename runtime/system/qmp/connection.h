// Where clients of QMP connect to, one after the other. The event loop takes their bytes; a thread
// executes commands, as those wait for CPUs and the event loop does not.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "runtime/devices/character_backend.h"
#include "runtime/system/qmp/protocol.h"

namespace ulna::system::qmp {

class Connection final : public devices::CharacterSink {
  public:
    // What all connections have in common; it outlives them.
    struct Shared {
        std::mutex& machine_lock;
        std::string greeting;
        std::vector<Command> commands;
        // Sends events that have happened before an answer is sent. With the machine's lock held.
        std::function<void()> before_answer;
    };

    // With the machine's lock held.
    Connection(Shared& shared, std::unique_ptr<devices::CharacterBackend> client);
    ~Connection() override; // likewise, after finish()
    // Returns when the command that is being executed has been, and no other will be. Without it.
    void finish();

    // With the machine's lock held.
    void send_event(const std::string& line);

    [[nodiscard]] std::size_t room() const override;
    void receive(std::span<const u8> bytes) override;
    void opened() override;
    void closed() override;
    void output_resumed() override { client_->room_grew(); }

  private:
    static constexpr std::size_t kMostBytes = 1024, kMostWaiting = 8; // messages

    struct Request {
        u64 client;
        Message message;
        bool is_last; // the client is sent away
    };

    void run();
    [[nodiscard]] std::optional<Request> next();
    void answer(const Request& request);
    void write(const std::string& line);

    Shared& shared_;
    std::unique_ptr<devices::CharacterBackend> client_;

    // With the machine's lock held
    MessageSplitter splitter_;
    u64 clients_ = 0; // so far; the last one is there, unless
    bool is_closed_ = true;
    bool is_sent_away_ = false;
    bool wants_events_ = false;

    // The thread's
    Session session_;
    u64 session_of_ = 0; // which client

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Request> requests_;
    bool quit_ = false;
    std::thread thread_;
};

} // namespace ulna::system::qmp
