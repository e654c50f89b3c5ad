// The options that add devices, and whether what they name is there.
#include <algorithm>
#include <charconv>

#include "runtime/devices/virt_map.h"
#include "runtime/system/command_line_parse.h"
#include "runtime/system/device_types.h"
#include "runtime/system/properties.h"

namespace ulna::system {

namespace {

using Kind = DeviceOption::Kind;

struct Driver {
    const char* name; // of a virtio device: and "-device" or "-pci" behind it
    Kind kind;
    bool is_on_other = false; // it is a part of another device
};
constexpr Driver kDrivers[] = {
    {"virtio-blk", Kind::Block},
    {"virtio-net", Kind::Net},
    {"virtio-rng", Kind::Rng},
    {"virtio-balloon", Kind::Balloon},
    {"virtio-scsi", Kind::Scsi},
    {"scsi-hd", Kind::ScsiDisk, true},
    {"scsi-cd", Kind::ScsiCd, true},
    {"virtconsole", Kind::Console, true},
    {"virtio-9p", Kind::Folder},
    {"virtio-vsock", Kind::Vsock},
    {"vhost-user-blk", Kind::VhostBlock},
    {"vhost-user-fs", Kind::VhostFolder},
    {"pcie-root-port", Kind::RootPort, true},
};

const Driver* find_driver(const std::string& name) {
    const auto* const found =
        std::find_if(std::begin(kDrivers), std::end(kDrivers),
                     [&](const Driver& driver) { return name == driver.name; });
    return found != std::end(kDrivers) ? found : nullptr;
}

std::string driver_list() {
    std::string list;
    for (const Driver& driver : kDrivers) {
        list += (list.empty() ? "" : ", ") + std::string(driver.name) +
                (driver.is_on_other ? "" : "-device");
    }
    return list;
}

// Takes away what says how drivers reach a device.
bool take_pci(std::string& name) {
    for (const std::string suffix : {"-pci", "-pci-non-transitional", "-device"}) {
        if (name.ends_with(suffix)) {
            name.resize(name.size() - suffix.size());
            return suffix != "-device";
        }
    }
    return false;
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

// Tuning and PCI addresses: nothing that a guest sees of this machine's devices.
void ignore_tuning(Properties& properties) {
    for (const char* const name :
         {"bus", "addr", "bootindex", "disable-legacy", "disable-modern", "iommu_platform",
          "romfile", "packed", "event_idx", "indirect_desc", "num-queues", "mq", "vectors",
          "iothread", "queue-size", "rx_queue_size", "tx_queue_size", "max-bytes", "period"}) {
        properties.ignore(name);
    }
}

void set_properties(DeviceOption& device, Properties& properties) {
    switch (device.kind) {
    case Kind::Block:
        device.drive = properties.required("drive");
        device.serial = properties.text("serial");
        break;
    case Kind::Net:
        device.network = properties.required("netdev");
        set_mac(device, properties);
        break;
    case Kind::Rng:
        properties.ignore("rng"); // the host's random numbers in any case
        break;
    case Kind::Console:
        device.characters = properties.required("chardev");
        properties.ignore("name");
        break;
    case Kind::Folder:
        device.folder = properties.required("fsdev");
        device.tag = properties.required("mount_tag");
        break;
    case Kind::Vsock:
        device.path = properties.required("path");
        device.guest_cid = properties.number("guest-cid", 3, 3, 0xffff'fffe);
        break;
    case Kind::VhostBlock:
        device.characters = properties.required("chardev");
        break;
    case Kind::VhostFolder:
        device.characters = properties.required("chardev");
        device.tag = properties.required("tag");
        break;
    case Kind::Balloon:
        device.balloon = {.deflates_without_memory = properties.flag("deflate-on-oom"),
                          .reports_free_pages = properties.flag("free-page-reporting")};
        break;
    case Kind::Scsi:
        set_scsi_bus(device, properties);
        break;
    case Kind::ScsiDisk:
    case Kind::ScsiCd:
        set_scsi_unit(device, properties);
        break;
    case Kind::RootPort:
        set_root_port(device, properties);
        break;
    }
}

void take_all(const Driver& driver, DeviceOption& device, Properties& properties) {
    device.kind = driver.kind;
    device.id = properties.text("id");
    ignore_tuning(properties);
    device.pci |= driver.kind == Kind::RootPort;
    if (device.pci) {
        set_pci_place(device, properties);
    }
    set_properties(device, properties);
}

// What a device names, which has to be there and be nobody else's.
struct Reference {
    std::string name; // "drive=hd0"
    bool is_there = true;
    const char* missing = "";
};

template <class Options> bool has_id(const std::vector<Options>& all, const std::string& id) {
    return std::any_of(all.begin(), all.end(), [&](const Options& one) { return one.id == id; });
}

bool has_node(const SystemOptions& options, const std::string& name) {
    return std::ranges::any_of(options.nodes,
                               [&](const BlockNodeOptions& node) { return node.name == name; });
}

// Only a CD drive does without a file.
bool has_free_drive(const SystemOptions& options, const std::string& id, bool needs_file = true) {
    return has_node(options, id) ||
           std::any_of(options.drives.begin(), options.drives.end(), [&](const DriveOption& drive) {
               return drive.id == id && drive.interface == DriveOption::Interface::None &&
                      (!needs_file || !drive.file.empty());
           });
}

// What a back end in another process listens at.
bool has_client_socket(const SystemOptions& options, const std::string& id) {
    return std::any_of(options.characters.begin(), options.characters.end(),
                       [&](const CharacterOption& one) {
                           return one.id == id && one.words.starts_with("unix:") &&
                                  one.words.find(",server=on") == std::string::npos;
                       });
}

Reference reference_of(const DeviceOption& device, const SystemOptions& options) {
    switch (device.kind) {
    case Kind::Block:
        return {"drive=" + device.drive, has_free_drive(options, device.drive),
                "-drive with this id and if=none, nor -blockdev"};
    case Kind::ScsiDisk:
    case Kind::ScsiCd:
        if (device.drive.empty()) {
            return {};
        }
        return {"drive=" + device.drive,
                has_free_drive(options, device.drive, device.kind == Kind::ScsiDisk),
                "-drive with this id and if=none, nor -blockdev"};
    case Kind::Net:
        return {"netdev=" + device.network, has_id(options.networks, device.network),
                "-netdev with this id"};
    case Kind::Console:
        return {"chardev=" + device.characters, has_id(options.characters, device.characters),
                "-chardev with this id"};
    case Kind::Folder:
        return {"fsdev=" + device.folder, has_id(options.folders, device.folder),
                "-fsdev with this id"};
    case Kind::Vsock:
        return {"path=" + device.path};
    case Kind::VhostBlock:
    case Kind::VhostFolder:
        return {"chardev=" + device.characters, has_client_socket(options, device.characters),
                "-chardev socket,path= with this id"};
    case Kind::Rng:
    case Kind::Balloon:
    case Kind::Scsi:
    case Kind::RootPort:
        break;
    }
    return {};
}

void check_references(CommandLineParse& parse) {
    using Devices = std::vector<DeviceOption>;
    const Devices& devices = parse.options.devices;
    if (std::ranges::count(devices, Kind::Balloon, &DeviceOption::kind) > 1) {
        parse.fail("-device: there is one balloon at most");
    }
    std::vector<std::string> used;
    for (const DeviceOption& device : parse.options.devices) {
        const Reference to = reference_of(device, parse.options);
        if (!to.is_there) {
            parse.fail("-device: " + to.name + ": no " + to.missing);
        } else if (!to.name.empty() && std::find(used.begin(), used.end(), to.name) != used.end()) {
            parse.fail("-device: " + to.name + " is used twice");
        }
        used.push_back(to.name);
    }
}

// "loader": no device, but what is loaded beside kernel and firmware.
void add_load_item(CommandLineParse& parse, Properties& properties) {
    LoadItem item;
    item.file = properties.text("file");
    item.raw = properties.flag("force-raw");
    if (properties.has("addr")) {
        item.address = properties.number("addr", 0, 0, ~u64{0});
    }
    if (properties.has("data")) {
        u64 data = properties.number("data", 0, 0, ~u64{0});
        const u64 bytes = properties.number("data-len", 0, 1, 8);
        data = properties.flag("data-be") ? __builtin_bswap64(data << (64 - 8 * bytes)) : data;
        const auto* const first = reinterpret_cast<const u8*>(&data);
        item.data.assign(first, first + bytes);
        if (!item.file.empty() || bytes == 0) {
            properties.fail("data= goes with data-len=, and without file=");
        }
    }
    const bool names_cpu = properties.has("cpu-num");
    if (properties.number("cpu-num", 0, 0, 63) != 0) {
        properties.fail("cpu-num: only CPU 0 can be told where it starts");
    }
    item.starts = names_cpu && item.data.empty();
    if (item.file.empty() && !item.address) {
        properties.fail("file= or addr= is needed");
    }
    parse.options.load_items.push_back(item);
    parse.finish("-device loader:", properties);
}

} // namespace

void set_mac(DeviceOption& device, Properties& properties) {
    if (properties.has("mac")) {
        const std::string text = properties.text("mac");
        device.mac = parse_mac(text);
        if (!device.mac) {
            properties.fail("mac=" + text + ": such as 52:54:00:12:34:56");
        }
    }
}

std::vector<DeviceType> device_types() {
    std::vector<DeviceType> all;
    for (const Driver& driver : kDrivers) {
        Properties properties{std::vector<Properties::Item>{}};
        DeviceOption device;
        take_all(driver, device, properties);
        const auto add = [&](const char* suffix, const char* parent) {
            all.push_back({driver.name + std::string(suffix), parent, properties.known()});
        };
        if (driver.is_on_other) {
            add("", device.pci ? "pci-device" : device.is_scsi_unit() ? "scsi-device" : "device");
        } else {
            add("-device", "virtio-device");
            add("-pci", "virtio-pci");
            add("-pci-non-transitional", "virtio-pci");
        }
    }
    return all;
}

void add_device(CommandLineParse& parse, const std::string& value) {
    if (runtime::asks_for_help(value)) {
        parse.answer(
            "Devices (-device name,property=value...), with -pci instead of -device to be on "
            "PCI:\n  " +
            driver_list() +
            "\nAnd loader (file=, addr=, data=, data-len=, cpu-num=), which fills memory\n");
        return;
    }
    Properties properties = Properties::of_option(value, "driver");
    const std::string full_name = properties.required("driver");
    if (full_name.empty()) {
        return parse.finish("-device", properties);
    }
    std::string name = full_name;
    if (name == "loader") {
        add_load_item(parse, properties);
        return;
    }
    DeviceOption device;
    device.pci = take_pci(name);
    if (name == "virtio-serial") { // the bus of virtconsole, which needs none here
        return;
    }
    const Driver* const driver = find_driver(name);
    if (driver == nullptr) {
        parse.fail("-device " + full_name + ": no such device; there are " + driver_list());
        return;
    }
    device.driver = full_name;
    take_all(*driver, device, properties);
    if (!device.id.empty() && has_id(parse.options.devices, device.id)) {
        properties.fail("id=" + device.id + ": there is another one");
    }
    parse.options.add(device);
    parse.finish("-device " + full_name + ":", properties);
}

void check_devices(CommandLineParse& parse) {
    std::size_t slots = 0;
    for (const DriveOption& drive : parse.options.drives) {
        slots += drive.interface == DriveOption::Interface::Virtio;
    }
    for (const DeviceOption& device : parse.options.devices) {
        slots += device.is_scsi_unit() || device.pci ? 0 : 1;
    }
    if (slots > devices::virt::kVirtioSlots) {
        parse.fail("more virtio devices than the machine's 32 slots");
    }
    check_references(parse);
    place_pci_devices(parse);
    place_scsi_units(parse);
}

} // namespace ulna::system
