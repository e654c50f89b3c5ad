// Places on PCI: the first bus (pcie.0), and those behind root ports.
#include <algorithm>
#include <charconv>

#include "runtime/system/command_line_parse.h"

namespace ulna::system {

namespace {

using Kind = DeviceOption::Kind;
using Place = devices::pci::PciHost::Place;
constexpr unsigned kSlots = devices::pci::PciHost::kSlots,
                   kFunctions = devices::pci::PciHost::kFunctions;
constexpr std::string_view kRootBus = "pcie.0";

// "0x1" or "1.2": a slot, and perhaps a function; hexadecimal.
std::optional<Place> parse_place(std::string_view text) {
    const auto number = [](std::string_view digits, unsigned most) -> std::optional<unsigned> {
        digits.remove_prefix(digits.starts_with("0x") ? 2 : 0);
        unsigned value = 0;
        const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
        return end.ec == std::errc{} && end.ptr == digits.data() + digits.size() && value < most
                   ? std::optional{value}
                   : std::nullopt;
    };
    const std::size_t dot = text.find('.');
    const auto slot = number(text.substr(0, dot), kSlots);
    const auto function = dot == text.npos ? 0 : number(text.substr(dot + 1), kFunctions);
    return slot && function ? std::optional{Place{*slot, *function}} : std::nullopt;
}

bool is_on_root_bus(const DeviceOption& device) { return device.pci && device.pci_port.empty(); }

std::string name_of(const Place& place) {
    return std::to_string(place.slot) + "." + std::to_string(place.function);
}

const DeviceOption* find(const std::vector<DeviceOption>& devices, const Place& place) {
    const auto found = std::ranges::find_if(devices, [&](const DeviceOption& device) {
        return is_on_root_bus(device) && device.pci_place && device.pci_place->slot == place.slot &&
               device.pci_place->function == place.function;
    });
    return found == devices.end() ? nullptr : &*found;
}

bool is_free(const std::vector<DeviceOption>& devices, unsigned slot) {
    return std::ranges::none_of(devices, [&](const DeviceOption& device) {
        return is_on_root_bus(device) && device.pci_place && device.pci_place->slot == slot;
    });
}

void check_port(CommandLineParse& parse, const DeviceOption& device, const std::string& what) {
    const auto& devices = parse.options.devices;
    const auto is_port = [&](const DeviceOption& other) {
        return other.kind == Kind::RootPort && other.id == device.pci_port;
    };
    if (std::ranges::none_of(devices, is_port)) {
        parse.fail(what + "bus=" + device.pci_port +
                   ": no such PCI bus; -device pcie-root-port,id= makes one");
    } else if (std::ranges::count(devices, device.pci_port, &DeviceOption::pci_port) > 1) {
        parse.fail(what + "bus=" + device.pci_port + ": there is another device");
    } else if (device.kind == Kind::RootPort) {
        parse.fail(what + "bus=" + device.pci_port + ": a root port is on pcie.0");
    } else if (device.pci_place &&
               (device.pci_place->slot != 0 || device.pci_place->function != 0)) {
        parse.fail(what + "addr=" + name_of(*device.pci_place) +
                   ": a root port has one device, at 0");
    }
}

// Of one that says where it is to be on the first bus.
void check_place(CommandLineParse& parse, const DeviceOption& device, const std::string& what) {
    const auto& devices = parse.options.devices;
    const Place& place = *device.pci_place;
    const DeviceOption* const first = find(devices, {place.slot, 0});
    if (place.slot == 0 || find(devices, place) != &device) {
        parse.fail(what + "addr=" + name_of(place) + ": there is another device");
    } else if (first == nullptr || (place.function != 0 && !first->has_other_functions)) {
        parse.fail(what + "addr=" + name_of(place) +
                   ": function 0 of the slot has to be there, with multifunction=on");
    }
}

} // namespace

void set_pci_place(DeviceOption& device, Properties& properties) {
    const std::string bus = properties.text("bus"), place = properties.text("addr");
    device.pci_port = bus == kRootBus ? "" : bus;
    device.has_other_functions = properties.flag("multifunction");
    if (!place.empty()) {
        device.pci_place = parse_place(place);
        if (!device.pci_place) {
            properties.fail("addr=" + place + ": such as 0x5 or 0x5.0x1");
        }
    }
}

void set_root_port(DeviceOption& device, Properties& properties) {
    device.slot = static_cast<u16>(properties.number("slot", 0, 0, 0xffff));
    device.port = static_cast<u8>(properties.number("port", 0, 0, 0xff));
    (void)properties.number("chassis", 0, 0, 0xff); // no guest sees it
    device.hot_plug = properties.flag("hotplug", true);
    for (const char* const name :
         {"io-reserve", "mem-reserve", "pref32-reserve", "pref64-reserve", "x-speed", "x-width"}) {
        properties.ignore(name);
    }
}

void place_pci_devices(CommandLineParse& parse) {
    std::vector<DeviceOption>& devices = parse.options.devices;
    for (const DeviceOption& device : devices) {
        const std::string what = "-device " + device.driver + ": ";
        if (device.pci && !device.pci_port.empty()) {
            check_port(parse, device, what);
        } else if (device.pci && device.pci_place) {
            check_place(parse, device, what);
        }
    }
    unsigned slot = 1;
    for (DeviceOption& device : devices) {
        if (!is_on_root_bus(device) || device.pci_place) {
            continue;
        }
        while (slot < kSlots && !is_free(devices, slot)) {
            ++slot;
        }
        if (slot == kSlots) {
            parse.fail("more PCI devices than the machine's 31 slots");
            return;
        }
        device.pci_place = Place{slot, 0};
    }
}

} // namespace ulna::system
