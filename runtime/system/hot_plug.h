// What comes to a machine and goes from it while it runs: devices, and what is behind them. They
// are made of the same options as at its start, and the list of those says what there is.
//
// From any thread, without the machine's lock; one at a time (Board::change_lock). What is refused
// is said in a line without its end.
#pragma once

#include <map>
#include <string>

#include "runtime/devices/virtio/worker.h"
#include "runtime/system/board.h"

namespace ulna::system {

struct CommandLineParse;

class HotPlug {
  public:
    HotPlug(Machine& machine, Board& board, const SystemOptions& options);

    // What there is now.
    [[nodiscard]] SystemOptions options() const;

    // As -device has it.
    [[nodiscard]] std::string add_device(const std::string& value);
    // By its id or path. A device on PCI goes when the guest has let go of it, and is told of then
    // (MachineEvent::Kind::DeviceDeleted); others go at once.
    [[nodiscard]] std::string remove_device(const std::string& name);
    [[nodiscard]] bool has_device(const std::string& name) const;

    // hot_plug_backends.cpp: what devices can be on, as -netdev, -object, -chardev and -drive have
    // it. It is opened when a device is plugged in that names it; what a device is on stays.
    // `passed`: whose number the option's fd= is; or none.
    [[nodiscard]] std::string add_network(const std::string& value,
                                          runtime::FileDescriptor passed = {});
    [[nodiscard]] std::string remove_network(const std::string& id);
    [[nodiscard]] std::string add_object(const std::string& value);
    [[nodiscard]] std::string remove_object(const std::string& id);
    [[nodiscard]] std::string add_characters(const std::string& value);
    [[nodiscard]] std::string remove_characters(const std::string& id);
    [[nodiscard]] std::string add_drive(const std::string& value);
    [[nodiscard]] std::string remove_drive(const std::string& id);
    [[nodiscard]] bool has_network(const std::string& id) const;
    // The cable of a network device, or of those on a network. False: there is none of this name.
    [[nodiscard]] bool set_link(const std::string& name, bool up);

  private:
    class Departure;

    // By an option's parser.
    [[nodiscard]] std::string add(void (*parser)(CommandLineParse&, const std::string&),
                                  const std::string& value);
    [[nodiscard]] std::string why_not_added(const DeviceOption& device) const;
    [[nodiscard]] const DeviceOption* find(const std::string& name) const;
    void forget(const DeviceOption& device); // and tells that it has gone
    void finish(std::unique_ptr<Board::PciDevice> gone);

    Machine& machine_;
    Board& board_;
    const bool shares_ram_;
    SystemOptions options_;                  // with Board::change_lock() held
    std::map<std::string, u64> asked_to_go_; // until when a device is waited for, by path
    devices::virtio::Worker worker_;         // last: it uses the others
};

} // namespace ulna::system
