// What firmware is told through fw_cfg: the machine's size, and the kernel to boot.
#pragma once

#include <string>
#include <vector>

#include "runtime/devices/fw_cfg.h"
#include "runtime/system/boot.h"

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

} // namespace ulna::system
