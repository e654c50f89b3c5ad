// What translation control registers say, in one shape for all regimes and both stages
// (AArch64.GetS1TTWParams and AArch64.GetS2TTWParams; DDI 0487 D8.2).
#pragma once

#include "runtime/system/mmu.h"

namespace ulna::system {

inline constexpr i8 kFinalLevel = 3;

// The shape of the tables of one stage.
struct WalkParameters {
    unsigned granule_log2 = 12;
    unsigned input_bits = 48;  // that the tables resolve
    unsigned output_bits = 48; // that an output address may have
    i8 start_level = 0;
    bool bad_shape = false;  // TxSZ or SL0 out of range: a Translation fault at level 0
    bool ds = false;         // 52 bits in tables of 4 KiB and 16 KiB pages
    bool wide_64k = false;   // 52 bits in tables of 64 KiB pages
    bool wide_base = false;  // TTBR has bits 51:48
    bool big_endian = false; // SCTLR_ELx.EE
    bool ha = false, hd = false;
    u8 shareability = 0; // that descriptors with ds do not have

    [[nodiscard]] unsigned stride() const { return granule_log2 - 3; }
    // Address bits below those that a table of this level resolves.
    [[nodiscard]] unsigned level_shift(i8 level) const {
        return granule_log2 + static_cast<unsigned>(kFinalLevel - level) * stride();
    }
};

struct Stage1Parameters : WalkParameters {
    u64 ttbr = 0;
    bool two_privileges = false; // EL1&0, EL2&0: two ranges of addresses, and EL0
    bool upper = false;          // of two ranges, the one that TTBR1 maps
    bool epd = false, hpd = false, e0pd = false;
    bool tbi = false, tbid = false;
    bool wxn = false, epan = false;
};

struct Stage2Parameters : WalkParameters {
    bool ptw = false, fwb = false, xnx = false;
};

[[nodiscard]] Stage1Parameters stage1_parameters(const RegimeRegisters& regime, GuestAddr va);
[[nodiscard]] Stage2Parameters stage2_parameters(const RegimeRegisters& regime);

// HasUnprivileged(): whether EL0 is part of the regime.
[[nodiscard]] bool has_unprivileged(const RegimeRegisters& regime);
// AArch64.S1Enabled, and whether stage 2 follows.
[[nodiscard]] bool stage1_enabled(const RegimeRegisters& regime);
[[nodiscard]] bool stage2_enabled(const RegimeRegisters& regime);

} // namespace ulna::system
