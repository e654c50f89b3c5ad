// A block node, as -blockdev and blockdev-add describe it: an image (file, host_device, nbd,
// null-co), or a format (raw, qcow2) of what another node has.
#pragma once

#include <string>
#include <vector>

#include "runtime/devices/virtio/block_backend.h"
#include "runtime/system/properties.h"

namespace ulna::system {

struct BlockNodeOptions {
    enum class Driver : u8 { File, HostDevice, Nbd, NullCo, NullAio, Raw, Qcow2 };
    Driver driver = Driver::File;
    std::string name;   // empty: it gets one
    std::string path;   // File, HostDevice: a file's; Nbd: an address (nbd_client.h)
    std::string child;  // Raw, Qcow2: the name of the node below
    u64 null_bytes = 0; // NullCo, NullAio
    bool read_only = false, auto_read_only = false;
    bool snapshot = false; // writes go to a temporary file
    bool direct = false;   // shown, no more: the host caches what it likes
    devices::virtio::BlockBackend::Policy policy;

    [[nodiscard]] bool is_format() const {
        return driver == Driver::Raw || driver == Driver::Qcow2;
    }
    [[nodiscard]] const char* driver_name() const;
};

// What a node of each driver knows.
struct NodeProperties {
    std::string driver;
    std::vector<Properties::Known> known;
};
[[nodiscard]] std::vector<NodeProperties> node_properties();

// Takes all properties of a node, and of those that are described inside it. They are appended
// with the outer one last; each has a name or gets one (`unnamed` counts these). What is wrong
// fails `properties`.
void parse_block_nodes(Properties& properties,
                       std::vector<BlockNodeOptions>& to,
                       unsigned& unnamed);

} // namespace ulna::system
