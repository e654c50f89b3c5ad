// The default CPU: Armv8.0-A with exactly the extensions that insn.def has rows for. ID registers
// hold what Linux shows to EL0: fields that it hides have its safe values (arch/arm64
// cpufeature.c's meaning).
#include "frontend/frontend.h"

namespace ulna::frontend {

namespace {

// MIDR_EL1: implementer 0 is reserved for software use; architecture 0xf: see the ID registers.
constexpr u64 kMidr = u64{0x00} << 24 | u64{0xf} << 16 | u64{0x554} << 4;

// CTR_EL0: 64-byte lines (2^4 words) throughout, PIPT; IDC = 1: data needs no cleaning; DIC = 0:
// instructions need IC IVAU, which is how the translator learns of new code.
constexpr u64 kCtr = u64{1} << 31 | u64{1} << 28 | u64{4} << 24 | u64{4} << 20 | u64{4} << 16 |
                     u64{3} << 14 | u64{4};

constexpr u64 kIsar0 = u64{2} << 4     // AES: AESE.. and PMULL
                       | u64{1} << 8   // SHA1
                       | u64{2} << 12  // SHA2: SHA256, SHA512
                       | u64{1} << 16  // CRC32
                       | u64{2} << 20  // Atomic: LSE
                       | u64{1} << 28  // RDM
                       | u64{1} << 32  // SHA3
                       | u64{1} << 44; // DP: dot product
constexpr u64 kIsar1 = u64{1} << 20;   // LRCPC

constexpr u64 hwcap_bits() {
    enum : unsigned {
        FP,
        ASIMD,
        EVTSTRM,
        AES,
        PMULL,
        SHA1,
        SHA2,
        CRC32,
        ATOMICS,
        FPHP,
        ASIMDHP,
        CPUID,
        ASIMDRDM,
        JSCVT,
        FCMA,
        LRCPC,
        DCPOP,
        SHA3,
        SM3,
        SM4,
        ASIMDDP,
        SHA512
    };
    u64 result = 0;
    for (unsigned bit : {FP, ASIMD, AES, PMULL, SHA1, SHA2, CRC32, ATOMICS, CPUID, ASIMDRDM, LRCPC,
                         SHA3, ASIMDDP, SHA512}) {
        result |= u64{1} << bit;
    }
    return result;
}

constexpr CpuModel kDefaultCpu = {
    .midr_el1 = kMidr,
    .ctr_el0 = kCtr,
    .dczid_el0 = 4,          // BS: DC ZVA zeroes 2^4 words
    .id_aa64pfr0_el1 = 0x11, // EL0, EL1: AArch64 only; FP and AdvSIMD without half precision
    .id_aa64isar0_el1 = kIsar0,
    .id_aa64isar1_el1 = kIsar1,
    .id_aa64mmfr0_el1 = 0xff00'0000, // TGran4, TGran64: hidden
    .id_aa64dfr0_el1 = 6,            // DebugVer: Armv8
    .hwcap = hwcap_bits(),
};

} // namespace

const CpuModel& default_cpu() { return kDefaultCpu; }

} // namespace ulna::frontend
