// Fields of translation table descriptors (DDI 0487 D8.3).
#pragma once

#include "ir/support/bits.h"
#include "runtime/system/walk_parameters.h"

namespace ulna::system::descriptor {

// Blocks and pages, stage 1.
inline constexpr unsigned kAttrIndx = 2, kNS = 5, kAP1 = 6, kAP2 = 7, kSH = 8, kAF = 10, kNG = 11,
                          kGP = 50, kDBM = 51, kContiguous = 52, kPXN = 53,
                          kUXN = 54 /* XN without EL0 */;
// Stage 2.
inline constexpr unsigned kMemAttr = 2, kS2APRead = 6, kS2APWrite = 7, kXN = 53;
// Tables, stage 1.
inline constexpr unsigned kPXNTable = 59, kUXNTable = 60, kAPTableNoEl0 = 61, kAPTableReadOnly = 62,
                          kNSTable = 63;

enum class Type : u8 { Invalid, Table, Leaf };

// AArch64.DecodeDescriptorType.
[[nodiscard]] Type type(u64 descriptor, i8 level, const WalkParameters& parameters);
// AArch64.NextTableBase and AArch64.LeafBase: the address that a descriptor leads to.
[[nodiscard]] u64 next_table(u64 descriptor, const WalkParameters& parameters);
[[nodiscard]] u64 leaf_base(u64 descriptor, i8 level, const WalkParameters& parameters);
// Of a leaf's mapping, all of a contiguous run if the descriptor is of one.
[[nodiscard]] unsigned mapping_log2(u64 descriptor, i8 level, const WalkParameters& parameters);

} // namespace ulna::system::descriptor
