// Fields of system registers, by the names of the Arm manual (DDI 0487 D19): the ones that code
// here looks at. A one-bit field is its mask.
#pragma once

#include "ir/support/types.h"

namespace ulna::system {

inline constexpr u64 field_bit(unsigned index) { return u64{1} << index; }

namespace hcr { // HCR_EL2
inline constexpr u64 VM = field_bit(0), PTW = field_bit(2), FMO = field_bit(3), IMO = field_bit(4),
                     AMO = field_bit(5), VF = field_bit(6), VI = field_bit(7), VSE = field_bit(8),
                     FB = field_bit(9), DC = field_bit(12), TWI = field_bit(13),
                     TWE = field_bit(14), TID1 = field_bit(16), TID2 = field_bit(17),
                     TID3 = field_bit(18), TSC = field_bit(19), TIDCP = field_bit(20),
                     TACR = field_bit(21), TSW = field_bit(22), TPCP = field_bit(23),
                     TPU = field_bit(24), TTLB = field_bit(25), TVM = field_bit(26),
                     TGE = field_bit(27), TDZ = field_bit(28), HCD = field_bit(29),
                     TRVM = field_bit(30), RW = field_bit(31), E2H = field_bit(34),
                     TERR = field_bit(36), TEA = field_bit(37), APK = field_bit(40),
                     API = field_bit(41), FWB = field_bit(46), TID4 = field_bit(49),
                     TICAB = field_bit(50), TOCU = field_bit(52), EnSCXT = field_bit(53),
                     TTLBIS = field_bit(54), TTLBOS = field_bit(55), ATA = field_bit(56),
                     DCT = field_bit(57), TID5 = field_bit(58);
inline constexpr u64 kVirtualInterrupts = VF | VI | VSE;
} // namespace hcr

namespace hcrx { // HCRX_EL2
inline constexpr u64 MCE2 = field_bit(10), MSCEn = field_bit(11);
} // namespace hcrx

namespace scr { // SCR_EL3
inline constexpr u64 NS = field_bit(0), IRQ = field_bit(1), FIQ = field_bit(2), EA = field_bit(3),
                     SMD = field_bit(7), HCE = field_bit(8), RW = field_bit(10), ST = field_bit(11),
                     TWI = field_bit(12), TWE = field_bit(13), TERR = field_bit(15),
                     APK = field_bit(16), API = field_bit(17), EnSCXT = field_bit(25),
                     ATA = field_bit(26), HXEn = field_bit(38);
} // namespace scr

namespace sctlr { // SCTLR_ELx
inline constexpr u64 M = field_bit(0), A = field_bit(1), C = field_bit(2), SA = field_bit(3),
                     SA0 = field_bit(4), UMA = field_bit(9), I = field_bit(12),
                     EnDB = field_bit(13), DZE = field_bit(14), UCT = field_bit(15),
                     nTWI = field_bit(16), nTWE = field_bit(18), WXN = field_bit(19),
                     TSCXT = field_bit(20), SPAN = field_bit(23), EE = field_bit(25),
                     UCI = field_bit(26), EnDA = field_bit(27), EnIB = field_bit(30),
                     EnIA = field_bit(31), MSCEn = field_bit(33), ATA0 = field_bit(42),
                     ATA = field_bit(43), DSSBS = field_bit(44), EPAN = field_bit(57);
inline constexpr u64 TCF0 = u64{3} << 38, TCF = u64{3} << 40;
inline constexpr u64 kPacKeys = EnIA | EnIB | EnDA | EnDB;
} // namespace sctlr

namespace mdcr2 { // MDCR_EL2
inline constexpr u64 HPMN = 0x1f, TPMCR = field_bit(5), TPM = field_bit(6), TDE = field_bit(8),
                     TDA = field_bit(9), TDOSA = field_bit(10), TDRA = field_bit(11);
} // namespace mdcr2

namespace mdcr3 { // MDCR_EL3
inline constexpr u64 TPM = field_bit(6), TDA = field_bit(9), TDOSA = field_bit(10),
                     SDD = field_bit(16);
} // namespace mdcr3

namespace mdscr { // MDSCR_EL1
inline constexpr u64 SS = field_bit(0), TDCC = field_bit(12), KDE = field_bit(13),
                     MDE = field_bit(15);
} // namespace mdscr

namespace cptr { // CPTR_EL2 and CPTR_EL3; CPACR_EL1 and CPTR_EL2 with E2H have FPEN
inline constexpr u64 TFP = field_bit(10), TCPAC = field_bit(31);
inline constexpr unsigned kFpenHigh = 21, kFpenLow = 20;
} // namespace cptr

namespace cntkctl { // CNTKCTL_EL1, and CNTHCTL_EL2 with E2H
inline constexpr u64 EL0PCTEN = field_bit(0), EL0VCTEN = field_bit(1), EL0VTEN = field_bit(8),
                     EL0PTEN = field_bit(9);
} // namespace cntkctl
namespace cnthctl { // CNTHCTL_EL2: without E2H, and with it
inline constexpr u64 EL1PCTEN = field_bit(0), EL1PCEN = field_bit(1);
inline constexpr u64 EL1PCTEN_E2H = field_bit(10), EL1PTEN_E2H = field_bit(11);
} // namespace cnthctl

namespace pmuserenr { // PMUSERENR_EL0
inline constexpr u64 EN = field_bit(0), SW = field_bit(1), CR = field_bit(2), ER = field_bit(3);
} // namespace pmuserenr

namespace timer_ctl { // CNT*_CTL
inline constexpr u64 ENABLE = field_bit(0), IMASK = field_bit(1), ISTATUS = field_bit(2);
} // namespace timer_ctl

namespace spsr { // SPSR_ELx; what CpuState::pstate and btype hold is in ir::pstate
inline constexpr u64 kAArch32 = field_bit(4), kReserved = field_bit(1),
                     kStackPointer = field_bit(0), IL = field_bit(20), SS = field_bit(21),
                     PAN = field_bit(22), UAO = field_bit(23);
inline constexpr unsigned kElHigh = 3, kElLow = 2, kDaifShift = 6, kNzcvShift = 28;
} // namespace spsr

namespace daif { // Pstate::daif
inline constexpr u8 D = 8, A = 4, I = 2, F = 1, kAll = 0xf;
} // namespace daif

} // namespace ulna::system
