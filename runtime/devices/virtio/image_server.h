// A qemu-nbd of our own that serves one image of a format that is not ours to read (qcow2,
// vmdk...).
#pragma once

#include <sys/types.h>

#include "runtime/devices/virtio/block_backend.h"

namespace ulna::devices::virtio {

// The disk in the image; the server ends with it. Null with a reason, one line.
[[nodiscard]] std::unique_ptr<BlockBackend> open_served_image(const std::string& path,
                                                              const std::string& format,
                                                              bool read_only,
                                                              std::string& why_not);

} // namespace ulna::devices::virtio
