// A machine's QMP: all places where clients may connect to (-qmp, -mon mode=control), what they may
// ask, and the events that all of them hear of.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/system/machine_event.h"
#include "runtime/system/qmp/commands.h"
#include "runtime/system/qmp/connection.h"

namespace ulna::system::qmp {

class Server {
  public:
    explicit Server(const MachineParts& parts);
    // While nothing runs, without the machine's lock. Nobody may stop the machine any more.
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Waits for clients where that is wanted. False, with a reason, when there is no such place.
    // While nothing runs, without the lock.
    [[nodiscard]] bool connect(const std::vector<std::string>& places, std::string& why_not);
    // The machine has ended, for good: clients hear of it and are sent away. Likewise.
    void end();

  private:
    [[nodiscard]] bool connect(const std::string& place, std::string& why_not);
    void note(const MachineEvent& event);
    void send_events(); // with the lock held

    Machine& machine_;
    Connection::Shared shared_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::mutex mutex_;
    std::vector<std::string> events_; // to be sent
};

} // namespace ulna::system::qmp
