// What people do to a machine from outside, by a monitor of either kind. From any thread, without
// the machine's lock: most of it waits for CPUs.
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "runtime/system/hot_plug.h"
#include "runtime/system/qmp/passed_descriptors.h"

namespace ulna::system {

class MachineControl {
  public:
    MachineControl(Machine& machine, Board& board, const SystemOptions& options)
        : machine_{machine}, board_{board}, hot_plug_{machine, board, options} {}

    void stop(); // returns when no CPU runs
    // Says why not, in a line without its end.
    [[nodiscard]] std::string resume();
    void reset(); // returns when it has been, or will not be
    void press_power_key();
    void quit();
    // What somebody has asked to be told of; machines do not migrate, so there is nothing to tell.
    std::atomic<bool> tells_of_migration{false};
    [[nodiscard]] BlockDrives& drives() { return board_.drives(); }
    [[nodiscard]] HotPlug& hot_plug() { return hot_plug_; }
    [[nodiscard]] qmp::PassedDescriptors& descriptors() { return descriptors_; }
    [[nodiscard]] SystemOptions options() const { return hot_plug_.options(); } // as they are now
    [[nodiscard]] std::vector<Board::PciReport> pci_functions() const;
    // By the balloon; false or nothing where there is none. In bytes.
    [[nodiscard]] bool set_ram(u64 bytes); // the guest will do as it can
    [[nodiscard]] std::optional<u64> ram_left() const;

  private:
    Machine& machine_;
    Board& board_;
    HotPlug hot_plug_;
    qmp::PassedDescriptors descriptors_;
};

} // namespace ulna::system
