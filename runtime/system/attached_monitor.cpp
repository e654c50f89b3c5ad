#include "runtime/system/attached_monitor.h"

#include "runtime/system/characters.h"

namespace ulna::system {

AttachedMonitor::AttachedMonitor(Machine& machine,
                                 Board& board,
                                 Snapshots& snapshots,
                                 MachineControl& control)
    : machine_{machine}, board_{board}, monitor_{machine, snapshots, control} {}

AttachedMonitor::~AttachedMonitor() {
    if (devices::Console* const console = board_.console()) {
        const std::lock_guard lock{machine_.lock()};
        console->set_monitor(nullptr, nullptr);
    }
    console_.reset(); // takes the lock
    const std::lock_guard lock{machine_.lock()};
    own_.reset();
}

bool AttachedMonitor::connect(const std::string& where, std::string& why_not) {
    const std::lock_guard lock{machine_.lock()};
    if (!where.empty() && where != "mon:stdio") {
        return connect_own(where, why_not);
    }
    if (devices::Console* const console = board_.console()) {
        console_ = std::make_unique<MonitorConsole>(machine_, monitor_, *console);
        console->set_monitor(console_.get(), [this] { console_->prompt(); });
    }
    return true;
}

bool AttachedMonitor::connect_own(const std::string& where, std::string& why_not) {
    own_ = open_characters(where, machine_, why_not);
    if (own_ == nullptr) {
        return false;
    }
    console_ = std::make_unique<MonitorConsole>(machine_, monitor_, *own_);
    own_->connect(console_.get());
    if (where == "stdio") {
        console_->prompt();
    }
    return true;
}

} // namespace ulna::system
