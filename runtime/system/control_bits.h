// Where the fields of the registers that control translation begin, by their names in DDI 0487
// D19.2. Bits of SCTLR_ELx and HCR_EL2 are in fields.h.
#pragma once

namespace ulna::system::control {

// TCR_EL1, and TCR_EL2 with E2H; a field of TTBR1's is where the second number says.
namespace tcr {
inline constexpr unsigned TxSZ[] = {0, 16}, EPDx[] = {7, 23}, SHx[] = {12, 28}, TGx[] = {14, 30},
                          IPS = 32, TBIx[] = {37, 38}, HA = 39, HD = 40, HPDx[] = {41, 42},
                          TBIDx[] = {51, 52}, E0PDx[] = {55, 56}, TCMAx[] = {57, 58}, DS = 59;
} // namespace tcr

// TCR_EL2 without E2H, and TCR_EL3.
namespace tcr_single {
inline constexpr unsigned T0SZ = 0, SH0 = 12, TG0 = 14, PS = 16, TBI = 20, HA = 21, HD = 22,
                          HPD = 24, TBID = 29, TCMA = 30, DS = 32;
} // namespace tcr_single

namespace vtcr {
inline constexpr unsigned T0SZ = 0, SL0 = 6, SH0 = 12, TG0 = 14, PS = 16, HA = 21, HD = 22, DS = 32,
                          SL2 = 33;
} // namespace vtcr

} // namespace ulna::system::control
