// The DSDT: the devices that no bus tells of, in AML.
#pragma once

#include "runtime/system/byte_writer.h"
#include "runtime/system/device_tree.h"

namespace ulna::system::acpi {

// Without a table's header.
[[nodiscard]] Bytes dsdt_body(const MachineDescription& machine);

} // namespace ulna::system::acpi
