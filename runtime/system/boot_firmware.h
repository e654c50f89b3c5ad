// What firmware is told through fw_cfg: the machine's size, the kernel to boot, tables.
#pragma once

#include <string>
#include <vector>

#include "runtime/devices/fw_cfg.h"
#include "runtime/system/acpi/tables.h"
#include "runtime/system/boot.h"
#include "runtime/system/smbios.h"

namespace ulna::system {

struct FirmwareItem {             // -fw_cfg
    std::string name, text, file; // text or file
};

// False with a reason of one line. The kernel, initrd and command line are for firmware only: with
// BootRequest::has_firmware.
[[nodiscard]] bool add_firmware_items(devices::FwCfg& to,
                                      const BootRequest& request,
                                      const MachineDescription& machine,
                                      const std::vector<FirmwareItem>& items,
                                      std::string& why_not);

void add_acpi_files(devices::FwCfg& to,
                    const MachineDescription& machine,
                    const acpi::Identity& identity);
void add_smbios_files(devices::FwCfg& to,
                      const MachineDescription& machine,
                      const SmbiosOptions& options);

} // namespace ulna::system
