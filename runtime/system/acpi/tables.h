// The ACPI tables of a machine, as the three fw_cfg files from which firmware makes them: what the
// device tree says, for systems that ask for this instead.
#pragma once

#include <string>

#include "runtime/system/byte_writer.h"
#include "runtime/system/device_tree.h"

namespace ulna::system::acpi {

struct Files {
    // etc/acpi/tables has all but the RSDP one after the other, with offsets for pointers and zeros
    // for checksums; etc/table-loader says where they are.
    Bytes rsdp, tables, loader;
};

// Who made them, in each table's header; up to 6 and 8 characters.
struct Identity {
    std::string oem = "BOCHS ", table = "BXPC    "; // QEMU's
};

[[nodiscard]] Files make_tables(const MachineDescription& machine, const Identity& identity = {});

} // namespace ulna::system::acpi
