// Allocation tags (FEAT_MTE2), as the registers have it: who may access them, which accesses are
// compared with them, and what becomes of a mismatch.
#pragma once

#include "runtime/system/cpu.h"

namespace ulna::system {

// AArch64.AllocationTagAccessIsEnabled
[[nodiscard]] bool may_access_tags(const Cpu& cpu, u8 el);
// Of accesses made now, with privilege or as EL0 (SCTLR_ELx.TCF, TCF0; PSTATE.TCO).
[[nodiscard]] ir::TagCheck tag_check(const Cpu& cpu, bool unprivileged);

// Of a regime by its TCR_ELx: what an address says of its tag.
struct TagControls {
    u64 tcr = 0;
    bool two_ranges = true;

    // EffectiveTBI: there is a logical tag. Else accesses are unchecked.
    [[nodiscard]] bool has_tag(GuestAddr address) const;
    // EffectiveTCMA, and the tag is one that matches everything then.
    [[nodiscard]] bool is_unchecked(GuestAddr address) const;
};

// AArch64.ReportTagCheckFault: of an access by this EL, for later.
void note_tag_check_fault(Cpu& cpu, u8 el, GuestAddr address);
// Whose access it is: EL0's, where the regime has it.
[[nodiscard]] u8 accessing_el(const Cpu& cpu, bool unprivileged);

} // namespace ulna::system
