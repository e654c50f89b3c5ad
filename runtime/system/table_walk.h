// What both stages' walks share: from a table's base to the leaf that maps an address.
#pragma once

#include <optional>

#include "ir/support/bits.h"
#include "runtime/system/descriptor.h"

namespace ulna::system {

struct Leaf {
    PhysAddr entry = 0; // where the descriptor is: of stage 1 with stage 2, an intermediate address
    u64 descriptor = 0;
    u64 table_attributes = 0; // of all tables on the way, ORed
    u64 base = 0;             // of the mapping's output addresses
    i8 level = 0;
};

// The descriptor at an address; nothing where there is neither RAM nor ROM.
[[nodiscard]] std::optional<u64>
read_descriptor(const devices::PhysicalMemory& memory, PhysAddr at, bool big_endian);

enum class UpdateOutcome : u8 { Done, Changed /* by someone else: walk again */, NotRam };
// AArch64.MemSwapTableDesc.
[[nodiscard]] UpdateOutcome update_descriptor(
    const devices::PhysicalMemory& memory, PhysAddr at, u64 expected, u64 desired, bool big_endian);

// AArch64.TTBaseAddress.
[[nodiscard]] u64 table_base(u64 ttbr, const WalkParameters& parameters);

// AArch64.OAOutOfRange.
[[nodiscard]] inline bool is_output_out_of_range(u64 address, const WalkParameters& parameters) {
    return (address & ~ones(parameters.output_bits)) != 0;
}

// The loop of AArch64.S1Walk and AArch64.S2Walk. `locate(entry, level, physical)` says where an
// entry of a table is in physical memory, or which fault looking for it meets: that is stage 2
// for tables of stage 1, and nothing for tables of stage 2.
template <class Locate>
[[nodiscard]] std::optional<Fault> walk_tables(const WalkParameters& parameters,
                                               const devices::PhysicalMemory& memory,
                                               u64 ttbr,
                                               u64 input,
                                               Locate&& locate,
                                               Leaf& leaf) {
    u64 base = table_base(ttbr, parameters);
    if (is_output_out_of_range(base, parameters)) {
        return Fault{FaultKind::AddressSize, 0};
    }
    leaf.table_attributes = 0;
    u64 left = input & ones(parameters.input_bits);
    for (i8 level = parameters.start_level;; ++level) {
        const unsigned shift = parameters.level_shift(level);
        leaf.entry = base | (left >> shift) << 3;
        left &= ones(shift);
        PhysAddr physical = leaf.entry;
        if (const std::optional<Fault> fault = locate(leaf.entry, physical)) {
            return fault;
        }
        const std::optional<u64> descriptor =
            read_descriptor(memory, physical, parameters.big_endian);
        if (!descriptor) {
            return Fault{FaultKind::ExternalAbortOnWalk, level};
        }
        const descriptor::Type type = descriptor::type(*descriptor, level, parameters);
        if (type == descriptor::Type::Invalid) {
            return Fault{FaultKind::Translation, level};
        }
        const bool is_leaf = type == descriptor::Type::Leaf;
        base = is_leaf ? descriptor::leaf_base(*descriptor, level, parameters)
                       : descriptor::next_table(*descriptor, parameters);
        if (is_output_out_of_range(base, parameters)) {
            return Fault{FaultKind::AddressSize, level};
        }
        if (is_leaf) {
            leaf.descriptor = *descriptor;
            leaf.base = base;
            leaf.level = level;
            if (!bit(*descriptor, descriptor::kAF) && !parameters.ha) {
                return Fault{FaultKind::AccessFlag, level};
            }
            return std::nullopt;
        }
        leaf.table_attributes |= *descriptor;
    }
}

// AArch64.SettingAccessFlagPermitted and the dirty state: what the descriptor becomes by an access
// that is permitted. `dirty_bit` tells that a leaf with DBM is dirty, when it is `dirty_value`.
struct DirtyState {
    unsigned bit;
    bool value;
    [[nodiscard]] bool is_clean(u64 descriptor) const {
        return ulna::bit(descriptor, bit) != value;
    }
    [[nodiscard]] u64 dirtied(u64 descriptor) const {
        return descriptor ^ u64 { 1 } << bit;
    }
};
inline constexpr DirtyState kStage1Dirty{descriptor::kAP2, false},
    kStage2Dirty{descriptor::kS2APWrite, true};

// Whether hardware manages the leaf's dirty state, so that it counts as writable.
[[nodiscard]] inline bool is_dirty_managed(u64 descriptor, const WalkParameters& parameters) {
    return parameters.hd && bit(descriptor, descriptor::kDBM);
}
[[nodiscard]] u64 updated_descriptor(u64 descriptor,
                                     const WalkParameters& parameters,
                                     DirtyState dirty,
                                     bool is_write,
                                     TableUpdates updates);

} // namespace ulna::system
