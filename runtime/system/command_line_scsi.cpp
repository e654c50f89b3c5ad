// Options for SCSI: buses, and what is on them. Names and places are given as QEMU gives them.
#include <algorithm>

#include "runtime/devices/scsi/bus.h"
#include "runtime/system/command_line_parse.h"

namespace ulna::system {

namespace {

using Kind = DeviceOption::Kind;
constexpr u64 kTargets = devices::scsi::kTargets, kUnits = devices::scsi::kUnits;

std::optional<u64> optional_number(Properties& properties, const char* key, u64 most) {
    return properties.has(key) ? std::optional{properties.number(key, 0, 0, most)} : std::nullopt;
}

std::string limited_text(Properties& properties, const std::string& key, std::size_t most) {
    const std::string text = properties.text(key);
    if (text.size() > most) {
        properties.fail(key + "=" + text + ": at most " + std::to_string(most) + " characters");
    }
    return text;
}

DeviceOption* find_bus(SystemOptions& options, const std::string& name) {
    const auto found = std::ranges::find_if(options.devices, [&](const DeviceOption& device) {
        return device.kind == Kind::Scsi && (name.empty() || device.bus == name);
    });
    return found != options.devices.end() ? &*found : nullptr;
}

// Those that have no name yet.
void name_buses(SystemOptions& options) {
    unsigned without_id = 0;
    for (DeviceOption& device : options.devices) {
        if (device.kind == Kind::Scsi && device.bus.empty()) {
            std::string name = device.id + ".0";
            while (device.id.empty() && (name == ".0" || find_bus(options, name) != nullptr)) {
                name = "scsi." + std::to_string(without_id++);
            }
            device.bus = name;
        }
    }
}

bool is_free(const SystemOptions& options, const std::string& bus, u64 target, u64 unit) {
    return std::ranges::none_of(options.devices, [&](const DeviceOption& device) {
        return device.is_scsi_unit() && device.bus == bus && device.place.target == target &&
               device.place.unit == unit;
    });
}

// The next free target, or the target's next free unit. False: there is none, or it is taken.
bool choose_place(const SystemOptions& options, DeviceOption& device) {
    const ScsiPlace asked = std::exchange(device.place, {}); // it is in nobody's way
    u64 target = asked.target.value_or(0), unit = asked.unit.value_or(0);
    while (!is_free(options, device.bus, target, unit)) {
        if (!asked.target && target + 1 < kTargets) {
            ++target;
        } else if (asked.target && !asked.unit && unit + 1 < kUnits) {
            ++unit;
        } else {
            return false;
        }
    }
    device.place = {target, unit};
    return true;
}

} // namespace

void set_scsi_bus(DeviceOption& device, Properties& properties) {
    device.hot_plug = properties.flag("hotplug", true);
    for (const char* const name : {"num_queues", "cmd_per_lun", "max_sectors", "param_change",
                                   "virtqueue_size", "seg_max_adjust"}) {
        properties.ignore(name);
    }
}

void set_scsi_unit(DeviceOption& device, Properties& properties) {
    const bool is_cd = device.kind == Kind::ScsiCd;
    devices::scsi::UnitOptions& unit = device.scsi;
    unit.type =
        is_cd ? devices::scsi::UnitOptions::Type::CdRom : devices::scsi::UnitOptions::Type::Disk;
    device.drive = is_cd ? properties.text("drive") : properties.required("drive");
    device.bus = properties.text("bus");
    (void)properties.number("channel", 0, 0, 0);
    device.place = {optional_number(properties, "scsi-id", kTargets - 1),
                    optional_number(properties, "lun", kUnits - 1)};
    unit.vendor = limited_text(properties, "vendor", 8);
    unit.product = limited_text(properties, "product", 16);
    unit.revision = limited_text(properties, "ver", 4);
    unit.serial = limited_text(properties, "serial", 36);
    unit.device_id = limited_text(properties, "device_id", 200);
    if (unit.device_id.empty()) {
        unit.device_id = unit.serial.empty() ? device.drive : unit.serial.substr(0, 20);
    }
    unit.wwn = properties.number("wwn", 0, 0, ~u64{0});
    unit.removable = properties.flag("removable");
    unit.rotation_rate = static_cast<u16>(properties.number("rotation_rate", 0, 0, 0xffff));
    for (const char* const name :
         {"write-cache", "share-rw", "dpofua", "rerror", "werror", "discard_granularity",
          "min_io_size", "opt_io_size", "max_io_size", "max_unmap_size", "port_index", "port_wwn",
          "scsi_version"}) {
        properties.ignore(name);
    }
}

void place_scsi_units(CommandLineParse& parse) {
    name_buses(parse.options);
    for (DeviceOption& device : parse.options.devices) {
        if (!device.is_scsi_unit()) {
            continue;
        }
        const std::string what =
            device.kind == Kind::ScsiCd ? "-device scsi-cd" : "-device scsi-hd";
        const DeviceOption* const bus = find_bus(parse.options, device.bus);
        if (bus == nullptr) {
            parse.fail(what + (device.bus.empty()
                                   ? ": no SCSI bus; -device virtio-scsi-pci makes one"
                                   : ": bus=" + device.bus + ": no such SCSI bus"));
            return;
        }
        device.bus = bus->bus;
        if (!choose_place(parse.options, device)) {
            parse.fail(what + ": the place on bus " + device.bus + " is taken");
            return;
        }
    }
}

} // namespace ulna::system
