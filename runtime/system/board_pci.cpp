// What a board has on PCI, from the beginning or from when it was plugged in.
#include "ir/support/check.h"
#include "runtime/devices/virt_map.h"
#include "runtime/system/board.h"

namespace ulna::system {

namespace virt = devices::virt;
namespace virtio = devices::virtio;
using devices::pci::PciHost;
using devices::pci::RootPort;

// The host bridge is always there, as firmware and kernels look for what is on it. Ports come
// before other devices, which may be behind them.
void Board::add_pci(const SystemOptions& options) {
    const std::lock_guard lock{machine_.lock()};
    InterruptController& gic = machine_.gic();
    std::array<devices::InterruptLine*, PciHost::kLines> lines{};
    for (unsigned n = 0; n < lines.size(); ++n) {
        lines[n] = &gic.spi(virt::spi::kPcie + n);
    }
    pci_ = std::make_unique<PciHost>(lines, gic.messages());
    devices::PhysicalMemory& memory = machine_.memory();
    memory.add_device(virt::kPcieEcam.base, virt::kPcieEcam.bytes, *pci_);
    for (const virt::Range range : {virt::kPcieMmio, virt::kPcieMmioHigh}) {
        memory.add_device(range.base, range.bytes, pci_->window(range.base));
    }
    for (const DeviceOption& device : options.devices) {
        if (device.kind == DeviceOption::Kind::RootPort) {
            add_port(device);
        }
    }
}

void Board::add_port(const DeviceOption& device) {
    root_ports_.push_back({device, std::make_unique<RootPort>(devices::pci::RootPortOptions{
                                       device.slot, device.port, device.hot_plug})});
    RootPort& port = *root_ports_.back().port;
    CHECK(pci_->plug_port(port, device.pci_place));
    if (device.has_other_functions) {
        port.show_others();
    }
    port.on_answer([this](devices::pci::PciFunction& function, bool lets_go) {
        take_answer(function, lets_go);
    });
}

RootPort* Board::find_port(const std::string& id) {
    const auto found =
        std::ranges::find(root_ports_, id, [](const Port& one) { return one.option.id; });
    return found == root_ports_.end() ? nullptr : found->port.get();
}

// With the machine's lock held.
virtio::PciTransport& Board::keep_pci(const DeviceOption& device, VirtioPointer made) {
    auto function = std::make_unique<virtio::PciTransport>(*made, machine_.memory());
    pci_devices_.push_back(
        std::make_unique<PciDevice>(PciDevice{device, std::move(function), std::move(made)}));
    return *pci_devices_.back()->function;
}

// The command line has made sure of places.
void Board::plug_pci(const DeviceOption& device, VirtioPointer made) {
    const std::lock_guard lock{machine_.lock()};
    virtio::PciTransport& function = keep_pci(device, std::move(made));
    if (device.has_other_functions) {
        function.show_others();
    }
    CHECK(device.pci_port.empty() ? pci_->plug(function, device.pci_place)
                                  : find_port(device.pci_port)->plug(function));
}

// --- while the machine runs

bool Board::plug_in(const DeviceOption& device,
                    const SystemOptions& options,
                    std::string& why_not) {
    VirtioPointer made = make_device(device, options, why_not);
    if (made == nullptr) {
        return false;
    }
    const std::lock_guard lock{machine_.lock()};
    CHECK(find_port(device.pci_port)->plug_in(keep_pci(device, std::move(made))));
    return true;
}

std::string Board::ask_to_let_go(const DeviceOption& device) {
    const std::lock_guard lock{machine_.lock()};
    RootPort& port = *find_port(device.pci_port);
    return port.plugged() != nullptr ? port.ask_to_let_go() : "it is gone already";
}

void Board::on_answers(std::function<void(std::unique_ptr<PciDevice>)> departure,
                       std::function<void(const DeviceOption&)> refusal) {
    on_departure_ = std::move(departure);
    on_refusal_ = std::move(refusal);
}

void Board::take_answer(devices::pci::PciFunction& function, bool lets_go) {
    const auto found = std::ranges::find_if(
        pci_devices_, [&](const auto& one) { return one->function.get() == &function; });
    CHECK(found != pci_devices_.end());
    if (!lets_go) {
        return on_refusal_((*found)->option);
    }
    std::unique_ptr<PciDevice> gone = std::move(*found);
    pci_devices_.erase(found);
    balloon_ = gone->device.get() == balloon_ ? nullptr : balloon_;
    scsi_buses_.erase(gone->option.bus);
    network_devices_.erase(qom_path(gone->option));
    on_departure_(std::move(gone));
}

void Board::destroy(std::unique_ptr<PciDevice> gone) {
    gone->device->drain();
    const std::lock_guard lock{machine_.lock()};
    gone.reset();
}

std::vector<Board::PciReport> Board::pci_functions() const {
    std::map<const devices::pci::PciFunction*, std::string> ids;
    for (const Port& one : root_ports_) {
        ids[one.port.get()] = one.option.id;
    }
    for (const auto& one : pci_devices_) {
        ids[one->function.get()] = one->option.id;
    }
    std::vector<PciReport> all;
    for (auto& slot : pci_->report()) {
        all.push_back({ids[slot.which], std::move(slot)});
    }
    return all;
}

namespace {

std::string place_of(const DeviceOption& device) {
    const auto place = device.pci_place.value_or(PciHost::Place{});
    return (device.pci_port.empty() ? "" : device.pci_port + ":") + std::to_string(place.slot) +
           "." + std::to_string(place.function);
}

} // namespace

std::string Board::pci_places() const {
    std::string places;
    for (const Port& one : root_ports_) {
        places +=
            (places.empty() ? "" : " ") + place_of(one.option) + " (port " + one.option.id + ")";
    }
    for (const auto& one : pci_devices_) {
        places += (places.empty() ? "" : " ") + place_of(one->option);
    }
    return places;
}

} // namespace ulna::system
