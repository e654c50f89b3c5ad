// Translations that were laid out and linked to each other before: the translation cache takes them
// over as one piece. All are of tier 1, of a program's code, and have one mode.
#pragma once

#include <span>

#include "ir/block_key.h"

namespace ulna::runtime {

// Guest bytes that a translation depends on.
struct GuestRange {
    GuestAddr low;
    u64 bytes;
};

struct LinkedBlocks {
    struct Block {
        GuestAddr pc;
        GuestRange guest; // in one page
        u32 code_offset;  // in `code`, aligned to kCodeAlign
        u32 code_bytes;
        u16 link_count, fault_count; // its part of `links` and `faults`, which have them in order
        u32 reserved = 0;
    };
    // As backend::LinkSite. Where it is linked to a block here, the displacement says so already.
    struct Link {
        u32 displacement_offset, stub_offset; // in the block's code
        GuestAddr target;
    };
    struct Fault {
        u32 code_offset; // in the block's code
        i32 pc_delta;    // from the block's PC
    };
    static constexpr u8 kOutside = 0xff;

    ir::BlockMode mode;
    bool masks_tags = false;
    std::span<const Block> blocks;
    std::span<const Link> links;
    std::span<const u8> linked_to; // by each link: the index of a block here, or kOutside
    std::span<const Fault> faults;
    std::span<const u8> code;
};

} // namespace ulna::runtime
