// What a board has in snapshots.
#include "runtime/system/board.h"

namespace ulna::system {

using devices::StatePart;
using devices::StateVisitor;
using devices::virtio::VirtioDevice;

namespace {

template <class Part>
void add(std::vector<StatePart>& parts, std::string name, u32 version, Part& part) {
    parts.push_back(
        {std::move(name), version, [&part](StateVisitor& visit) { part.visit_state(visit); }});
}

std::string name_of(const VirtioDevice& device) {
    switch (device.id()) {
    case 1:
        return "virtio-net";
    case 2:
        return "virtio-blk";
    case 3:
        return "virtio-console";
    case 4:
        return "virtio-rng";
    case 5:
        return "virtio-balloon";
    case 8:
        return "virtio-scsi";
    case 9:
        return "virtio-9p";
    case 19:
        return "virtio-vsock";
    default:
        return "virtio device of type " + std::to_string(device.id());
    }
}

} // namespace

template <class Call> void Board::for_each_virtio(Call call) const {
    for (std::size_t n = 0; n < virtio_devices_.size(); ++n) {
        call(*virtio_devices_[n], "virtio-mmio " + std::to_string(n));
    }
    for (std::size_t n = 0; n < pci_devices_.size(); ++n) {
        call(*pci_devices_[n]->device, "virtio-pci " + std::to_string(n));
    }
}

void Board::describe_devices(
    std::vector<std::pair<std::string, std::string>>& configuration) const {
    for_each_virtio([&](const VirtioDevice& device, const std::string& place) {
        const std::string identity = device.identity();
        configuration.emplace_back(place + ":",
                                   name_of(device) + (identity.empty() ? "" : " ") + identity);
    });
    configuration.emplace_back("places on PCI:", pci_places());
}

std::string Board::why_not_saved() const {
    std::string why_not = semihosting_ != nullptr ? semihosting_->why_no_snapshot() : "";
    for_each_virtio([&](const VirtioDevice& device, const std::string&) {
        why_not = why_not.empty() ? device.why_not_saved() : why_not;
    });
    return why_not;
}

std::string Board::why_not_loaded() const {
    std::string why_not = semihosting_ != nullptr ? semihosting_->why_no_snapshot() : "";
    for_each_virtio([&](const VirtioDevice& device, const std::string&) {
        why_not = why_not.empty() ? device.why_not_loaded() : why_not;
    });
    return why_not;
}

void Board::drain() {
    for_each_virtio([](VirtioDevice& device, const std::string&) { device.drain(); });
}

void Board::add_state(std::vector<StatePart>& parts) {
    for (std::size_t n = 0; n < serials_.size(); ++n) {
        add(parts, n == 0 ? "uart" : "second uart", 1, *serials_[n].uart);
    }
    add(parts, "clock", 1, *clock_);
    add(parts, "pins", 1, *pins_);
    add(parts, "power key", 1, *power_key_);
    if (secure_pins_ != nullptr) {
        add(parts, "secure pins", 1, *secure_pins_);
    }
    add(parts, "fw_cfg", 1, *fw_cfg_);
    if (acpi_events_ != nullptr) {
        add(parts, "acpi events", 1, *acpi_events_);
    }
    for (std::size_t n = 0; n < flash_.size(); ++n) {
        add(parts, "flash " + std::to_string(n), 1, *flash_[n]);
    }
    if (semihosting_ != nullptr) {
        add(parts, "semihosting", 1, *semihosting_);
    }
    for (std::size_t n = 0; n < virtio_devices_.size(); ++n) {
        add(parts, "virtio-mmio " + std::to_string(n), 3, *virtio_slots_[n]);
    }
    add(parts, "media", 1, drives_);
    add(parts, "pci bridge", 2, *pci_);
    for (std::size_t n = 0; n < root_ports_.size(); ++n) {
        add(parts, "pci root port " + std::to_string(n), 2, *root_ports_[n].port);
    }
    for (std::size_t n = 0; n < pci_devices_.size(); ++n) {
        add(parts, "virtio-pci " + std::to_string(n), 3, *pci_devices_[n]->function);
    }
}

void Board::add_images(devices::StateImages& images) {
    for (std::size_t n = 0; n < flash_.size(); ++n) {
        images.push_back(flash_[n]->image("contents of flash " + std::to_string(n)));
    }
    for_each_virtio([&](VirtioDevice& device, const std::string& place) {
        device.add_images(images, "contents of " + place);
    });
}

void Board::forget_past() {
    for_each_virtio([](VirtioDevice& device, const std::string&) { device.forget_past(); });
}

void Board::go_on() {
    for (std::size_t n = 0; n < virtio_devices_.size(); ++n) {
        virtio_slots_[n]->driver()->go_on();
    }
    for (const auto& one : pci_devices_) {
        one->function->driver().go_on();
    }
}

} // namespace ulna::system
