// A board's disks.
#include "runtime/devices/virtio/block.h"
#include "runtime/devices/virtio/scsi.h"
#include "runtime/system/board.h"
#include "runtime/system/option_by_id.h"

namespace ulna::system {

namespace scsi = devices::scsi;
namespace virtio = devices::virtio;

std::unique_ptr<virtio::BlockBackend>
Board::open_drive(const DriveOption& drive, bool snapshot, std::string& why_not) {
    auto backend = virtio::open_block_backend({.path = drive.file,
                                               .read_only = drive.read_only,
                                               .snapshot = drive.snapshot || snapshot,
                                               .format = drive.format},
                                              why_not);
    if (backend != nullptr) {
        disks_.push_back({drive.id.empty() ? "virtio" + std::to_string(disks_.size()) : drive.id,
                          drive.file, backend->format(), backend->bytes(), backend->read_only()});
    }
    return backend;
}

Board::VirtioPointer Board::make_disk(const DriveOption& drive,
                                      const std::string& serial,
                                      bool snapshot,
                                      std::string& why_not) {
    auto backend = open_drive(drive, snapshot, why_not);
    return backend == nullptr ? nullptr
                              : std::make_unique<virtio::Block>(std::move(backend), serial,
                                                                machine_.lock(), worker_place());
}

Board::VirtioPointer
Board::make_scsi(const DeviceOption& device, const SystemOptions& options, std::string& why_not) {
    auto bus = std::make_unique<scsi::Bus>();
    for (const DeviceOption& other : options.devices) {
        if (!other.is_scsi_unit() || other.bus != device.bus) {
            continue;
        }
        auto unit = make_unit(other, options, why_not);
        if (unit == nullptr) {
            return nullptr;
        }
        bus->add({static_cast<u8>(*other.place.target), static_cast<u16>(*other.place.unit)},
                 std::move(unit));
    }
    return std::make_unique<virtio::Scsi>(std::move(bus), machine_.lock(), worker_place());
}

std::unique_ptr<scsi::LogicalUnit>
Board::make_unit(const DeviceOption& device, const SystemOptions& options, std::string& why_not) {
    const bool is_cd = device.kind == DeviceOption::Kind::ScsiCd;
    DriveOption drive =
        device.drive.empty() ? DriveOption{} : *with_id(options.drives, device.drive);
    drive.read_only |= is_cd;
    std::unique_ptr<virtio::BlockBackend> medium;
    if (drive.file.empty()) {
        disks_.push_back({.name = drive.id});
    } else {
        medium = open_drive(drive, options.snapshot, why_not);
        if (medium == nullptr) {
            return nullptr;
        }
    }
    disks_.back().removable = is_cd || device.scsi.removable;
    return std::make_unique<scsi::LogicalUnit>(device.scsi, std::move(medium));
}

} // namespace ulna::system
