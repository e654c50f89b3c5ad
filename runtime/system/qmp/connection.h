// Where clients of QMP connect to, one after the other. The event loop takes their bytes; a thread
// executes commands, as those wait for CPUs and the event loop does not.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "runtime/devices/character_backend.h"
#include "runtime/devices/virtio/worker.h"
#include "runtime/system/qmp/passed_descriptors.h"
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
        PassedDescriptors& descriptors;
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
    void receive_descriptor(runtime::FileDescriptor descriptor) override {
        shared_.descriptors.arrived(std::move(descriptor));
    }
    void opened() override;
    void closed() override;
    void output_resumed() override { client_->room_grew(); }

  private:
    static constexpr std::size_t kMostBytes = 1024, kMostWaiting = 8; // messages
    class Request;

    [[nodiscard]] std::string execute(const Request& request); // in the thread
    void answer(const Request& request, const std::string& line);
    void write(const std::string& line);

    Shared& shared_;
    std::unique_ptr<devices::CharacterBackend> client_;

    // With the machine's lock held
    MessageSplitter splitter_;
    std::size_t waiting_ = 0; // requests
    u64 clients_ = 0;         // so far; the last one is there, unless
    bool is_closed_ = true;
    bool is_sent_away_ = false, is_over_ = false; // nothing more is taken
    bool wants_events_ = false;

    // The thread's
    Session session_;
    u64 session_of_ = 0; // which client

    std::optional<devices::virtio::Worker> worker_; // last: it uses the others
};

} // namespace ulna::system::qmp
