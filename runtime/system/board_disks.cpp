// A board's disks.
#include <algorithm>

#include "runtime/devices/virtio/block.h"
#include "runtime/devices/virtio/scsi.h"
#include "runtime/system/board.h"
#include "runtime/system/option_by_id.h"

namespace ulna::system {

namespace scsi = devices::scsi;
namespace virtio = devices::virtio;

namespace {

scsi::Address address_of(const DeviceOption& unit) {
    return {static_cast<u8>(*unit.place.target), static_cast<u16>(*unit.place.unit)};
}

} // namespace

bool Board::open_drive(const DriveOption& option,
                       BlockDrive drive,
                       bool snapshot,
                       std::string& why_not) {
    drive.name = option.id;
    if (drive.name.empty()) {
        drive.name = "virtio" + std::to_string(drives_.drives().size());
    }
    drive.reads_only |= option.read_only;
    why_not = option.file.empty() ? drives_.attach(drive)
                                  : drives_.add(drive, {.path = option.file,
                                                        .read_only = drive.reads_only,
                                                        .snapshot = option.snapshot || snapshot,
                                                        .format = option.format,
                                                        .policy = option.policy});
    return why_not.empty();
}

bool Board::add_drive(const std::string& id,
                      BlockDrive drive,
                      const SystemOptions& options,
                      std::string& why_not) {
    if (!id.empty() && !drives_.has_node(id)) {
        return open_drive(*with_id(options.drives, id), std::move(drive), options.snapshot,
                          why_not);
    }
    drive.node = id;
    why_not = drives_.attach(std::move(drive));
    why_not = why_not.empty() ? "" : "-device drive=" + id + ": " + why_not;
    return why_not.empty();
}

Board::VirtioPointer Board::make_block(const std::string& serial) {
    return std::make_unique<virtio::Block>(drives_.last_image(), serial, machine_.lock(),
                                           worker_place());
}

Board::VirtioPointer
Board::make_disk(const DriveOption& drive, bool snapshot, std::string& why_not) {
    return open_drive(drive, {}, snapshot, why_not) ? make_block("") : nullptr;
}

Board::VirtioPointer
Board::make_disk(const DeviceOption& device, const SystemOptions& options, std::string& why_not) {
    return add_drive(device.drive, {.device = drive_place(device)}, options, why_not)
               ? make_block(device.serial)
               : nullptr;
}

Board::VirtioPointer
Board::make_scsi(const DeviceOption& device, const SystemOptions& options, std::string& why_not) {
    auto bus = std::make_unique<scsi::Bus>();
    std::vector<std::pair<std::string, scsi::Address>> drives;
    for (const DeviceOption& other : options.devices) {
        if (!other.is_scsi_unit() || other.bus != device.bus) {
            continue;
        }
        auto unit = make_unit(other, options, why_not);
        if (unit == nullptr) {
            return nullptr;
        }
        const scsi::Address at = address_of(other);
        drives.emplace_back(device_name(other), at);
        bus->add(at, std::move(unit));
    }
    auto made = std::make_unique<virtio::Scsi>(std::move(bus), machine_.lock(), worker_place(),
                                               device.hot_plug);
    for (const auto& [name, at] : drives) {
        drives_.set_bus(name, *made, at);
    }
    const std::lock_guard lock{machine_.lock()};
    scsi_buses_[device.bus] = made.get();
    return made;
}

bool Board::add_unit(const DeviceOption& device,
                     const SystemOptions& options,
                     std::string& why_not) {
    auto unit = make_unit(device, options, why_not);
    if (unit == nullptr) {
        return false;
    }
    const scsi::Address at = address_of(device);
    virtio::Scsi* bus = nullptr;
    {
        const std::lock_guard lock{machine_.lock()};
        const auto found = scsi_buses_.find(device.bus);
        bus = found != scsi_buses_.end() ? found->second : nullptr;
        if (bus != nullptr) {
            bus->add(at, std::move(unit));
        }
    }
    if (bus == nullptr) {
        drives_.detach(device_name(device));
        why_not = "Bus '" + device.bus + "' not found";
        return false;
    }
    drives_.set_bus(device_name(device), *bus, at);
    return true;
}

// A command that is carried out is waited for.
void Board::remove_unit(const DeviceOption& device) {
    drives_.detach(device_name(device));
    std::unique_ptr<scsi::LogicalUnit> unit; // goes without the lock
    const std::lock_guard lock{machine_.lock()};
    if (const auto bus = scsi_buses_.find(device.bus); bus != scsi_buses_.end()) {
        unit = bus->second->remove(address_of(device));
    }
}

std::unique_ptr<scsi::LogicalUnit>
Board::make_unit(const DeviceOption& device, const SystemOptions& options, std::string& why_not) {
    const bool is_cd = device.kind == DeviceOption::Kind::ScsiCd;
    const BlockDrive drive{.device = device_name(device),
                           .is_removable = is_cd || device.scsi.removable,
                           .reads_only = is_cd};
    return add_drive(device.drive, drive, options, why_not)
               ? std::make_unique<scsi::LogicalUnit>(device.scsi, drives_.last_image())
               : nullptr;
}

} // namespace ulna::system
