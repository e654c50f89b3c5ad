#include "runtime/system/qmp/server.h"

#include <chrono>
#include <utility>

#include "runtime/system/characters.h"
#include "runtime/system/qmp/event_line.h"

namespace ulna::system::qmp {

namespace {

u64 microseconds_since_1970() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<u64>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

} // namespace

Server::Server(const MachineParts& parts)
    : machine_{parts.machine},
      shared_{.machine_lock = machine_.lock(),
              .greeting = machine_greeting(),
              .commands = machine_commands(parts),
              .before_answer = [this] { send_events(); },
              .descriptors = parts.control.descriptors()} {}

Server::~Server() { end(); }

bool Server::connect(const std::vector<std::string>& places, std::string& why_not) {
    if (!places.empty()) {
        machine_.on_event([this](const MachineEvent& event) { note(event); });
    }
    for (const std::string& place : places) {
        if (!connect(place, why_not)) {
            return false;
        }
    }
    return true;
}

bool Server::connect(const std::string& place, std::string& why_not) {
    const std::lock_guard lock{machine_.lock()};
    auto characters = open_characters(place, machine_, why_not);
    if (characters == nullptr) {
        return false;
    }
    connections_.push_back(std::make_unique<Connection>(shared_, std::move(characters)));
    if (!devices::is_socket(place)) { // nobody comes later
        connections_.back()->opened();
    }
    return true;
}

void Server::end() {
    if (connections_.empty()) {
        return;
    }
    machine_.run_control().finish(); // or commands would wait for ever
    for (const auto& connection : connections_) {
        connection->finish();
    }
    const std::lock_guard lock{machine_.lock()};
    send_events();
    connections_.clear();
}

// --- Events

void Server::note(const MachineEvent& event) {
    {
        const std::lock_guard lock{mutex_};
        events_.push_back(event_line(event, microseconds_since_1970()));
    }
    machine_.loop().post([this] { send_events(); });
}

void Server::send_events() {
    std::vector<std::string> events;
    {
        const std::lock_guard lock{mutex_};
        events = std::exchange(events_, {});
    }
    for (const std::string& event : events) {
        for (const auto& connection : connections_) {
            connection->send_event(event);
        }
    }
}

} // namespace ulna::system::qmp
