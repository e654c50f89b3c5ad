// SMBIOS tables (DMTF's DSP0134, version 3.0): what dmidecode shows, and where guests such as
// cloud-init and systemd look for settings. Firmware makes them of two fw_cfg files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/system/byte_writer.h"
#include "runtime/system/device_tree.h"
#include "runtime/system/uuid.h"

namespace ulna::system {

// What -smbios and -uuid say. Texts that are empty are "Not Specified".
namespace smbios {

struct Bios { // type 0: instead of firmware's own
    std::string vendor, version, date;
    u8 major = 0, minor = 0;
    bool is_uefi = false;
};
struct System { // type 1
    std::string manufacturer = "QEMU", product = "QEMU Virtual Machine", version = "virt-10.0",
                serial, sku, family;
    Uuid uuid{};
};
struct Board { // type 2
    std::string manufacturer = "QEMU", product = "QEMU Virtual Machine", version = "virt-10.0",
                serial, asset, location;
};
struct Chassis { // type 3
    std::string manufacturer = "QEMU", version = "virt-10.0", serial, asset, sku;
};
struct Processor { // type 4
    std::string socket_prefix = "CPU", manufacturer = "QEMU", version = "virt-10.0", serial, asset,
                part;
    u64 id = 0;
    u16 most_mhz = 2000, mhz = 2000;
};
struct Memory { // type 17
    std::string locator_prefix = "DIMM", bank, manufacturer = "QEMU", serial, asset, part;
    u16 speed = 0;
};

} // namespace smbios

struct SmbiosOptions {
    std::optional<smbios::Bios> bios;
    smbios::System system;
    std::optional<smbios::Board> board;
    smbios::Chassis chassis;
    smbios::Processor processor;
    std::vector<std::string> oem_strings; // type 11
    smbios::Memory memory;
};

struct SmbiosFiles {
    Bytes anchor, tables; // etc/smbios/smbios-anchor, etc/smbios/smbios-tables
};
[[nodiscard]] SmbiosFiles make_smbios(const MachineDescription& machine,
                                      const SmbiosOptions& options);

} // namespace ulna::system
