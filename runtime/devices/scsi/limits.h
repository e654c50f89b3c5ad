// What one command may ask for, as VPD page B0 says.
#pragma once

#include "ir/support/types.h"

namespace ulna::devices::scsi {

constexpr u64 kPhysicalBlockBytes = 4096; // as most hosts' files
constexpr u64 kMostUnmapBlocks = 0x3f'ffff, kMostUnmapExtents = 64;
constexpr u64 kMostWriteSameBlocks = 0x3f'ffff;

} // namespace ulna::devices::scsi
