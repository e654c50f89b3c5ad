#include "runtime/system/descriptor.h"

namespace ulna::system::descriptor {

namespace {

// The first level whose tables may hold blocks.
i8 first_block_level(const WalkParameters& parameters) {
    switch (parameters.granule_log2) {
    case 12:
        return parameters.ds ? 0 : 1;
    case 14:
        return parameters.ds ? 1 : 2;
    default:
        return parameters.wide_64k ? 1 : 2;
    }
}

// An address of which the descriptor's low `shift` bits say nothing.
u64 output_address(u64 descriptor, unsigned shift, const WalkParameters& parameters) {
    const u64 mask = ~ones(shift);
    if (parameters.ds) {
        return ((descriptor & ones(50)) & mask) | bits(descriptor, 9, 8) << 50;
    }
    const u64 address = (descriptor & ones(48)) & mask;
    return parameters.wide_64k ? address | bits(descriptor, 15, 12) << 48 : address;
}

} // namespace

Type type(u64 descriptor, i8 level, const WalkParameters& parameters) {
    switch (bits(descriptor, 1, 0)) {
    case 0b11:
        return level == kFinalLevel ? Type::Leaf : Type::Table;
    case 0b01:
        return level < kFinalLevel && level >= first_block_level(parameters) ? Type::Leaf
                                                                             : Type::Invalid;
    default:
        return Type::Invalid;
    }
}

u64 next_table(u64 descriptor, const WalkParameters& parameters) {
    return output_address(descriptor, parameters.granule_log2, parameters);
}

u64 leaf_base(u64 descriptor, i8 level, const WalkParameters& parameters) {
    return output_address(descriptor, parameters.level_shift(level), parameters);
}

unsigned mapping_log2(u64 descriptor, i8 level, const WalkParameters& parameters) {
    const unsigned one = parameters.level_shift(level);
    if (!bit(descriptor, kContiguous)) {
        return one;
    }
    switch (parameters.granule_log2) { // DDI 0487 D8.7.1
    case 12:
        return one + 4;
    case 14:
        return one + (level == kFinalLevel ? 7 : 5);
    default:
        return one + 5;
    }
}

} // namespace ulna::system::descriptor
