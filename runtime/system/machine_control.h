// What people do to a machine from outside, by a monitor of either kind. From any thread, without
// the machine's lock: most of it waits for CPUs.
#pragma once

#include <functional>
#include <string>

#include "runtime/system/machine.h"

namespace ulna::system {

class MachineControl {
  public:
    // `press_power_key` is called with the machine's lock held.
    MachineControl(Machine& machine, std::function<void()> press_power_key)
        : machine_{machine}, press_power_key_{std::move(press_power_key)} {}

    void stop(); // returns when no CPU runs
    // Says why not, in a line without its end.
    [[nodiscard]] std::string resume();
    void reset(); // returns when it has been, or will not be
    void press_power_key();
    void quit();

  private:
    Machine& machine_;
    const std::function<void()> press_power_key_;
};

} // namespace ulna::system
