// What a machine has besides CPUs, memory and interrupt controller, as its command line says: the
// devices of QEMU's `virt`, each at its place (devices/virt_map.h).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/devices/acpi_ged.h"
#include "runtime/devices/character_backend.h"
#include "runtime/devices/console.h"
#include "runtime/devices/flash.h"
#include "runtime/devices/fw_cfg.h"
#include "runtime/devices/pci/pci_host.h"
#include "runtime/devices/pin_action.h"
#include "runtime/devices/pl011.h"
#include "runtime/devices/pl031.h"
#include "runtime/devices/pl061.h"
#include "runtime/devices/power_key.h"
#include "runtime/devices/state_image.h"
#include "runtime/devices/virt_map.h"
#include "runtime/devices/virtio/mmio_transport.h"
#include "runtime/devices/virtio/net.h"
#include "runtime/devices/virtio/pci_transport.h"
#include "runtime/devices/virtio/worker.h"
#include "runtime/system/block_drives.h"
#include "runtime/system/command_line.h"
#include "runtime/system/machine.h"
#include "runtime/system/machine_semihosting.h"

namespace ulna::system {

// How the kernel is found and what the tree says, from the same options.
[[nodiscard]] BootRequest boot_request(const SystemOptions& options);
[[nodiscard]] MachineDescription describe(const SystemOptions& options);
// Whether other processes serve devices, and so need the machine's RAM.
[[nodiscard]] bool shares_ram(const SystemOptions& options);

// Of the n-th network device if the user gives none: as QEMU's, as guests remember interfaces so.
[[nodiscard]] constexpr std::array<u8, 6> board_mac(unsigned n) {
    return {0x52, 0x54, 0, 0x12, 0x34, static_cast<u8>(0x56 + n)};
}

class Board {
    using VirtioPointer = std::unique_ptr<devices::virtio::VirtioDevice>;

  public:
    // Null, with a reason of one line. Lives as long as the machine runs; destroyed without the
    // lock.
    [[nodiscard]] static std::unique_ptr<Board>
    create(Machine& machine, const SystemOptions& options, std::string& why_not);
    ~Board();
    Board(const Board&) = delete;
    Board& operator=(const Board&) = delete;

    // For snapshots (board_state.cpp), with the machine's lock held but for drain().
    // What devices there are: names and values.
    void describe_devices(std::vector<std::pair<std::string, std::string>>& configuration) const;
    // In a line; empty: there is no reason.
    [[nodiscard]] std::string why_not_saved() const;
    [[nodiscard]] std::string why_not_loaded() const;
    void drain(); // until nothing is on its way from back ends to the guest
    void add_state(std::vector<devices::StatePart>& parts);
    void add_images(devices::StateImages& images);
    void forget_past(); // after one was loaded
    void go_on();       // after one was made, loaded or refused

    // With the machine's lock held.
    void press_power_key(); // on a pin, and as ACPI tells of it: a guest listens to one of both
    void flush();
    [[nodiscard]] devices::virtio::Balloon* balloon() { return balloon_; } // null: there is none
    // The terminal, if a serial port is on it.
    [[nodiscard]] devices::Console* console() { return console_; }
    // What is on PCI, with the names of -device (empty: it has none).
    struct PciReport {
        std::string id;
        devices::pci::PciHost::Report slot;
    };
    [[nodiscard]] std::vector<PciReport> pci_functions() const;
    [[nodiscard]] BlockDrives& drives() { return drives_; } // any time

    // --- what comes and goes while the machine runs (hot_plug.h)
    // Held by who changes what devices there are, and by who needs them to stay; taken before that
    // of drives and the machine's.
    [[nodiscard]] std::mutex& change_lock() { return change_lock_; }
    // A device on a port that is free; `options` have what it names. False, with a reason.
    [[nodiscard]] bool
    plug_in(const DeviceOption& device, const SystemOptions& options, std::string& why_not);
    // Or why the guest cannot be asked, in a line.
    [[nodiscard]] std::string ask_to_let_go(const DeviceOption& device);
    struct PciDevice {
        DeviceOption option;
        std::unique_ptr<devices::virtio::PciTransport> function;
        VirtioPointer device; // goes first: its thread may be about to interrupt
    };
    // Told with the machine's lock held when a guest has let go of a device, which is on no bus any
    // more, or does not want to.
    void on_answers(std::function<void(std::unique_ptr<PciDevice>)> departure,
                    std::function<void(const DeviceOption&)> refusal);
    void destroy(std::unique_ptr<PciDevice> gone);
    // A disk or CD drive on a SCSI bus. False, with a reason.
    [[nodiscard]] bool
    add_unit(const DeviceOption& device, const SystemOptions& options, std::string& why_not);
    void remove_unit(const DeviceOption& device);
    // Plugs the cable of a network device in or out; nothing, if it has just gone.
    void set_link(const DeviceOption& device, bool up);

  private:
    explicit Board(Machine& machine) : machine_{machine}, drives_{machine} {}
    [[nodiscard]] bool build(const SystemOptions& options, std::string& why_not);
    [[nodiscard]] bool add_serial(const std::string& words,
                                  devices::virt::Range range,
                                  unsigned spi,
                                  devices::Space space,
                                  std::string& why_not);
    [[nodiscard]] bool add_serials(const SystemOptions& options, std::string& why_not);
    void add_clock_and_pins(const SystemOptions& options);
    void add_secure_pins();
    [[nodiscard]] devices::virtio::Worker::Place worker_place() const;
    void add_semihosting(const SystemOptions& options);
    void add_acpi(const SystemOptions& options);
    [[nodiscard]] bool add_firmware(const SystemOptions& options, std::string& why_not);
    [[nodiscard]] bool
    add_flash(const devices::FlashOptions& options, unsigned bank, std::string& why_not);
    [[nodiscard]] bool add_devices(const SystemOptions& options, std::string& why_not);
    // Null, with a reason, when what is behind the device cannot be had.
    [[nodiscard]] VirtioPointer
    make_device(const DeviceOption& device, const SystemOptions& options, std::string& why_not);
    // board_disks.cpp
    // A drive with its image, by its name or its node's; false with a reason.
    [[nodiscard]] bool add_drive(const std::string& id,
                                 BlockDrive drive,
                                 const SystemOptions& options,
                                 std::string& why_not);
    [[nodiscard]] bool
    open_drive(const DriveOption& option, BlockDrive drive, bool snapshot, std::string& why_not);
    [[nodiscard]] VirtioPointer
    make_disk(const DriveOption& drive, bool snapshot, std::string& why_not);
    [[nodiscard]] VirtioPointer
    make_disk(const DeviceOption& device, const SystemOptions& options, std::string& why_not);
    [[nodiscard]] VirtioPointer make_block(const std::string& serial);
    [[nodiscard]] VirtioPointer
    make_scsi(const DeviceOption& device, const SystemOptions& options, std::string& why_not);
    [[nodiscard]] std::unique_ptr<devices::scsi::LogicalUnit>
    make_unit(const DeviceOption& device, const SystemOptions& options, std::string& why_not);
    [[nodiscard]] VirtioPointer
    make_network(const DeviceOption& device, const SystemOptions& options, std::string& why_not);
    [[nodiscard]] VirtioPointer make_balloon(const DeviceOption& device,
                                             const SystemOptions& options);
    [[nodiscard]] VirtioPointer
    make_console(const DeviceOption& device, const SystemOptions& options, std::string& why_not);
    [[nodiscard]] VirtioPointer
    make_folder(const DeviceOption& device, const SystemOptions& options, std::string& why_not);
    [[nodiscard]] VirtioPointer
    make_vhost_user(const DeviceOption& device, const SystemOptions& options, std::string& why_not);
    void fill_slots();
    void add_pci(const SystemOptions& options);
    void add_port(const DeviceOption& device);
    void plug_pci(const DeviceOption& device, VirtioPointer made);
    devices::virtio::PciTransport& keep_pci(const DeviceOption& device, VirtioPointer made);
    [[nodiscard]] devices::pci::RootPort* find_port(const std::string& id);
    void take_answer(devices::pci::PciFunction& function, bool lets_go);
    [[nodiscard]] std::string pci_places() const; // as snapshots have them
    // Every virtio device, with its place as a snapshot names it.
    template <class Call> void for_each_virtio(Call call) const;

    Machine& machine_;
    struct SerialPort {
        std::unique_ptr<devices::CharacterBackend> line;
        std::unique_ptr<devices::Pl011> uart;
    };
    std::vector<SerialPort> serials_;
    devices::Console* console_ = nullptr;
    std::unique_ptr<devices::Pl031> clock_;
    std::unique_ptr<devices::Pl061> pins_;
    // For Secure firmware, by which it switches the machine off and resets it; null: no EL3.
    std::vector<std::unique_ptr<devices::PinAction>> pin_actions_;
    std::unique_ptr<devices::Pl061> secure_pins_;
    std::unique_ptr<devices::PowerKey> power_key_;
    std::unique_ptr<devices::AcpiGed> acpi_events_; // null: no ACPI
    std::unique_ptr<devices::FwCfg> fw_cfg_;
    std::vector<std::unique_ptr<devices::Flash>> flash_;
    std::unique_ptr<MachineSemihosting> semihosting_;
    unsigned networks_ = 0;
    devices::virtio::Balloon* balloon_ = nullptr;
    BlockDrives drives_;
    std::map<std::string, devices::virtio::Scsi*> scsi_buses_;
    std::map<std::string, devices::virtio::Net*> network_devices_; // by path
    std::unique_ptr<devices::pci::PciHost> pci_;
    std::vector<std::unique_ptr<devices::virtio::MmioTransport>> virtio_slots_;
    struct Port {
        DeviceOption option;
        std::unique_ptr<devices::pci::RootPort> port;
    };
    std::vector<Port> root_ports_;
    std::mutex change_lock_;
    std::function<void(std::unique_ptr<PciDevice>)> on_departure_;
    std::function<void(const DeviceOption&)> on_refusal_;
    // Go first: their threads may be about to interrupt.
    std::vector<VirtioPointer> virtio_devices_;
    std::vector<std::unique_ptr<PciDevice>> pci_devices_;
};

} // namespace ulna::system
