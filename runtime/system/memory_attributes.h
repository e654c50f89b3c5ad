// Memory types (DDI 0487 D8.6): what descriptors say of them, and what two stages make of it.
#pragma once

#include "ir/support/types.h"

namespace ulna::system {

// The numbers of SH.
inline constexpr u8 kNonShareable = 0, kOuterShareable = 2, kInnerShareable = 3;

struct MemoryAttributes {
    u8 mair = 0; // as a byte of MAIR_ELx; Device-nGnRnE
    u8 shareability = kOuterShareable;
    bool tagged = false; // with allocation tags: write-back

    [[nodiscard]] bool is_device() const { return (mair & 0xf0) == 0; }
    // EffectiveShareability: what is Device or not cacheable at all is outer shareable.
    [[nodiscard]] u8 effective_shareability() const;
};

inline constexpr u8 kDeviceNGnRnE = 0x00, kNormalNonCacheable = 0x44, kNormalWriteThrough = 0xaa,
                    kNormalWriteBack = 0xff, kTaggedNormal = 0xf0;

// AArch64.S1DecodeMemAttrs of the byte of MAIR_ELx that AttrIndx selects, and SH.
[[nodiscard]] MemoryAttributes stage1_attributes(u64 mair, unsigned index, u8 shareability);
// S2CombineS1MemAttrs: MemAttr and SH of stage 2's descriptor.
[[nodiscard]] MemoryAttributes
combine_stage2(MemoryAttributes stage1, unsigned mem_attr, u8 shareability, bool fwb);

} // namespace ulna::system
