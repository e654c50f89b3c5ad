// A machine's monitor, and where its keys come from: a place of its own (-monitor), or the console
// after Ctrl-A C.
#pragma once

#include "runtime/system/board.h"
#include "runtime/system/monitor_console.h"

namespace ulna::system {

class AttachedMonitor {
  public:
    AttachedMonitor(Machine& machine, Board& board, Snapshots& snapshots, MachineControl& control);
    ~AttachedMonitor(); // while nothing runs, without the lock
    AttachedMonitor(const AttachedMonitor&) = delete;
    AttachedMonitor& operator=(const AttachedMonitor&) = delete;

    // False, with a reason, when there is no such place. Without the lock.
    [[nodiscard]] bool connect(const std::string& where, std::string& why_not);
    [[nodiscard]] Monitor& monitor() { return monitor_; }

  private:
    [[nodiscard]] bool connect_own(const std::string& where, std::string& why_not);

    Machine& machine_;
    Board& board_;
    Monitor monitor_;
    std::unique_ptr<devices::CharacterBackend> own_;
    std::unique_ptr<MonitorConsole> console_;
};

} // namespace ulna::system
