// What the monitor says of a machine that does not change.
#define FMT_HEADER_ONLY
#include <fmt/format.h>

#include <algorithm>

#include "runtime/system/monitor.h"
#include "runtime/system/pseudo_terminals.h"
#include "runtime/version.h"

namespace ulna::system {

namespace {

namespace virtio = devices::virtio;

const char* kind_of(const virtio::NetOptions& network) {
    return std::holds_alternative<virtio::StreamNetOptions>(network)     ? "stream"
           : std::holds_alternative<virtio::DatagramNetOptions>(network) ? "dgram"
           : std::holds_alternative<virtio::TapNetOptions>(network)      ? "tap"
                                                                         : "user";
}

std::string describe(const virtio::NetOptions& network) {
    const auto* const user = std::get_if<virtio::UserNetOptions>(&network);
    return user == nullptr
               ? ""
               : fmt::format(",net=10.0.2.0,restrict={}", user->restricted ? "on" : "off");
}

std::string class_name(u32 class_code) {
    switch (class_code >> 8) {
    case 0x0100:
        return "SCSI controller";
    case 0x0200:
        return "Ethernet controller";
    case 0x0600:
        return "Host bridge";
    case 0x0604:
        return "PCI bridge";
    default:
        return fmt::format("Class {:04}", class_code >> 8);
    }
}

std::string describe(const devices::pci::PciFunction::Region& region) {
    const std::string what =
        fmt::format("      BAR{}: {} bit {}memory", region.bar, region.is_64_bit ? 64 : 32,
                    region.is_prefetchable ? "prefetchable " : "");
    return region.address ? fmt::format("{} at 0x{:x} [0x{:x}].\n", what, *region.address,
                                        *region.address + region.bytes - 1)
                          : what + " (not mapped)\n";
}

std::string describe(const devices::pci::RootPort::Bus& bus) {
    return fmt::format("      BUS {}.\n      secondary bus {}.\n      subordinate bus {}.\n"
                       "      IO range [0xf000, 0x0fff]\n      memory range [0x{:08x}, 0x{:08x}]\n"
                       "      prefetchable memory range [0x{:08x}, 0x{:08x}]\n",
                       bus.primary, bus.secondary, bus.subordinate, bus.base, bus.limit,
                       bus.prefetchable_base, bus.prefetchable_limit);
}

std::string describe(const Board::PciReport& one) {
    const auto& function = one.slot.function;
    const auto& identity = function.identity;
    std::string text =
        fmt::format("  Bus {:2}, device {:3}, function {}:\n    {}: PCI device {:04x}:{:04x}\n",
                    one.slot.bus, one.slot.slot, one.slot.function_number,
                    class_name(identity.class_code), identity.vendor, identity.device);
    if (!one.slot.port) {
        text += fmt::format("      PCI subsystem {:04x}:{:04x}\n", identity.subsystem_vendor,
                            identity.subsystem);
    }
    if (function.pin != 0) {
        text += fmt::format("      IRQ {}, pin {}\n", function.line,
                            static_cast<char>('A' + function.pin - 1));
    }
    if (one.slot.port) {
        text += describe(*one.slot.port);
    }
    for (const auto& region : function.regions) {
        text += describe(region);
    }
    return text + fmt::format("      id \"{}\"\n", one.id);
}

} // namespace

std::string Monitor::info_version(const Words&) { return "ulna-system " ULNA_VERSION "\n"; }

std::string Monitor::info_name(const Words&) {
    const std::string name = control_.options().name;
    return name.empty() ? "" : name + "\n";
}

std::string Monitor::info_uuid(const Words&) {
    return print_uuid(control_.options().smbios.system.uuid) + "\n";
}

std::string Monitor::info_chardev(const Words&) {
    std::vector<std::string> all;
    const SystemOptions options = control_.options();
    for (const auto* const list : {&options.lines, &options.characters}) {
        for (const CharacterOption& one : *list) {
            all.push_back(fmt::format("{}: filename={}\n", one.id, shown_place(one.words)));
        }
    }
    std::ranges::sort(all);
    return fmt::format("{}", fmt::join(all, ""));
}

std::string Monitor::info_network(const Words&) {
    const SystemOptions options = control_.options();
    std::string text;
    for (const DeviceOption& device : options.devices) {
        if (device.kind != DeviceOption::Kind::Net) {
            continue;
        }
        text += fmt::format("{}: index=0,type=nic,model={},macaddr={:02x}\n",
                            device.id.empty() ? device.driver : device.id, device.driver,
                            fmt::join(*device.mac, ":"));
        const auto network =
            std::ranges::find(options.networks, device.network, &NetworkOption::id);
        text += fmt::format(" \\ {}: index=0,type={}{}\n", device.network,
                            kind_of(network->network), describe(network->network));
    }
    return text;
}

std::string Monitor::info_pci(const Words&) {
    std::string text;
    for (const Board::PciReport& one : control_.pci_functions()) {
        text += describe(one);
    }
    return text;
}

// By buses, as far as there are any.
std::string Monitor::info_qtree(const Words&) {
    const SystemOptions options = control_.options();
    std::string text = "bus: main-system-bus\n  type System\n";
    const auto line = [](const DeviceOption& device) {
        return fmt::format("dev: {}, id \"{}\"\n", device.driver, device.id);
    };
    for (const DeviceOption& device : options.devices) {
        if (device.is_scsi_unit()) {
            continue;
        }
        text += "  " + line(device);
        for (const auto& [name, value] : {std::pair{"drive", &device.drive},
                                          {"netdev", &device.network},
                                          {"chardev", &device.characters},
                                          {"fsdev", &device.folder}}) {
            text += value->empty() ? "" : fmt::format("    {} = \"{}\"\n", name, *value);
        }
        if (device.kind != DeviceOption::Kind::Scsi) {
            continue;
        }
        text += fmt::format("    bus: {}\n      type SCSI\n", device.bus);
        for (const DeviceOption& unit : options.devices) {
            if (unit.is_scsi_unit() && unit.bus == device.bus) {
                text += "      " + line(unit);
                text +=
                    fmt::format("        scsi-id = {}\n        lun = {}\n        drive = \"{}\"\n",
                                *unit.place.target, *unit.place.unit, unit.drive);
            }
        }
    }
    return text;
}

std::string Monitor::info_blockstats(const Words&) {
    using Counters = virtio::BlockCounters;
    const std::vector<NodeReport> nodes = control_.drives().nodes();
    std::string text;
    for (const DriveReport& report : control_.drives().drives()) {
        const auto node = std::ranges::find_if(
            nodes, [&](const NodeReport& one) { return one.options.name == report.drive.node; });
        const Counters none;
        const Counters& counters =
            node != nodes.end() && node->image != nullptr ? node->image->counters() : none;
        const auto read = counters.of(Counters::Read), written = counters.of(Counters::Write),
                   flushed = counters.of(Counters::Flush);
        text += fmt::format(
            "{}: rd_bytes={} wr_bytes={} rd_operations={} wr_operations={} flush_operations={} "
            "wr_total_time_ns={} rd_total_time_ns={} flush_total_time_ns={} rd_merged=0 "
            "wr_merged=0\n",
            report.drive.label(), read.bytes, written.bytes, read.operations, written.operations,
            flushed.operations, written.ns, read.ns, flushed.ns);
    }
    return text;
}

} // namespace ulna::system
