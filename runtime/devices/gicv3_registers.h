// Encodings of the GIC's system registers (IHI 0069 12.2, 12.4).
#pragma once

#include "runtime/devices/gicv3.h"

namespace ulna::devices::gicv3 {

using namespace gic;

// clang-format off
inline constexpr u32
    ICC_PMR_EL1     = system_register(3, 0, 4, 6, 0),
    ICC_IAR0_EL1    = system_register(3, 0, 12, 8, 0),
    ICC_EOIR0_EL1   = system_register(3, 0, 12, 8, 1),
    ICC_HPPIR0_EL1  = system_register(3, 0, 12, 8, 2),
    ICC_BPR0_EL1    = system_register(3, 0, 12, 8, 3),
    // One register holds all active priorities; AP0R1 to AP0R3 and AP1R1 to AP1R3 would need more
    // priority bits.
    ICC_AP0R0_EL1   = system_register(3, 0, 12, 8, 4),
    ICC_AP1R0_EL1   = system_register(3, 0, 12, 9, 0),
    ICC_DIR_EL1     = system_register(3, 0, 12, 11, 1),
    ICC_RPR_EL1     = system_register(3, 0, 12, 11, 3),
    ICC_SGI1R_EL1   = system_register(3, 0, 12, 11, 5),
    ICC_ASGI1R_EL1  = system_register(3, 0, 12, 11, 6),
    ICC_SGI0R_EL1   = system_register(3, 0, 12, 11, 7),
    ICC_IAR1_EL1    = system_register(3, 0, 12, 12, 0),
    ICC_EOIR1_EL1   = system_register(3, 0, 12, 12, 1),
    ICC_HPPIR1_EL1  = system_register(3, 0, 12, 12, 2),
    ICC_BPR1_EL1    = system_register(3, 0, 12, 12, 3),
    ICC_CTLR_EL1    = system_register(3, 0, 12, 12, 4),
    ICC_SRE_EL1     = system_register(3, 0, 12, 12, 5),
    ICC_IGRPEN0_EL1 = system_register(3, 0, 12, 12, 6),
    ICC_IGRPEN1_EL1 = system_register(3, 0, 12, 12, 7),
    ICC_SRE_EL2     = system_register(3, 4, 12, 9, 5),
    ICC_CTLR_EL3    = system_register(3, 6, 12, 12, 4),
    ICC_SRE_EL3     = system_register(3, 6, 12, 12, 5),
    ICC_IGRPEN1_EL3 = system_register(3, 6, 12, 12, 7),
    ICH_AP0R0_EL2   = system_register(3, 4, 12, 8, 0),
    ICH_AP1R0_EL2   = system_register(3, 4, 12, 9, 0),
    ICH_HCR_EL2     = system_register(3, 4, 12, 11, 0),
    ICH_VTR_EL2     = system_register(3, 4, 12, 11, 1),
    ICH_MISR_EL2    = system_register(3, 4, 12, 11, 2),
    ICH_EISR_EL2    = system_register(3, 4, 12, 11, 3),
    ICH_ELRSR_EL2   = system_register(3, 4, 12, 11, 5),
    ICH_VMCR_EL2    = system_register(3, 4, 12, 11, 7),
    ICH_LR0_EL2     = system_register(3, 4, 12, 12, 0); // the others follow
// clang-format on

// What ICC_CTLR_EL1, ICV_CTLR_EL1 and ICC_CTLR_EL3 say there is: PRIbits, IDbits, A3V.
inline constexpr u64 kControlCapabilities = (kPriorityBits - 1) << 8 | 1 << 11 | 1 << 15;

// PMR, RPR, BPR, APR and CTLR, which the physical and the virtual interface have alike. False: it
// is none of these.
[[nodiscard]] bool read_priorities(const Priorities& p, u32 encoding, u64& value);
[[nodiscard]] bool write_priorities(Priorities& p, u32 encoding, u64 value);

} // namespace ulna::devices::gicv3
