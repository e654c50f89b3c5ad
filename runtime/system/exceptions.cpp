// Constructors of exceptions.
#include "runtime/system/exceptions.h"

#include "ir/support/bits.h"
#include "runtime/system/cpu.h"
#include "runtime/system/fields.h"

namespace ulna::system {

using enum SysReg;

namespace {
constexpr unsigned kInstructionBytes = 4;
constexpr u8 kFscAlignment = 0x21, kFscTagCheck = 0x11, kFscDebug = 0x22;

Exception make(ExceptionClass ec, u32 iss, GuestAddr preferred_return) {
    Exception e;
    e.ec = ec;
    e.iss = iss;
    e.preferred_return = preferred_return;
    return e;
}
Exception with_far(Exception e, GuestAddr far) {
    e.has_far = true;
    e.far = far;
    return e;
}
} // namespace

// IL is set for the classes that are about no instruction too (D19.2.40).
Exception undefined(GuestAddr pc) { return make(ExceptionClass::Unknown, 0, pc); }

Exception trapped(ExceptionClass ec, u32 iss, u8 el, GuestAddr pc) {
    Exception e = make(ec, iss, pc);
    e.target_el = el;
    return e;
}

Exception svc(u16 imm, GuestAddr pc) {
    return make(ExceptionClass::Svc, imm, pc + kInstructionBytes);
}
Exception hvc(u16 imm, GuestAddr pc) {
    return make(ExceptionClass::Hvc, imm, pc + kInstructionBytes);
}
Exception smc(u16 imm, GuestAddr pc) {
    return make(ExceptionClass::Smc, imm, pc + kInstructionBytes);
}
Exception brk(u16 imm, GuestAddr pc) { return make(ExceptionClass::Brk, imm, pc); }

namespace {
u32 abort_iss(const AbortDetail& detail) {
    return detail.access_syndrome | u32{detail.cache_maintenance} << 8 | u32{detail.s1ptw} << 7 |
           u32{detail.write || detail.cache_maintenance} << 6 | detail.fsc;
}
Exception
abort(ExceptionClass ec, u32 iss, GuestAddr far, const AbortDetail& detail, GuestAddr pc) {
    Exception e = with_far(make(ec, iss, pc), far);
    e.stage2 = detail.stage2;
    e.ipa = detail.ipa;
    e.external = detail.external;
    return e;
}
} // namespace

Exception data_abort(GuestAddr far, const AbortDetail& detail, GuestAddr pc) {
    return abort(ExceptionClass::DataAbort, abort_iss(detail), far, detail, pc);
}
Exception instruction_abort(const AbortDetail& detail, GuestAddr pc) {
    const u32 iss = u32{detail.s1ptw} << 7 | detail.fsc;
    return abort(ExceptionClass::InstructionAbort, iss, pc, detail, pc);
}
Exception alignment_fault(GuestAddr far, bool write, GuestAddr pc) {
    return data_abort(far, {.fsc = kFscAlignment, .write = write}, pc);
}
Exception tag_check_fault(GuestAddr far, bool write, GuestAddr pc) {
    return data_abort(far, {.fsc = kFscTagCheck, .write = write}, pc);
}
Exception pc_alignment(GuestAddr pc) {
    return with_far(make(ExceptionClass::PcAlignment, 0, pc), pc);
}
Exception sp_alignment(GuestAddr pc) { return make(ExceptionClass::SpAlignment, 0, pc); }

Exception pac_fail(bool instruction_key, bool b, GuestAddr pc) {
    return make(ExceptionClass::PacFail, u32{!instruction_key} << 1 | u32{b}, pc);
}
Exception failed_authentication(u32 word, GuestAddr pc) {
    const auto bit = [&](unsigned n) { return (word >> n & 1) != 0; };
    if ((word & 0xff20'0400) == 0xf820'0400) { // LDRAA, LDRAB: the data keys
        return pac_fail(false, bit(23), pc);
    }
    if ((word & 0xffff'c000) == 0xdac1'0000) { // AUTIA AUTIB AUTDA AUTDB, and with a zero modifier
        return pac_fail(!bit(11), bit(10), pc);
    }
    if ((word & 0xffff'f01f) == 0xd503'201f) { // hints: AUTIA1716, AUTIASP, AUTIAZ...
        return pac_fail(true, bit(6), pc);
    }
    return pac_fail(true, bit(10), pc); // RETAA, BRAA, BLRAA: bit M
}

Exception branch_target(u8 btype, GuestAddr pc) {
    return make(ExceptionClass::BranchTarget, btype, pc);
}
Exception illegal_state(GuestAddr pc) { return make(ExceptionClass::IllegalState, 0, pc); }
Exception memory_copy_set(u32 iss, GuestAddr pc) {
    return make(ExceptionClass::MemoryCopySet, iss, pc);
}

Exception breakpoint(GuestAddr pc) { return make(ExceptionClass::Breakpoint, kFscDebug, pc); }
Exception watchpoint(GuestAddr far, bool write, bool cache_maintenance, GuestAddr pc) {
    const u32 iss = u32{cache_maintenance} << 8 | u32{write || cache_maintenance} << 6 | kFscDebug;
    return with_far(make(ExceptionClass::Watchpoint, iss, pc), far);
}
Exception software_step(bool valid, bool loaded_exclusive, GuestAddr pc) {
    constexpr u32 kIsv = 1u << 24, kEx = 1u << 6;
    const u32 iss = (valid ? kIsv | (loaded_exclusive ? kEx : 0) : 0) | kFscDebug;
    return make(ExceptionClass::SoftwareStep, iss, pc);
}

// --- Floating point (CheckFPAdvSIMDEnabled64)

namespace {
// FPEN: x0 traps, 01 traps EL0 (`at_el0`), 11 does not.
bool fpen_traps(u64 reg, bool at_el0) {
    return !bit(reg, cptr::kFpenLow) || (at_el0 && !bit(reg, cptr::kFpenHigh));
}
} // namespace

std::optional<Exception> fp_access_trap(const Cpu& cpu, GuestAddr pc) {
    constexpr u32 kAlways = 1u << 24 | 0xe << 20; // CV, COND
    const u8 el = cpu.pstate.el;
    if (el <= 1 && !(el == 0 && el0_in_host(cpu)) && fpen_traps(cpu.reg(CPACR_EL1), el == 0)) {
        if (el == 0 && (effective_hcr(cpu) & hcr::TGE) != 0) { // EL1's trap, which EL2 takes
            return trapped(ExceptionClass::Unknown, 0, 2, pc);
        }
        return trapped(ExceptionClass::FpAccess, kAlways, 1, pc);
    }
    if (el <= 2 && el2_enabled(cpu)) {
        const bool denied = e2h(cpu) ? fpen_traps(cpu.reg(CPTR_EL2), el == 0 && el0_in_host(cpu))
                                     : (cpu.reg(CPTR_EL2) & cptr::TFP) != 0;
        if (denied) {
            return trapped(ExceptionClass::FpAccess, kAlways, 2, pc);
        }
    }
    if (cpu.has_el3 && (cpu.reg(CPTR_EL3) & cptr::TFP) != 0) {
        return trapped(ExceptionClass::FpAccess, kAlways, 3, pc);
    }
    return std::nullopt;
}

// --- Syndromes of accesses

namespace {
// `opc` as in LDR and STR: 0 stores, 1 loads, 2 and 3 load and extend the sign to 64 and 32 bits.
u32 valid_syndrome(u32 word, u32 size, u32 opc, bool ordered) {
    const bool sign_extends = opc >= 2;
    const bool sixty_four = sign_extends ? opc == 2 : size == 3;
    const u32 rt = word & 31;
    return 1u << 24 | size << 22 | u32{sign_extends} << 21 | rt << 16 | u32{sixty_four} << 15 |
           u32{ordered} << 14;
}
} // namespace

u32 access_syndrome(u32 word) {
    const auto is = [&](u32 mask, u32 value) { return (word & mask) == value; };
    const u32 size = word >> 30, opc = word >> 22 & 3;
    const bool unsigned_offset = is(0x3f00'0000, 0x3900'0000);
    const bool register_offset = is(0x3f20'0c00, 0x3820'0800);
    const bool unscaled = is(0x3f20'0400, 0x3800'0000); // LDUR, LDTR
    if (unsigned_offset || register_offset || unscaled) {
        const bool prefetches = size == 3 && opc >= 2;
        return prefetches ? 0 : valid_syndrome(word, size, opc, false);
    }
    if (is(0x3f20'0c00, 0x1900'0000)) { // LDAPUR, STLUR
        return valid_syndrome(word, size, opc, true);
    }
    if (is(0x3fa0'0000, 0x0880'0000)) { // LDAR, STLR; with bit 15 clear LDLAR, STLLR
        return valid_syndrome(word, size, opc & 1, (word >> 15 & 1) != 0);
    }
    if (is(0x3fff'fc00, 0x38bf'c000)) { // LDAPR
        return valid_syndrome(word, size, 1, true);
    }
    if (is(0x3f00'0000, 0x1800'0000) && size != 3) { // LDR (literal), LDRSW (literal)
        return size == 2 ? valid_syndrome(word, 2, 2, false)
                         : valid_syndrome(word, 2 + size, 1, false);
    }
    return is(0xff20'0c00, 0xf820'0400) ? valid_syndrome(word, 3, 1, false) : 0; // LDRAA, LDRAB
}

} // namespace ulna::system
