#include "runtime/system/command_line.h"

namespace ulna::system {

// What has no id is counted.
std::string qom_path(const DeviceOption& device, const SystemOptions& options) {
    if (!device.id.empty()) {
        return "/machine/peripheral/" + device.id;
    }
    unsigned before = 0;
    for (const DeviceOption& other : options.devices) {
        if (&other == &device) {
            break;
        }
        before += other.id.empty() ? 1 : 0;
    }
    return "/machine/peripheral-anon/device[" + std::to_string(before) + "]";
}

std::string device_name(const DeviceOption& device, const SystemOptions& options) {
    return device.id.empty() ? qom_path(device, options) : device.id;
}

} // namespace ulna::system
