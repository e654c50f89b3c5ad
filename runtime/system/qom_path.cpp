#include "runtime/system/command_line.h"

namespace ulna::system {

std::string qom_path(const DeviceOption& device) {
    return device.id.empty()
               ? "/machine/peripheral-anon/device[" + std::to_string(device.without_id) + "]"
               : "/machine/peripheral/" + device.id;
}

std::string device_name(const DeviceOption& device) {
    return device.id.empty() ? qom_path(device) : device.id;
}

// On PCI a disk is in another device.
std::string drive_place(const DeviceOption& device) {
    return device.pci ? qom_path(device) + "/virtio-backend" : device_name(device);
}

} // namespace ulna::system
