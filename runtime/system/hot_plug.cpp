#include "runtime/system/hot_plug.h"

#include <algorithm>
#include <iterator>

#include "runtime/system/command_line_parse.h"
#include "runtime/system/device_types.h"

namespace ulna::system {

using Kind = DeviceOption::Kind;

namespace {

std::string no_hot_plug(const std::string& bus) {
    return "Bus '" + bus + "' does not support hotplugging";
}

// Of a bus that takes nothing while the machine runs, or is not there.
std::string why_not_plugged(const DeviceOption& device, const SystemOptions& options) {
    const bool is_unit = device.is_scsi_unit();
    if (!device.pci && !is_unit) {
        return no_hot_plug("virtio-mmio-bus");
    }
    const std::string& name = is_unit ? device.bus : device.pci_port;
    if (!is_unit && name.empty()) {
        return no_hot_plug("pcie.0");
    }
    const auto bus = std::ranges::find_if(options.devices, [&](const DeviceOption& other) {
        return is_unit ? other.kind == Kind::Scsi && (name.empty() || other.bus == name)
                       : other.kind == Kind::RootPort && other.id == name;
    });
    if (bus == options.devices.end()) {
        return name.empty() ? "No 'SCSI' bus found for device '" + device.driver + "'"
                            : "Bus '" + name + "' not found";
    }
    return bus->hot_plug ? "" : no_hot_plug(is_unit ? bus->bus : name);
}

// A network device that has no address of its own gets the first that nobody has.
void give_mac(DeviceOption& device, const SystemOptions& options) {
    const auto is_used = [&](const std::array<u8, 6>& mac) {
        return std::ranges::any_of(options.devices,
                                   [&](const DeviceOption& other) { return other.mac == mac; });
    };
    for (unsigned n = 0; device.kind == Kind::Net && !device.mac; ++n) {
        if (!is_used(board_mac(n))) {
            device.mac = board_mac(n);
        }
    }
}

} // namespace

// A device that the guest has let go of.
class HotPlug::Departure final : public devices::virtio::Worker::Job {
  public:
    Departure(HotPlug& of, std::unique_ptr<Board::PciDevice> gone)
        : of_{of}, gone_{std::move(gone)} {}
    void work() override { of_.finish(std::move(gone_)); }
    void finish() override {}

  private:
    HotPlug& of_;
    std::unique_ptr<Board::PciDevice> gone_;
};

HotPlug::HotPlug(Machine& machine, Board& board, const SystemOptions& options)
    : machine_{machine},
      board_{board},
      shares_ram_{shares_ram(options) || !memory_file(options).empty()},
      options_{options},
      worker_{machine.lock()} {
    for (unsigned n = 0; DeviceOption & device : options_.devices) {
        if (device.kind == Kind::Net) {
            device.mac = device.mac.value_or(board_mac(n++));
        }
    }
    board_.on_answers(
        [this](std::unique_ptr<Board::PciDevice> gone) {
            worker_.add(std::make_unique<Departure>(*this, std::move(gone)));
        },
        [this](const DeviceOption& device) {
            machine_.tell({.kind = MachineEvent::Kind::UnplugRefused,
                           .device = device.id,
                           .path = qom_path(device)});
        });
}

SystemOptions HotPlug::options() const {
    const std::lock_guard lock{board_.change_lock()};
    return options_;
}

const DeviceOption* HotPlug::find(const std::string& name) const {
    const auto found = std::ranges::find_if(options_.devices, [&](const DeviceOption& device) {
        return (!device.id.empty() && device.id == name) || qom_path(device) == name;
    });
    return found != options_.devices.end() ? &*found : nullptr;
}

bool HotPlug::has_device(const std::string& name) const {
    const std::lock_guard lock{board_.change_lock()};
    return find(name) != nullptr;
}

// --- Coming

std::string HotPlug::why_not_added(const DeviceOption& device) const {
    if (std::string why_not = why_not_plugged(device, options_); !why_not.empty()) {
        return why_not;
    }
    const auto& devices = options_.devices;
    const auto there = std::ranges::find(devices, device.pci_port, &DeviceOption::pci_port);
    if (device.pci && there != devices.end()) {
        return "PCI: slot 0 function 0 already occupied by " + there->driver + ", new func " +
               device.driver + " cannot be exposed to guest.";
    }
    const bool needs_ram = device.kind == Kind::VhostBlock || device.kind == Kind::VhostFolder;
    return needs_ram && !shares_ram_
               ? device.driver + ": the machine's RAM is shared only if it has such a device from "
                                 "its start, or a memory-backend-file"
               : "";
}

std::string HotPlug::add_device(const std::string& value) {
    Properties properties = Properties::of_option(value, "driver");
    const std::string driver = properties.text("driver"), id = properties.text("id");
    if (driver.empty()) {
        return "Parameter 'driver' is missing";
    }
    if (std::ranges::count(device_types(), driver, &DeviceType::name) == 0) {
        return "'" + driver + "' is not a valid device model name";
    }
    const std::lock_guard lock{board_.change_lock()};
    if (!id.empty() && std::ranges::count(options_.devices, id, &DeviceOption::id) != 0) {
        return "Duplicate device ID '" + id + "'";
    }
    CommandLineParse parse;
    parse.options = options_;
    parse.options.nodes = board_.drives().named_nodes(); // as they are now
    system::add_device(parse, value);
    if (parse.exit_status) {
        return parse.reason();
    }
    if (std::string why_not = why_not_added(parse.options.devices.back()); !why_not.empty()) {
        return why_not;
    }
    check_devices(parse);
    DeviceOption& device = parse.options.devices.back();
    give_mac(device, options_);
    std::string why_not = parse.exit_status ? parse.reason() : "";
    if (why_not.empty() &&
        (device.is_scsi_unit() ? board_.add_unit(device, parse.options, why_not)
                               : board_.plug_in(device, parse.options, why_not))) {
        options_ = std::move(parse.options);
    }
    return why_not;
}

// --- Going

std::string HotPlug::remove_device(const std::string& name) {
    constexpr u64 kPatienceNs = 5'000'000'000;
    const std::lock_guard lock{board_.change_lock()};
    const DeviceOption* const device = find(name);
    if (device == nullptr) {
        return "Device '" + name + "' not found";
    }
    if (std::string why_not = why_not_plugged(*device, options_); !why_not.empty()) {
        return why_not;
    }
    if (device->is_scsi_unit()) {
        const DeviceOption gone = *device;
        board_.remove_unit(gone);
        forget(gone);
        return "";
    }
    u64& until = asked_to_go_[qom_path(*device)];
    const u64 now = devices::monotonic_ns();
    if (until > now) {
        return "Device " + name + " is already in the process of unplug";
    }
    std::string why_not = board_.ask_to_let_go(*device);
    until = why_not.empty() ? now + kPatienceNs : 0;
    return why_not;
}

void HotPlug::finish(std::unique_ptr<Board::PciDevice> gone) {
    const std::lock_guard lock{board_.change_lock()};
    const DeviceOption device = gone->option;
    std::vector<DeviceOption> all; // with what was on its bus
    std::ranges::copy_if(options_.devices, std::back_inserter(all), [&](const DeviceOption& unit) {
        return unit.is_scsi_unit() && unit.bus == device.bus;
    });
    all.push_back(device);
    for (const DeviceOption& one : all) {
        board_.drives().detach(drive_place(one));
    }
    board_.destroy(std::move(gone));
    for (const DeviceOption& one : all) {
        forget(one);
    }
}

// A drive that was made for a device goes with it; a node stays.
void HotPlug::forget(const DeviceOption& device) {
    const std::string path = qom_path(device);
    std::erase_if(options_.devices, [&](const DeviceOption& one) { return qom_path(one) == path; });
    std::erase_if(options_.drives, [&](const DriveOption& drive) {
        return !drive.id.empty() && drive.id == device.drive;
    });
    asked_to_go_.erase(path);
    if (device.pci) { // of which the part that virtio knows goes first
        machine_.tell(
            {.kind = MachineEvent::Kind::DeviceDeleted, .path = path + "/virtio-backend"});
    }
    machine_.tell({.kind = MachineEvent::Kind::DeviceDeleted, .device = device.id, .path = path});
}

} // namespace ulna::system
