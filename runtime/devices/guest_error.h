// What a guest asks of a device that the device does not have: one line with -d guest_errors.
#pragma once

#include "ir/support/types.h"

namespace ulna::devices {

enum class Direction : u8 { Read, Write };

// `device` is a literal. Each (device, direction, offset) is told once.
void log_bad_access(const char* device, Direction direction, u64 offset, unsigned bytes);

} // namespace ulna::devices
