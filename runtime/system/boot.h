// From files to a machine that is ready to run: kernel, initial RAM disk and device tree in memory.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/devices/physical_memory.h"
#include "runtime/system/device_tree.h"

namespace ulna::system {

struct BootRequest {
    // Files; empty: none. Without a kernel, and with firmware, the first CPU starts at the flash.
    std::string kernel, initrd, device_tree;
    std::string command_line;
    // Flash holds firmware, which finds kernel, initrd and command line in fw_cfg.
    bool has_firmware = false;
    std::optional<u64> seed; // of kaslr-seed and rng-seed; random ones without it
};

struct BootState {
    u64 pc = 0; // of the first CPU, and its X0; X1 to X3 are zero
    u64 x0 = 0;
    bool is_linux = false; // by the boot protocol: starts at EL2 if there is one, else at EL1
    std::vector<u8> device_tree;
};

// Puts all into RAM, which is zeros so far; nothing, with a reason of one line, when that cannot
// be.
[[nodiscard]] std::optional<BootState> load_boot(const BootRequest& request,
                                                 const MachineDescription& machine,
                                                 const devices::PhysicalMemory& memory,
                                                 std::string& why_not);

// The machine's tree, completed, without loading anything: -machine dumpdtb.
[[nodiscard]] std::optional<std::vector<u8>> boot_device_tree(const BootRequest& request,
                                                              const MachineDescription& machine,
                                                              std::string& why_not);

} // namespace ulna::system
