// What a CPU asks of the machine around it.
#pragma once

#include <optional>

#include "ir/support/types.h"

namespace ulna::system {

struct Cpu;
struct Exception;
enum class SysReg : u16;

// A translation regime (D8.1): what a TLB entry belongs to, besides ASID and VMID.
enum class Regime : u8 { El10, El20, El2, El3 };

// TLBI, decoded (D8.14). Of entries of `regime`; those of El10 with this VMID only, but for
// kAllVmids.
struct TlbInvalidation {
    enum class Kind : u8 {
        All,     // every entry: stage 1 and 2, all VMIDs if all_vmids
        Stage1,  // VMALLE1: stage 1 (and combined) entries of the VMID
        Asid,    // not global, with this ASID
        Address, // with this ASID or global, [start, start + bytes) of virtual addresses
        AddressAllAsids,
        Stage2Address, // [start, start + bytes) of intermediate physical addresses
    };
    Kind kind = Kind::All;
    Regime regime = Regime::El10;
    bool all_vmids = false;
    bool broadcast = false;  // to all CPUs of the machine; else for this one only
    bool last_level = false; // only entries made from the last level of a walk need go
    u16 asid = 0, vmid = 0;
    GuestAddr start = 0; // lowest bits may be those of the instruction's register
    u64 bytes = 0;       // entries that hold any of these; 1: the entry of one address
};

// AT (D8.15, C5.4): translate, without access.
struct AddressTranslation {
    enum class Stages : u8 { Stage1, Both };
    GuestAddr address = 0;
    u8 el = 1;                 // whose regime: 1 (of EL0 too), 2, 3
    bool unprivileged = false; // as EL0 would access
    bool write = false;
    bool pan = false; // by PSTATE.PAN: AT S1E1RP, S1E1WP
    Stages stages = Stages::Stage1;
};

// Of granules from an aligned address on, all in one page but for two of them.
struct TagAccess {
    GuestAddr address = 0;
    u8* tags = nullptr; // one byte each, to be stored, or where they are loaded to
    unsigned granules = 1;
    bool write = false;
    bool unprivileged = false;
    const u64* data = nullptr; // what a store writes to each granule besides: two doublewords
};

enum class CacheOp : u8 { CleanOrInvalidate, Zero };
enum class GicAccess : u8 { Done, Undefined, TrapToEl2, TrapToEl3 };

// PSCI's return values (DEN0022 5.2.2).
enum class PsciResult : i32 {
    Success = 0,
    NotSupported = -1,
    InvalidParameters = -2,
    Denied = -3,
    AlreadyOn = -4,
    OnPending = -5,
    InternalFailure = -6,
    InvalidAddress = -9,
};

// Called on the CPU's own thread, while it executes an instruction. What has a body here is what a
// machine without the thing does.
class CpuHost {
  public:
    virtual ~CpuHost() = default;

    // --- Translation. A register of a regime, PSTATE.PAN, HCR_EL2 or the EL changed.
    virtual void translation_changed(Cpu&) {}
    virtual void invalidate_tlb(Cpu&, const TlbInvalidation&) = 0;
    // PAR_EL1. When the walk itself takes an exception (a stage 2 fault of it, D8.15), that.
    virtual u64 translate_address(Cpu&, const AddressTranslation&, std::optional<Exception>&) = 0;

    // --- Debug. A breakpoint, watchpoint, MDSCR_EL1 or the OS lock changed: see
    // debug_exceptions.h.
    virtual void debug_changed(Cpu&) {}

    // --- Caches. Data caches are never seen; the address of DC by address can fault.
    virtual void invalidate_all_instructions(Cpu&, bool broadcast) = 0;
    virtual void invalidate_instructions(Cpu&, GuestAddr address) = 0; // the line of it
    virtual std::optional<Exception> cache_operation(Cpu&, CacheOp, GuestAddr address) = 0;

    // --- Allocation tags, which read as zero where there are none.
    virtual std::optional<Exception> access_tags(Cpu&, const TagAccess&);

    // --- Time
    [[nodiscard]] virtual u64 counter() = 0; // physical count, ticks of ir::kCounterFrequency
    virtual void timer_changed(Cpu&) {}      // any register of a timer: see timers.h
    [[nodiscard]] virtual u64 cycles(Cpu&) { return counter() * 16; } // for PMCCNTR_EL0: 1 GHz
    [[nodiscard]] virtual u64 instructions(Cpu&) { return 0; }        // 0: they are not counted
    // When instructions are counted: how many cycles each takes, if no other CPU runs. Else 0.
    [[nodiscard]] virtual u64 cycles_per_instruction() const { return 0; }
    // PMOVSSET_EL0 & PMINTENSET_EL1 & enabled: level of the PMU's interrupt.
    virtual void pmu_interrupt(Cpu&, bool) {}

    // --- GICv3 CPU interface: ICC_*, ICV_* and ICH_*, by encoding (sysreg_encoding). The EL that
    // the register asks for was checked.
    virtual GicAccess read_gic(Cpu&, u16, u64&) { return GicAccess::Undefined; }
    virtual GicAccess write_gic(Cpu&, u16, u64) { return GicAccess::Undefined; }

    // --- Idling. The count at which to go on at the latest, in physical counts. They may return
    // early, and return at once when wakes_from_wfi() or the event register says so.
    virtual void wait_for_interrupt(Cpu&, std::optional<u64> /*until*/) {}
    virtual void wait_for_event(Cpu&, std::optional<u64> /*until*/) {}
    virtual void send_event() {} // SEV: sets Cpu::event of all CPUs, and wakes them

    // --- PSCI. cpu_on starts the CPU of this MPIDR in the caller's EL, with X0 = context.
    virtual PsciResult cpu_on(Cpu&, u64 /*mpidr*/, GuestAddr /*entry*/, u64 /*context*/) {
        return PsciResult::NotSupported;
    }
    virtual void cpu_off(Cpu&) {}
    // 0 on, 1 off, 2 being started, or InvalidParameters.
    virtual i32 affinity_info(Cpu&, u64 /*mpidr*/) {
        return static_cast<i32>(PsciResult::InvalidParameters);
    }
    virtual void system_off(Cpu&) {}
    virtual void system_reset(Cpu&) {}

    // HLT #0xf000: operation in X0, argument in X1; the result goes to X0. False: there is no
    // semihosting, and the instruction is UNDEFINED.
    virtual bool semihosting(Cpu&) { return false; }
};

} // namespace ulna::system
