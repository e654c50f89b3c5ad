#include "runtime/system/board.h"

#include <fcntl.h>

#include <algorithm>

#include "ir/support/check.h"
#include "runtime/devices/console.h"
#include "runtime/devices/virt_map.h"
#include "runtime/devices/virtio/console_device.h"
#include "runtime/devices/virtio/p9_device.h"
#include "runtime/devices/virtio/rng.h"
#include "runtime/devices/virtio/vhost_user.h"
#include "runtime/devices/virtio/vsock.h"
#include "runtime/system/characters.h"
#include "runtime/system/option_by_id.h"

namespace ulna::system {

namespace virt = devices::virt;
namespace virtio = devices::virtio;

namespace {
// Flash that has something in it is where the first CPU starts, unless a kernel is loaded directly.
bool has_firmware(const SystemOptions& options) {
    return !options.firmware.empty() ||
           std::ranges::any_of(options.drives, [](const DriveOption& drive) {
               return drive.interface == DriveOption::Interface::Pflash && drive.unit == 0;
           });
}

} // namespace

BootRequest boot_request(const SystemOptions& options) {
    return {.kernel = options.kernel,
            .initrd = options.initrd,
            .device_tree = options.device_tree,
            .command_line = options.command_line,
            .has_firmware = has_firmware(options),
            .seed = options.seed};
}

MachineDescription describe(const SystemOptions& options) {
    MachineDescription machine{.ram_bytes = options.ram_bytes,
                               .topology = options.topology,
                               .has_el2 = options.el2,
                               .has_el3 = options.el3,
                               .has_second_uart = options.serials.size() > 1,
                               .psci = psci_method(options.el2, options.el3, has_firmware(options)),
                               .gic = options.gic,
                               .has_its = options.its,
                               .has_pcie = true};
    machine.cpus.clear();
    for (unsigned i = 0; i < options.cpus; ++i) {
        machine.cpus.push_back(cpu_affinity(options.gic, i));
    }
    return machine;
}

bool shares_ram(const SystemOptions& options) {
    return std::ranges::any_of(options.devices, [](const DeviceOption& device) {
        return device.kind == DeviceOption::Kind::VhostBlock ||
               device.kind == DeviceOption::Kind::VhostFolder;
    });
}

std::unique_ptr<Board>
Board::create(Machine& machine, const SystemOptions& options, std::string& why_not) {
    std::unique_ptr<Board> board{new Board{machine}};
    return board->build(options, why_not) ? std::move(board) : nullptr;
}

Board::~Board() {
    // Before what makes drivers reach them, as a disk's thread may be about to interrupt, and
    // before their event loop.
    virtio_devices_.clear();
    pci_devices_.clear();
}

bool Board::build(const SystemOptions& options, std::string& why_not) {
    {
        const std::lock_guard lock{machine_.lock()};
        if (!add_serials(options, why_not)) {
            return false;
        }
        add_clock_and_pins(options);
        if (!add_firmware(options, why_not)) {
            return false;
        }
    }
    add_pci(options);
    if (!add_devices(options, why_not)) {
        return false;
    }
    fill_slots();
    if (options.semihosting.enabled) {
        add_semihosting(options);
    }
    return true;
}

// The program sees its arguments, or else the kernel's file and command line.
void Board::add_semihosting(const SystemOptions& options) {
    std::vector<std::string> words = options.semihosting.arguments;
    if (words.empty()) {
        words = {options.kernel, options.command_line};
    }
    std::string line;
    for (const std::string& word : words) {
        line += line.empty() || word.empty() ? word : " " + word;
    }
    semihosting_ = std::make_unique<MachineSemihosting>(machine_, *clock_, line);
    machine_.set_semihosting(semihosting_.get());
}

bool Board::add_serial(const std::string& words,
                       virt::Range range,
                       unsigned spi,
                       devices::Space space,
                       std::string& why_not) {
    SerialPort port{open_characters(words, machine_, why_not), nullptr};
    if (port.line == nullptr) {
        return false;
    }
    if (devices::is_console(words)) {
        console_ = static_cast<devices::Console*>(port.line.get());
    }
    port.uart = std::make_unique<devices::Pl011>(*port.line, machine_.gic().spi(spi));
    machine_.memory().add_device(range.base, range.bytes, *port.uart, space);
    serials_.push_back(std::move(port));
    return true;
}

// With EL3 the second one is there for its firmware, asked for or not.
bool Board::add_serials(const SystemOptions& options, std::string& why_not) {
    const bool has_second = options.serials.size() > 1;
    using devices::Space;
    return add_serial(options.serials[0], virt::kUart, virt::spi::kUart, Space::NonSecure,
                      why_not) &&
           ((!has_second && !options.el3) ||
            add_serial(has_second ? options.serials[1] : "null", virt::kSecondUart,
                       virt::spi::kSecondUart, options.el3 ? Space::Secure : Space::NonSecure,
                       why_not));
}

void Board::flush() {
    for (const SerialPort& port : serials_) {
        port.line->flush();
    }
}

void Board::add_clock_and_pins(const SystemOptions& options) {
    constexpr i64 kNsPerSecond = 1'000'000'000;
    InterruptController& gic = machine_.gic();
    const i64 start = options.clock_start_s ? *options.clock_start_s * kNsPerSecond
                                            : static_cast<i64>(devices::realtime_ns()) +
                                                  options.clock_ahead_s * kNsPerSecond;
    clock_ = std::make_unique<devices::Pl031>(machine_.loop(), gic.spi(virt::spi::kRtc),
                                              static_cast<u64>(start));
    machine_.memory().add_device(virt::kRtc.base, virt::kRtc.bytes, *clock_);
    pins_ = std::make_unique<devices::Pl061>(gic.spi(virt::spi::kGpio));
    machine_.memory().add_device(virt::kGpio.base, virt::kGpio.bytes, *pins_);
    power_key_ =
        std::make_unique<devices::PowerKey>(machine_.loop(), pins_->pin(virt::kPowerKeyPin));
    if (options.el3) {
        add_secure_pins();
    }
}

void Board::add_secure_pins() {
    secure_pins_ = std::make_unique<devices::Pl061>(machine_.gic().spi(virt::spi::kSecureGpio));
    const auto connect = [&](unsigned pin, std::function<void()> act) {
        pin_actions_.push_back(std::make_unique<devices::PinAction>(std::move(act)));
        secure_pins_->connect_output(pin, *pin_actions_.back());
    };
    connect(virt::kPowerOffPin, [this] { machine_.power_off(Cause::GuestShutdown); });
    connect(virt::kRestartPin, [this] { machine_.request_reset(Cause::GuestReset); });
    machine_.memory().add_device(virt::kSecureGpio.base, virt::kSecureGpio.bytes, *secure_pins_,
                                 devices::Space::Secure);
}

void Board::press_power_key() {
    power_key_->press();
    if (acpi_events_ != nullptr) {
        acpi_events_->raise(devices::AcpiGed::kPowerButton);
    }
}

void Board::add_acpi(const SystemOptions& options) {
    add_acpi_files(*fw_cfg_, describe(options), options.acpi_identity);
    acpi_events_ = std::make_unique<devices::AcpiGed>(machine_.gic().spi(virt::spi::kAcpiGed));
    machine_.memory().add_device(virt::kAcpiGed.base, virt::kAcpiGed.bytes, *acpi_events_);
}

bool Board::add_firmware(const SystemOptions& options, std::string& why_not) {
    fw_cfg_ = std::make_unique<devices::FwCfg>(machine_.memory());
    if (options.acpi) {
        add_acpi(options);
    }
    add_smbios_files(*fw_cfg_, describe(options), options.smbios);
    if (!add_firmware_items(*fw_cfg_, boot_request(options), describe(options),
                            options.firmware_items, why_not)) {
        return false;
    }
    machine_.memory().add_device(virt::kFwCfg.base, virt::kFwCfg.bytes, *fw_cfg_);
    devices::FlashOptions banks[2];
    banks[0] = {.path = options.firmware, .read_only = true};
    for (const DriveOption& drive : options.drives) {
        if (drive.interface == DriveOption::Interface::Pflash && drive.unit < 2) {
            banks[drive.unit] = {.path = drive.file,
                                 .read_only = drive.read_only,
                                 .snapshot = drive.snapshot || options.snapshot};
        }
    }
    return add_flash(banks[0], 0, why_not) && add_flash(banks[1], 1, why_not);
}

bool Board::add_flash(const devices::FlashOptions& options, unsigned bank, std::string& why_not) {
    auto flash = devices::Flash::open(options, virt::kFlashBankBytes, why_not);
    if (flash == nullptr) {
        return false;
    }
    const devices::PhysAddr base = virt::kFlash.base + bank * virt::kFlashBankBytes;
    flash->on_change([this, base] { machine_.rom_changed(base, virt::kFlashBankBytes); });
    machine_.memory().add_device(base, virt::kFlashBankBytes, *flash);
    flash_.push_back(std::move(flash));
    return true;
}

bool Board::add_devices(const SystemOptions& options, std::string& why_not) {
    why_not = drives_.add_nodes(options.nodes, options.unnamed_nodes);
    if (!why_not.empty()) {
        why_not = "-blockdev: " + why_not;
        return false;
    }
    for (const DriveOption& drive : options.drives) {
        if (drive.interface == DriveOption::Interface::Virtio) {
            virtio_devices_.push_back(make_disk(drive, options.snapshot, why_not));
            if (virtio_devices_.back() == nullptr) {
                return false;
            }
        }
    }
    for (const DeviceOption& device : options.devices) {
        if (device.is_scsi_unit() || device.kind == DeviceOption::Kind::RootPort) {
            continue; // its bus brings it along, or it is one
        }
        VirtioPointer made = make_device(device, options, why_not);
        if (made == nullptr) {
            return false;
        }
        if (device.pci) {
            plug_pci(device, std::move(made));
        } else {
            virtio_devices_.push_back(std::move(made));
        }
    }
    return true;
}

Board::VirtioPointer
Board::make_device(const DeviceOption& device, const SystemOptions& options, std::string& why_not) {
    switch (device.kind) {
    case DeviceOption::Kind::Block:
        return make_disk(device, options, why_not);
    case DeviceOption::Kind::Net:
        return make_network(device, options, why_not);
    case DeviceOption::Kind::Rng:
        return std::make_unique<virtio::Rng>(options.seed);
    case DeviceOption::Kind::Console:
        return make_console(device, options, why_not);
    case DeviceOption::Kind::Folder:
        return make_folder(device, options, why_not);
    case DeviceOption::Kind::Vsock: {
        const std::lock_guard lock{machine_.lock()};
        return virtio::Vsock::open(machine_.loop(), device.path, device.guest_cid, why_not);
    }
    case DeviceOption::Kind::VhostBlock:
    case DeviceOption::Kind::VhostFolder:
        return make_vhost_user(device, options, why_not);
    case DeviceOption::Kind::Balloon:
        return make_balloon(device, options);
    case DeviceOption::Kind::Scsi:
        return make_scsi(device, options, why_not);
    case DeviceOption::Kind::ScsiDisk:
    case DeviceOption::Kind::ScsiCd:
    case DeviceOption::Kind::RootPort:
        break;
    }
    UNREACHABLE("a kind of device");
}

virtio::Worker::Place Board::worker_place() const {
    return machine_.loop().has_clock() ? virtio::Worker::Place::AtOnce
                                       : virtio::Worker::Place::Thread;
}

namespace {

// A descriptor stays the option's, whose next device needs it, too.
virtio::NetOptions with_own_descriptor(virtio::NetOptions network) {
    auto* const tap = std::get_if<virtio::TapNetOptions>(&network);
    auto* const stream = std::get_if<virtio::StreamNetOptions>(&network);
    int* const fd = tap != nullptr ? &tap->fd : stream != nullptr ? &stream->fd : nullptr;
    if (fd != nullptr && *fd >= 0) {
        fcntl(*fd, F_SETFD, FD_CLOEXEC);
        const int own = fcntl(*fd, F_DUPFD_CLOEXEC, 0);
        *fd = own >= 0 ? own : *fd; // or whoever opens it says what is wrong
    }
    return network;
}

} // namespace

Board::VirtioPointer Board::make_network(const DeviceOption& device,
                                         const SystemOptions& options,
                                         std::string& why_not) {
    const std::lock_guard lock{machine_.lock()};
    auto backend = virtio::open_net(
        machine_.loop(), with_own_descriptor(with_id(options.networks, device.network)->network),
        why_not);
    const virtio::MacAddress default_mac = board_mac(networks_++);
    if (backend == nullptr) {
        return nullptr;
    }
    auto made = std::make_unique<virtio::Net>(std::move(backend), device.mac.value_or(default_mac));
    network_devices_[qom_path(device)] = made.get();
    return made;
}

void Board::set_link(const DeviceOption& device, bool up) {
    const std::lock_guard lock{machine_.lock()};
    if (const auto found = network_devices_.find(qom_path(device));
        found != network_devices_.end()) {
        found->second->set_link(up);
    }
}

Board::VirtioPointer Board::make_balloon(const DeviceOption& device, const SystemOptions& options) {
    const std::lock_guard lock{machine_.lock()};
    auto balloon = std::make_unique<virtio::Balloon>(
        machine_.loop(), machine_.memory(), options.ram_bytes, device.balloon,
        [this](u64 ram_left) {
            machine_.tell({.kind = MachineEvent::Kind::BalloonChange, .ram_left = ram_left});
        });
    balloon_ = balloon.get();
    return balloon;
}

Board::VirtioPointer Board::make_console(const DeviceOption& device,
                                         const SystemOptions& options,
                                         std::string& why_not) {
    const std::lock_guard lock{machine_.lock()};
    const std::string& words = with_id(options.characters, device.characters)->words;
    auto backend = open_characters(words, machine_, why_not);
    return backend == nullptr ? nullptr
                              : std::make_unique<virtio::ConsoleDevice>(std::move(backend));
}

Board::VirtioPointer
Board::make_folder(const DeviceOption& device, const SystemOptions& options, std::string& why_not) {
    auto folder =
        virtio::SharedFolder::open(with_id(options.folders, device.folder)->folder, why_not);
    return folder == nullptr ? nullptr
                             : std::make_unique<virtio::P9Device>(std::move(folder), device.tag,
                                                                  machine_.lock(), worker_place());
}

Board::VirtioPointer Board::make_vhost_user(const DeviceOption& device,
                                            const SystemOptions& options,
                                            std::string& why_not) {
    const std::string path =
        with_id(options.characters, device.characters)->words.substr(std::size("unix:") - 1);
    const std::lock_guard lock{machine_.lock()};
    return device.kind == DeviceOption::Kind::VhostBlock
               ? virtio::VhostUser::open_block(machine_.loop(), machine_.memory(), path, why_not)
               : virtio::VhostUser::open_file_system(machine_.loop(), machine_.memory(), path,
                                                     device.tag, why_not);
}

// Drivers look at all slots.
void Board::fill_slots() {
    const std::lock_guard lock{machine_.lock()};
    for (unsigned n = 0; n < virt::kVirtioSlots; ++n) {
        virtio::VirtioDevice* const device =
            n < virtio_devices_.size() ? virtio_devices_[n].get() : nullptr;
        virtio_slots_.push_back(std::make_unique<virtio::MmioTransport>(
            device, machine_.memory(), machine_.gic().spi(virt::spi::kVirtio + n)));
        const virt::Range range = virt::virtio_slot(n);
        machine_.memory().add_device(range.base, range.bytes, *virtio_slots_.back());
    }
}

} // namespace ulna::system
