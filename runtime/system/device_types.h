// Which devices -device makes, and what it knows of each.
#pragma once

#include <string>
#include <vector>

#include "runtime/system/properties.h"

namespace ulna::system {

struct DeviceType {
    std::string name;
    const char* parent; // as QEMU's types have them: "virtio-pci", "virtio-device", "scsi-device"
    std::vector<Properties::Known> properties;
};
[[nodiscard]] std::vector<DeviceType> device_types();

} // namespace ulna::system
