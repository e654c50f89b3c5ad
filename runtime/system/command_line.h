// The command line of `ulna-system`, compatible with qemu-system-aarch64's as far as it goes. What
// is not understood is an error: a machine that silently lacks a part costs more time than a line
// that says so.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "frontend/frontend.h"
#include "runtime/debug/perf_files.h"
#include "runtime/devices/pci/pci_host.h"
#include "runtime/devices/scsi/logical_unit.h"
#include "runtime/devices/virtio/balloon.h"
#include "runtime/devices/virtio/block_backend.h"
#include "runtime/devices/virtio/net_options.h"
#include "runtime/devices/virtio/shared_folder.h"
#include "runtime/file_descriptor.h"

#include "runtime/system/acpi/tables.h"
#include "runtime/system/block_node_options.h"
#include "runtime/system/boot_firmware.h"
#include "runtime/system/device_tree.h"
#include "runtime/system/load_item.h"
#include "runtime/system/round_robin.h"
#include "runtime/system/smbios.h"
#include "runtime/tier2/policy.h"

namespace ulna::system {

struct DriveOption {
    enum class Interface : u8 { Virtio /* a device of its own */, Pflash, None };
    Interface interface = Interface::Virtio;
    std::string id, file; // no file: a CD drive without a medium
    unsigned unit = 0;    // of Pflash: which bank
    bool read_only = false, snapshot = false;
    devices::virtio::BlockFormat format = devices::virtio::BlockFormat::Detect;
    devices::virtio::BlockBackend::Policy policy;
};

struct NetworkOption { // -netdev
    std::string id;
    devices::virtio::NetOptions network;
    std::shared_ptr<runtime::FileDescriptor> descriptor; // that it has, if QMP passed it
};

struct FolderOption { // -fsdev local
    std::string id;
    devices::virtio::SharedFolder::Options folder;
};

struct CharacterOption { // -chardev
    std::string id;
    std::string words; // for make_character_backend
};

struct ObjectOption { // -object
    std::string type, id;
    u64 bytes = 0;    // of memory
    std::string file; // that has it, or a folder for such a file
};

struct ScsiPlace { // of a disk or CD drive on a bus; what is not said is the next free one
    std::optional<u64> target, unit;
};

struct DeviceOption {
    enum class Kind : u8 {
        Block,
        Net,
        Rng,
        Console,
        Folder,
        Vsock,
        VhostBlock,
        VhostFolder,
        Balloon,
        Scsi, // a bus
        ScsiDisk,
        ScsiCd,
        RootPort // a PCI bus
    };
    Kind kind = Kind::Block;
    bool pci = false; // else in a slot of virtio-mmio
    std::string driver, id;
    unsigned without_id = 0;                 // if it has none: which one of those
    std::string drive, serial;               // Block: of a drive of Interface::None, or a node
    std::string network;                     // Net: the id of a network
    std::optional<std::array<u8, 6>> mac;    // Net
    std::string characters;                  // Console, Vhost*: the id of a character device
    std::string folder, tag;                 // Folder: the id of a folder; its name in the guest
    std::string path;                        // Vsock: the host's socket
    u64 guest_cid = 3;                       // Vsock
    devices::virtio::BalloonOptions balloon; // Balloon
    std::string bus;                         // Scsi: its name; units: where they are
    devices::scsi::UnitOptions scsi;         // units; ScsiCd may have no drive
    ScsiPlace place;                         // units; all of it is there after parsing

    // On PCI: the id of the root port that it is behind (empty: none), and where it is on the bus;
    // that is there after parsing.
    std::string pci_port;
    std::optional<devices::pci::PciHost::Place> pci_place;
    bool has_other_functions = false; // in its slot
    u16 slot = 0;                     // RootPort: numbers that the guest sees
    u8 port = 0;                      // RootPort
    bool hot_plug = true;             // RootPort, Scsi: what is on the bus may come and go

    [[nodiscard]] bool is_scsi_unit() const {
        return kind == Kind::ScsiDisk || kind == Kind::ScsiCd;
    }
};

// Its place in QEMU's tree of objects, and how it is named where an id does.
[[nodiscard]] std::string qom_path(const DeviceOption& device);
[[nodiscard]] std::string device_name(const DeviceOption& device);
[[nodiscard]] std::string drive_place(const DeviceOption& device); // where its drive is

struct SemihostingOption {
    bool enabled = false;
    std::vector<std::string> arguments;
};

struct SystemOptions {
    bool has_board = true; // else -machine none: nothing that could run, for those who ask QMP
    GicVersion gic = GicVersion::V3;
    bool el2 = false, el3 = false, its = true;
    bool acpi = true;  // tables in fw_cfg, and a device that tells of the power key
    bool tags = false; // memory has allocation tags
    acpi::Identity acpi_identity;
    SmbiosOptions smbios;
    std::string dump_device_tree; // write it there and exit
    std::string cpu = "max";
    frontend::CpuModel cpu_model = frontend::default_cpu();
    unsigned cpus = 1;
    CpuTopology topology;
    u64 ram_bytes = u64{1} << 30;

    std::string kernel, initrd, command_line, device_tree, firmware;

    std::vector<DriveOption> drives;
    std::vector<BlockNodeOptions> nodes; // -blockdev, those below others first
    unsigned unnamed_nodes = 0;
    std::vector<NetworkOption> networks;
    std::vector<FolderOption> folders;
    std::vector<CharacterOption> characters;
    std::vector<ObjectOption> objects;
    std::vector<DeviceOption> devices;
    unsigned devices_without_id = 0; // so far
    std::vector<LoadItem> load_items;
    std::vector<FirmwareItem> firmware_items;
    std::vector<std::string> serials;   // one or two, for make_character_backend
    std::string monitor;                // likewise; empty: on the console with Ctrl-A C
    std::vector<std::string> qmp;       // likewise: where its clients are
    std::vector<CharacterOption> lines; // all of those, with the names that people know them by

    std::string name;           // -name
    std::string pid_file;       // empty: none
    std::string memory_backend; // -machine memory-backend=: the id of an object
    bool daemonize = false;
    bool has_defaults = true; // else -nodefaults
    bool snapshot = false, no_reboot = false, no_shutdown = false, start_stopped = false;
    std::string load_snapshot, snapshot_folder; // empty: none; the current one
    std::string gdb;                            // "tcp::1234"; empty: no debugger
    SemihostingOption semihosting;
    std::optional<u64> seed;
    // What -rtc base= says: how far the clock is ahead of the host's UTC, or where it starts (in
    // seconds since 1970).
    i64 clock_ahead_s = 0;
    std::optional<i64> clock_start_s;
    bool clock_is_given = false;                     // one of the two above
    bool clock_is_hosts = false;                     // -rtc clock=host
    std::optional<InstructionTime> instruction_time; // -icount

    u32 log_items = 0;
    std::string log_file, log_filter;
    bool stats = false, interpreter_engine = false, tier0 = true;
    runtime::debug::PerfFiles perf; // -perfmap, -jitdump
    runtime::TierTwo tier2 = runtime::TierTwo::Server;
    u64 code_cache_mib = 0; // 0: the default
    bool persistent_cache = true;
    std::string cache_directory; // empty: the user's

    void add(DeviceOption device) {
        device.without_id = device.id.empty() ? devices_without_id++ : 0;
        devices.push_back(std::move(device));
    }
};

struct SystemCommandLine {
    SystemOptions options;
    // Set: print this and exit with the status (-help, -version, -cpu help, errors).
    std::optional<int> exit_status;
    std::string message; // help to standard output, errors to standard error
};

// Where -machine memory-backend= has its memory; empty: in no file.
[[nodiscard]] std::string memory_file(const SystemOptions& options);

[[nodiscard]] SystemCommandLine parse_system_command_line(int argc, const char* const* argv);

} // namespace ulna::system
