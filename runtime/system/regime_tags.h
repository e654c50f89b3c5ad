// What a virtual CPU's translations depend on besides their tables: regime, VMID and control
// registers, for the last few of which there are numbers. So a hypervisor and its guests find again
// what each of them had.
#pragma once

#include <array>

#include "runtime/system/mmu.h"

namespace ulna::system {

// By what addresses are translated.
struct TranslationTables {
    u64 regime = 0; // RegimeTags::tag_of
    u64 ttbr0 = 0, ttbr1 = 0;
    bool asid_in_ttbr1 = false; // TCR_ELx.A1
    bool two_ranges = true;     // else all addresses are TTBR0's, and there is no ASID
    friend bool operator==(const TranslationTables&, const TranslationTables&) = default;
};

class RegimeTags {
  public:
    // The same for the same values, if they are among the last ones; else one that nobody has had.
    [[nodiscard]] u64 tag_of(const RegimeRegisters& registers);

  private:
    struct Values {
        u8 el = 0;
        bool secure = false, el2_enabled = false;
        u64 sctlr = 0, tcr = 0, mair = 0, hcr = 0, vtcr = 0, vttbr = 0;
        friend bool operator==(const Values&, const Values&) = default;
    };
    struct Known {
        Values values;
        u64 tag = 0; // 0: none
        u64 last_use = 0;
    };
    [[nodiscard]] static Values values_of(const RegimeRegisters& registers);

    std::array<Known, 8> known_;
    Known* current_ = known_.data();
    u64 tags_ = 0, uses_ = 0;
};

} // namespace ulna::system
