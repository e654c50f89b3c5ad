#include "runtime/system/memory_attributes.h"

#include <algorithm>

#include "ir/support/bits.h"

namespace ulna::system {

namespace {

// Of one cache level, from the weakest to the strongest.
enum class Cacheability : u8 { NonCacheable, WriteThrough, WriteBack };

// A nibble of MAIR_ELx of Normal memory: 0b0100 is Non-cacheable; bit 2 tells write-back from
// write-through, bit 3 what is not transient.
Cacheability cacheability(unsigned nibble) {
    if (nibble == 0b0100) {
        return Cacheability::NonCacheable;
    }
    return (nibble & 0b0100) != 0 ? Cacheability::WriteBack : Cacheability::WriteThrough;
}

// Of stage 2's two bits for a cache level.
Cacheability stage2_cacheability(unsigned field) {
    return field == 0b11   ? Cacheability::WriteBack
           : field == 0b10 ? Cacheability::WriteThrough
                           : Cacheability::NonCacheable;
}

// The weaker of both; allocation hints are stage 1's.
u8 combine_nibble(unsigned stage1, unsigned stage2) {
    const Cacheability weaker = std::min(cacheability(stage1), stage2_cacheability(stage2));
    if (weaker == Cacheability::NonCacheable) {
        return 0b0100;
    }
    return weaker == cacheability(stage1) ? static_cast<u8>(stage1)
                                          : static_cast<u8>(0b1000 | (stage1 & 0b11));
}

u8 combine_shareability(u8 a, u8 b) {
    if (a == kOuterShareable || b == kOuterShareable) {
        return kOuterShareable;
    }
    return a == kInnerShareable || b == kInnerShareable ? kInnerShareable : kNonShareable;
}

// Device types by strength: nGnRnE, nGnRE, nGRE, GRE.
u8 device(unsigned kind) { return static_cast<u8>(kind << 2); }

// S2CombineS1AttrHints and the like, without HCR_EL2.FWB.
u8 combine_types(u8 stage1, bool is_device, unsigned mem_attr) {
    if (bits(mem_attr, 3, 2) == 0) {
        const u8 stage2 = device(mem_attr & 0b11);
        return is_device ? std::min(stage1, stage2) : stage2;
    }
    if (is_device) {
        return stage1;
    }
    return static_cast<u8>(combine_nibble(stage1 >> 4, static_cast<unsigned>(bits(mem_attr, 3, 2)))
                               << 4 |
                           combine_nibble(stage1 & 0xf, mem_attr & 0b11));
}

// Write-back, with stage 1's allocation hints if it is cacheable.
u8 forced_nibble(unsigned stage1) {
    return cacheability(stage1) == Cacheability::NonCacheable ? u8{0b1111}
                                                              : static_cast<u8>(stage1 | 0b0100);
}

// With HCR_EL2.FWB (AArch64.S2ApplyFWBMemAttrs).
u8 forced_types(u8 stage1, bool is_device, unsigned mem_attr) {
    switch (mem_attr & 0b111) {
    case 0b101:
        return is_device ? stage1 : kNormalNonCacheable;
    case 0b110:
        return is_device
                   ? kNormalWriteBack
                   : static_cast<u8>(forced_nibble(stage1 >> 4) << 4 | forced_nibble(stage1 & 0xf));
    case 0b111:
        return stage1;
    default: // reserved 0b100 as the strongest
        return combine_types(stage1, is_device, (mem_attr & 0b100) != 0 ? 0 : mem_attr & 0b11);
    }
}

} // namespace

u8 MemoryAttributes::effective_shareability() const {
    constexpr u8 kReserved = 1;
    if (is_device() || mair == kNormalNonCacheable) {
        return kOuterShareable;
    }
    return shareability == kReserved ? kNonShareable : shareability;
}

MemoryAttributes stage1_attributes(u64 mair, unsigned index, u8 shareability) {
    auto byte = static_cast<u8>(mair >> (8 * index));
    const bool tagged = byte == kTaggedNormal;
    if ((byte & 0xf0) == 0) {
        byte &= 0b1100; // 0b0000dd01 is FEAT_XS's, the rest unpredictable
    } else if ((byte & 0x0f) == 0) {
        byte = kNormalWriteBack; // besides kTaggedNormal, unpredictable
    }
    return {byte, shareability, tagged};
}

MemoryAttributes
combine_stage2(MemoryAttributes stage1, unsigned mem_attr, u8 shareability, bool fwb) {
    const u8 type = fwb ? forced_types(stage1.mair, stage1.is_device(), mem_attr)
                        : combine_types(stage1.mair, stage1.is_device(), mem_attr);
    return {type, combine_shareability(stage1.shareability, shareability),
            stage1.tagged && type == kNormalWriteBack}; // S2MemTagType
}

} // namespace ulna::system
