// Exceptions as values: their syndromes (DDI 0487 D19.2.40, ESR_ELx).
#pragma once

#include <optional>

#include "ir/support/types.h"

namespace ulna::system {

struct Cpu;

// ESR_ELx.EC. Classes that tell a lower EL from the same one are here as "lower EL".
enum class ExceptionClass : u8 {
    Unknown = 0x00,
    WaitFor = 0x01,
    FpAccess = 0x07,
    Pauth = 0x09, // a trapped instruction of pointer authentication
    BranchTarget = 0x0d,
    IllegalState = 0x0e,
    Svc = 0x15,
    Hvc = 0x16,
    Smc = 0x17,
    SystemRegister = 0x18,
    PacFail = 0x1c,
    InstructionAbort = 0x20,
    PcAlignment = 0x22,
    DataAbort = 0x24,
    SpAlignment = 0x26,
    MemoryCopySet = 0x27,
    FpException = 0x2c,
    SError = 0x2f,
    Breakpoint = 0x30,
    SoftwareStep = 0x32,
    Watchpoint = 0x34,
    Brk = 0x3c,
};

struct Exception {
    ExceptionClass ec = ExceptionClass::Unknown;
    u32 iss = 0;
    bool il = true; // ESR_ELx.IL: a 32-bit instruction, or the class has it set
    GuestAddr preferred_return = 0;
    bool has_far = false;
    GuestAddr far = 0;
    bool stage2 = false; // the fault is of stage 2: EL2 takes it, and HPFAR_EL2 has the page of ipa
    u64 ipa = 0;
    bool external = false; // an external abort: SCR_EL3.EA, HCR_EL2.TEA
    u8 target_el = 0;      // 0: by the rules of the class
};

// An exception to UNDEFINED instructions, to instructions trapped to `el` (0: by the rules), and
// so on. `pc` is the instruction's own address.
[[nodiscard]] Exception undefined(GuestAddr pc);
[[nodiscard]] Exception trapped(ExceptionClass ec, u32 iss, u8 el, GuestAddr pc);
[[nodiscard]] Exception svc(u16 imm, GuestAddr pc); // returns behind the instruction
[[nodiscard]] Exception hvc(u16 imm, GuestAddr pc); // as svc
[[nodiscard]] Exception smc(u16 imm, GuestAddr pc); // as svc; a trapped SMC does not
[[nodiscard]] Exception brk(u16 imm, GuestAddr pc);

inline constexpr u8 kSynchronousExternalAbort = 0x10; // FSC, not on a walk

struct AbortDetail {
    u8 fsc = 0; // DFSC or IFSC: fault status code
    bool write = false;
    bool cache_maintenance = false; // DC, IC or AT: counts as a write
    bool s1ptw = false;             // the fault is of stage 2, on a walk of stage 1
    bool stage2 = false;
    u64 ipa = 0;
    bool external = false;
    u32 access_syndrome = 0; // ISS bits 24..14: see access_syndrome()
};
[[nodiscard]] Exception data_abort(GuestAddr far, const AbortDetail& detail, GuestAddr pc);
[[nodiscard]] Exception instruction_abort(const AbortDetail& detail, GuestAddr pc);
[[nodiscard]] Exception alignment_fault(GuestAddr far, bool write, GuestAddr pc);
[[nodiscard]] Exception tag_check_fault(GuestAddr far, bool write, GuestAddr pc);
[[nodiscard]] Exception pc_alignment(GuestAddr pc);
[[nodiscard]] Exception sp_alignment(GuestAddr pc);
// `instruction_key`: of IA or IB, else DA or DB; `b`: the B keys.
[[nodiscard]] Exception pac_fail(bool instruction_key, bool b, GuestAddr pc);
// The same for the instruction that failed: AUT*, RETA*, BRA*, BLRA*, LDRA*.
[[nodiscard]] Exception failed_authentication(u32 word, GuestAddr pc);
[[nodiscard]] Exception branch_target(u8 btype, GuestAddr pc);
[[nodiscard]] Exception illegal_state(GuestAddr pc);
[[nodiscard]] Exception memory_copy_set(u32 iss, GuestAddr pc); // ExitReason::Mops
[[nodiscard]] Exception breakpoint(GuestAddr pc);
[[nodiscard]] Exception watchpoint(GuestAddr far, bool write, bool cache_maintenance, GuestAddr pc);
// `loaded_exclusive`: the instruction that was stepped was a load-exclusive.
[[nodiscard]] Exception software_step(bool valid, bool loaded_exclusive, GuestAddr pc);

// The trap that an access to floating point or vector registers raises now; none: it may go on.
[[nodiscard]] std::optional<Exception> fp_access_trap(const Cpu& cpu, GuestAddr pc);

// Bits 24..14 of the ISS of a stage 2 data abort (ISV SAS SSE SRT SF AR), by which a hypervisor
// emulates a device: of loads and stores of one general register without write-back, but exclusive
// and atomic ones; 0 for all others.
[[nodiscard]] u32 access_syndrome(u32 word);

} // namespace ulna::system
