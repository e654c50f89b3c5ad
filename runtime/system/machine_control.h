// What people do to a machine from outside, by a monitor of either kind. From any thread, without
// the machine's lock: most of it waits for CPUs.
#pragma once

#include <optional>
#include <string>

#include "runtime/system/board.h"

namespace ulna::system {

class MachineControl {
  public:
    MachineControl(Machine& machine, Board& board) : machine_{machine}, board_{board} {}

    void stop(); // returns when no CPU runs
    // Says why not, in a line without its end.
    [[nodiscard]] std::string resume();
    void reset(); // returns when it has been, or will not be
    void press_power_key();
    void quit();
    [[nodiscard]] BlockDrives& drives() { return board_.drives(); }
    // By the balloon; false or nothing where there is none. In bytes.
    [[nodiscard]] bool set_ram(u64 bytes); // the guest will do as it can
    [[nodiscard]] std::optional<u64> ram_left() const;

  private:
    Machine& machine_;
    Board& board_;
};

} // namespace ulna::system
