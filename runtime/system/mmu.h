// The memory management unit: VMSAv8-64 address translation (DDI 0487, chapter D8).
//
// A walk is a function of register values, physical memory and an access. It knows no TLB: what it
// returns holds all that a TLB entry needs, and it is called again for what an entry cannot decide.
// It takes no lock. Descriptors are read and updated atomically (AF and dirty state by hardware).
#pragma once

#include <variant>

#include "runtime/devices/physical_memory.h"

namespace ulna::system {

using devices::PhysAddr;

// Of the modelled CPU, those that change what descriptors and control registers mean.
struct MmuFeatures {
    bool lva = true;    // 52-bit VAs with 64 KiB pages
    bool lpa = true;    // 52-bit PAs with 64 KiB pages; RegimeRegisters::pa_bits says the rest
    bool lpa2 = true;   // TCR_ELx.DS: 52 bits with 4 KiB and 16 KiB pages
    bool ttst = true;   // small tables: TxSZ up to 48
    bool hafdbs = true; // HA and HD
    bool hpds = true;   // HPD
    bool pan3 = true;   // SCTLR_ELx.EPAN
    bool xnx = true;    // stage 2 execute-never for EL0 and EL1 apart
    bool s2fwb = true;  // HCR_EL2.FWB
    bool e0pd = true;
    bool bti = true;  // guarded pages
    bool mte = false; // memory with allocation tags
};

// A translation regime: the registers of the EL that controls it, as they hold their values.
struct RegimeRegisters {
    u8 el = 1; // whose registers: 1 for EL1&0; 2 for EL2, and for EL2&0 with HCR_EL2.E2H; 3
    bool secure = false; // in Secure state: descriptors say of what space an address is
    u64 sctlr = 0, tcr = 0, ttbr0 = 0, ttbr1 = 0, mair = 0;
    // Of EL1&0 when EL2 is there and enabled (EL2Enabled()); hcr also says what EL 2 is.
    bool el2_enabled = false;
    u64 hcr = 0, vtcr = 0, vttbr = 0;
    bool stage2_big_endian = false; // SCTLR_EL2.EE
    bool pan = false;               // PSTATE.PAN. False for AT, but AT S1E1RP and S1E1WP
    u8 pa_bits = 48;                // ID_AA64MMFR0_EL1.PARange
    MmuFeatures features;
};

enum class AccessKind : u8 { Read, Write, Fetch };

// What the walk may write to descriptors.
enum class TableUpdates : u8 {
    AccessFlagAndDirty,
    AccessFlag, // AT
    None,       // a debugger
};

struct Access {
    AccessKind kind = AccessKind::Read;
    // With EL0's permissions: at EL0, and by LDTR and STTR at EL1 unless PSTATE.UAO
    // (AArch64.IsUnprivAccessPriv is the caller's). Without meaning where there is no EL0.
    bool unprivileged = false;
    bool atomic = false;      // a Write that also reads
    bool misaligned = false;  // faults where memory is Device
    bool stage1_only = false; // AT S1*: its result is an intermediate address
    TableUpdates updates = TableUpdates::AccessFlagAndDirty;
};

struct Translation {
    PhysAddr page = 0; // of the 4 KiB page that holds the address
    u64 ipa = 0;       // its intermediate address: page without stage 2
    devices::Space space = devices::Space::NonSecure;
    u8 page_log2 = 12;   // of stage 1's mapping, all of a contiguous run: what TLBI by VA drops
    u8 attributes = 0;   // of both stages, as a byte of MAIR_ELx has them
    u8 shareability = 0; // 0 none, 2 outer, 3 inner
    bool normal = false; // Normal memory; else Device
    bool aligned_only = false; // a stage says Device, whatever FEAT_S2FWB makes of both
    bool global = true;        // for every ASID
    bool guarded = false;      // BTI
    bool tagged = false;       // has allocation tags
    // Permissions of both stages, WXN included, PAN not. Where there is no EL0, its own equal
    // EL1's.
    bool readable_el0 = false, writable_el0 = false, executable_el0 = false;
    bool readable_el1 = false, writable_el1 = false, executable_el1 = false;
    bool pan_forbids = false; // EL1 may neither read nor write while PSTATE.PAN
    // Writable, but the write has to be noted in a descriptor: walk again for it.
    bool writable_needs_dirty = false;

    [[nodiscard]] bool permits(const Access& access, bool pan) const;
};

enum class FaultKind : u8 {
    AddressSize,
    Translation,
    AccessFlag,
    Permission,
    Alignment,
    ExternalAbort,       // of the access itself: the caller's
    ExternalAbortOnWalk, // tables where there is no memory
    TlbConflict,
    TagCheck,          // the caller's, too
    UnsupportedAtomic, // AF or dirty state to be set in memory that is not RAM
};

struct Fault {
    FaultKind kind = FaultKind::Translation;
    i8 level = 0;        // -1..3
    bool stage2 = false; // taken to EL2
    bool s1ptw = false;  // of stage 2, for an address that stage 1's walk used
    bool write = false;  // ESR_ELx.WnR
    u64 ipa = 0;         // of stage2: for HPFAR_EL2 (bits above 11)
};

using TranslationResult = std::variant<Translation, Fault>;

// AArch64.FullTranslate: both stages, and the descriptor updates that go with the access.
[[nodiscard]] TranslationResult walk(const RegimeRegisters& regime,
                                     const devices::PhysicalMemory& memory,
                                     GuestAddr va,
                                     const Access& access);

// IFSC or DFSC of ESR_ELx (AArch64.EncodeLDFSC).
[[nodiscard]] u8 fault_status_code(const Fault& fault);
// PAR_EL1 after AT (AArch64.EncodePAR).
[[nodiscard]] u64 par_of(const TranslationResult& result);

} // namespace ulna::system
