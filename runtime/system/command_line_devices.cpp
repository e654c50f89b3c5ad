// The options that add devices, and what is behind them.
#include <algorithm>
#include <charconv>

#include "runtime/devices/virt_map.h"
#include "runtime/system/command_line_parse.h"
#include "runtime/system/properties.h"

namespace ulna::system {

namespace {

void finish(CommandLineParse& parse, const std::string& option, Properties& properties) {
    if (const std::string error = properties.finish(); !error.empty()) {
        parse.fail(option + " " + error);
    }
}

// "52:54:00:12:34:56"; nothing for a multicast address.
std::optional<std::array<u8, 6>> parse_mac(const std::string& text) {
    std::array<u8, 6> mac{};
    if (text.size() != 17 || text.find_first_not_of("0123456789abcdefABCDEF:") != text.npos) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < mac.size(); ++i) {
        const char* const at = text.data() + 3 * i;
        if (std::from_chars(at, at + 2, mac[i], 16).ptr != at + 2 || (i < 5 && at[2] != ':')) {
            return std::nullopt;
        }
    }
    return (mac[0] & 1) == 0 ? std::optional(mac) : std::nullopt;
}

devices::virtio::UserNetOptions user_network(Properties& properties) {
    devices::virtio::UserNetOptions to;
    for (const std::string& text : properties.texts("hostfwd")) {
        if (const auto forward = devices::virtio::parse_host_forward(text)) {
            to.forwards.push_back(*forward);
        } else {
            properties.fail("hostfwd=" + text + ": such as tcp::2222-:22");
        }
    }
    to.restricted = properties.flag("restrict");
    to.ipv6 = properties.flag("ipv6", true);
    (void)properties.flag("ipv4", true);
    return to;
}

// Tuning and PCI addresses: nothing that a guest sees of this machine's devices.
void ignore_tuning(Properties& properties) {
    for (const char* const name :
         {"bus", "addr", "bootindex", "disable-legacy", "disable-modern", "iommu_platform",
          "romfile", "packed", "event_idx", "indirect_desc", "num-queues", "mq", "vectors",
          "iothread", "queue-size", "rx_queue_size", "tx_queue_size", "max-bytes", "period"}) {
        properties.ignore(name);
    }
}

struct Driver {
    const char* name; // also with "-device" and "-pci" behind it
    DeviceOption::Kind kind;
};
constexpr Driver kDrivers[] = {
    {"virtio-blk", DeviceOption::Kind::Block},
    {"virtio-net", DeviceOption::Kind::Net},
    {"virtio-rng", DeviceOption::Kind::Rng},
};

const Driver* find_driver(std::string name) {
    for (const std::string suffix : {"-device", "-pci", "-pci-non-transitional"}) {
        if (name.ends_with(suffix)) {
            name.resize(name.size() - suffix.size());
            break;
        }
    }
    const auto* const found =
        std::find_if(std::begin(kDrivers), std::end(kDrivers),
                     [&](const Driver& driver) { return name == driver.name; });
    return found != std::end(kDrivers) ? found : nullptr;
}

std::string driver_list() {
    std::string list;
    for (const Driver& driver : kDrivers) {
        list += (list.empty() ? "" : ", ") + std::string(driver.name) + "-device";
    }
    return list;
}

void set_mac(DeviceOption& device, Properties& properties) {
    if (properties.has("mac")) {
        const std::string text = properties.text("mac");
        device.mac = parse_mac(text);
        if (!device.mac) {
            properties.fail("mac=" + text + ": such as 52:54:00:12:34:56");
        }
    }
}

template <class Options> bool has_id(const std::vector<Options>& all, const std::string& id) {
    return std::any_of(all.begin(), all.end(), [&](const Options& one) { return one.id == id; });
}

} // namespace

void add_drive(CommandLineParse& parse, const std::string& value) {
    Properties properties(value, "file");
    DriveOption drive;
    const std::size_t interface =
        properties.choice("if", {"virtio", "pflash", "none"}, std::size_t{0});
    drive.interface = static_cast<DriveOption::Interface>(interface);
    drive.id = properties.text("id");
    drive.file = properties.text("file");
    drive.unit = static_cast<unsigned>(
        properties.number("unit", properties.number("index", ~0u, 0, 1000), 0, 1000));
    drive.read_only = properties.flag("read-only", properties.flag("readonly"));
    drive.snapshot = properties.flag("snapshot");
    (void)properties.choice("format", {"raw"}, 0);
    (void)properties.choice("media", {"disk", "cdrom"}, 0);
    for (const char* const name :
         {"cache", "aio", "discard", "detect-zeroes", "werror", "rerror"}) {
        properties.ignore(name);
    }
    if (drive.file.empty()) {
        properties.fail("needs file=");
    }
    if (!drive.id.empty() && has_id(parse.options.drives, drive.id)) {
        properties.fail("id=" + drive.id + ": there is another one");
    }
    if (drive.interface == DriveOption::Interface::Pflash) {
        const auto& drives = parse.options.drives;
        if (drive.unit == ~0u) { // the next one
            drive.unit = static_cast<unsigned>(
                std::count_if(drives.begin(), drives.end(), [](const DriveOption& other) {
                    return other.interface == DriveOption::Interface::Pflash;
                }));
        }
        if (drive.unit > 1) {
            properties.fail("if=pflash: there are two banks, unit=0 and unit=1");
        }
    } else if (drive.unit == ~0u) {
        drive.unit = 0;
    }
    parse.options.drives.push_back(drive);
    finish(parse, "-drive", properties);
}

void add_device(CommandLineParse& parse, const std::string& value) {
    if (value == "help" || value == "?") {
        parse.answer("Devices (-device name,property=value...):\n  " + driver_list() + "\n");
        return;
    }
    Properties properties(value, "driver");
    const std::string name = properties.text("driver");
    const Driver* const driver = find_driver(name);
    if (driver == nullptr) {
        parse.fail("-device " + name + ": no such device; there are " + driver_list());
        return;
    }
    DeviceOption device;
    device.kind = driver->kind;
    device.id = properties.text("id");
    ignore_tuning(properties);
    switch (device.kind) {
    case DeviceOption::Kind::Block:
        device.drive = properties.text("drive");
        device.serial = properties.text("serial");
        if (device.drive.empty()) {
            properties.fail(name + ": needs drive=");
        }
        break;
    case DeviceOption::Kind::Net:
        device.network = properties.text("netdev");
        set_mac(device, properties);
        if (device.network.empty()) {
            properties.fail(name + ": needs netdev=");
        }
        break;
    case DeviceOption::Kind::Rng:
        properties.ignore("rng"); // the host's random numbers in any case
        break;
    }
    parse.options.devices.push_back(device);
    finish(parse, "-device", properties);
}

void add_network(CommandLineParse& parse, const std::string& value) {
    Properties properties(value, "type");
    (void)properties.choice("type", {"user"}, 0);
    NetworkOption network{properties.text("id"), user_network(properties)};
    if (network.id.empty()) {
        properties.fail("needs id=");
    } else if (has_id(parse.options.networks, network.id)) {
        properties.fail("id=" + network.id + ": there is another one");
    }
    parse.options.networks.push_back(std::move(network));
    finish(parse, "-netdev", properties);
}

// A network and its device in one.
void add_nic(CommandLineParse& parse, const std::string& value) {
    if (value == "none") {
        return;
    }
    Properties properties(value, "type");
    (void)properties.choice("type", {"user"}, 0);
    (void)properties.choice("model", {"virtio-net-device", "virtio-net-pci", "virtio"}, 0);
    const std::string id =
        properties.text("id", "nic" + std::to_string(parse.options.networks.size()));
    DeviceOption device{.kind = DeviceOption::Kind::Net, .network = id};
    set_mac(device, properties);
    parse.options.networks.push_back({id, user_network(properties)});
    parse.options.devices.push_back(device);
    finish(parse, "-nic", properties);
}

void add_firmware_item(CommandLineParse& parse, const std::string& value) {
    constexpr std::size_t kMostName = 55; // of the directory's 56 bytes
    Properties properties(value, "name");
    FirmwareItem item{properties.text("name"), properties.text("string"), properties.text("file")};
    if (item.name.empty() || item.name.size() > kMostName) {
        properties.fail("needs a name of 1 to 55 characters");
    } else if (item.text.empty() == item.file.empty()) {
        properties.fail("needs either string= or file=");
    }
    parse.options.firmware_items.push_back(std::move(item));
    finish(parse, "-fw_cfg", properties);
}

void add_object(CommandLineParse& parse, const std::string& value) {
    const std::string type = value.substr(0, value.find(','));
    // What they ask for is so anyway: random numbers are the host's, memory is a memfd.
    for (const char* const known : {"rng-random", "rng-builtin", "memory-backend-memfd"}) {
        if (type == known) {
            return;
        }
    }
    parse.fail("-object " + type + ": no such object");
}

void add_serial(CommandLineParse& parse, const std::string& value) {
    for (const char* const known : {"stdio", "mon:stdio", "null", "none"}) {
        if (value == known) {
            parse.options.serials.push_back(value);
            return;
        }
    }
    constexpr std::string_view kFile = "file:";
    if (!value.starts_with(kFile) || value.size() == kFile.size()) {
        parse.fail("-serial " + value + ": stdio, mon:stdio, file:PATH or null");
    }
    parse.options.serials.push_back(value);
}

void check_devices(CommandLineParse& parse) {
    const SystemOptions& options = parse.options;
    std::vector<std::string> used;
    std::size_t slots = 0;
    for (const DriveOption& drive : options.drives) {
        slots += drive.interface == DriveOption::Interface::Virtio;
    }
    for (const DeviceOption& device : options.devices) {
        ++slots;
        const bool is_block = device.kind == DeviceOption::Kind::Block;
        const std::string& id = is_block ? device.drive : device.network;
        if (device.kind == DeviceOption::Kind::Rng) {
            continue;
        }
        const bool is_there =
            is_block ? std::any_of(options.drives.begin(), options.drives.end(),
                                   [&](const DriveOption& drive) {
                                       return drive.id == id &&
                                              drive.interface == DriveOption::Interface::None;
                                   })
                     : has_id(options.networks, id);
        if (!is_there) {
            parse.fail(
                "-device: " + std::string(is_block ? "drive=" : "netdev=") + id +
                (is_block ? ": no -drive with this id and if=none" : ": no -netdev with this id"));
        } else if (std::find(used.begin(), used.end(), id) != used.end()) {
            parse.fail("-device: " + id + " is used twice");
        }
        used.push_back(id);
    }
    if (slots > devices::virt::kVirtioSlots) {
        parse.fail("more virtio devices than the machine's 32 slots");
    }
}

} // namespace ulna::system
