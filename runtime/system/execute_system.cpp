// The instructions that are left to us: decode, and what each does.
#include <algorithm>

#include "ir/support/bits.h"
#include "runtime/system/fields.h"
#include "runtime/system/pointer_auth.h"
#include "runtime/system/psci.h"
#include "runtime/system/system_instructions.h"
#include "runtime/system/tag_instructions.h"
#include "runtime/system/take_exception.h"
#include "runtime/system/timers.h"

namespace ulna::system {

using enum SysReg;
using frontend::Feature;

namespace {

u16 imm16(const Instruction& insn) { return static_cast<u16>(bits(insn.word, 20, 5)); }

Outcome execute_nothing(Cpu&, const Instruction&) { return std::nullopt; }
Outcome execute_undefined(Cpu&, const Instruction& insn) { return undefined(insn.pc); }

// --- Exception generation

// A call counts as executed when it is taken: a step goes on behind it (D2.11.5).
Exception executed_call(Cpu& cpu, Exception e, u8 target) {
    cpu.pstate.ss = false;
    e.target_el = target;
    return e;
}

Outcome execute_svc(Cpu& cpu, const Instruction& insn) {
    constexpr u8 kByRules = 0;
    return executed_call(cpu, svc(imm16(insn), insn.pc), kByRules);
}
Outcome execute_brk(Cpu&, const Instruction& insn) { return brk(imm16(insn), insn.pc); }

Outcome execute_hvc(Cpu& cpu, const Instruction& insn) {
    if (cpu.pstate.el != 0 && cpu.psci == PsciMethod::Hvc) {
        call_psci(cpu);
        return std::nullopt;
    }
    const bool enabled =
        cpu.has_el3 ? (cpu.reg(SCR_EL3) & scr::HCE) != 0 : (cpu.reg(HCR_EL2) & hcr::HCD) == 0;
    if (!cpu.has_el2 || cpu.pstate.el == 0 || (cpu.pstate.el == 1 && is_secure(cpu)) || !enabled) {
        return undefined(insn.pc);
    }
    return executed_call(cpu, hvc(imm16(insn), insn.pc), cpu.pstate.el == 3 ? 3 : 2);
}

Outcome execute_smc(Cpu& cpu, const Instruction& insn) {
    const bool ours = cpu.psci == PsciMethod::Smc;
    if (cpu.pstate.el == 0 || (!cpu.has_el3 && !ours)) {
        return undefined(insn.pc);
    }
    if ((hcr_at_el1(cpu) & hcr::TSC) != 0) {
        return trapped(ExceptionClass::Smc, imm16(insn), 2, insn.pc);
    }
    if (ours) {
        call_psci(cpu);
        return std::nullopt;
    }
    if ((cpu.reg(SCR_EL3) & scr::SMD) != 0) {
        return undefined(insn.pc);
    }
    return executed_call(cpu, smc(imm16(insn), insn.pc), 3);
}

// Without a debugger attached HLT is UNDEFINED; this one asks for semihosting.
Outcome execute_hlt(Cpu& cpu, const Instruction& insn) {
    constexpr u16 kSemihosting = 0xf000;
    const bool done =
        imm16(insn) == kSemihosting && cpu.pstate.el != 0 && cpu.host->semihosting(cpu);
    return done ? std::nullopt : Outcome{undefined(insn.pc)};
}

// --- Return from exceptions

Outcome execute_eret(Cpu& cpu, const Instruction& insn) {
    if (cpu.pstate.el == 0) {
        return undefined(insn.pc);
    }
    exception_return(cpu);
    return std::nullopt;
}

// The key IA, or with bit 10 IB; the modifier is SP. Without an enabled key as ERET.
Outcome execute_eret_authenticated(Cpu& cpu, const Instruction& insn) {
    if (cpu.pstate.el == 0 || !cpu.has(Feature::PAuth)) {
        return undefined(insn.pc);
    }
    const bool b = bit(insn.word, 10);
    if (!instruction_key_enabled(cpu, b)) {
        return execute_eret(cpu, insn);
    }
    if (const u8 el = key_trap_target(cpu)) {
        return trapped(ExceptionClass::Pauth, 0, el, insn.pc);
    }
    const auto target =
        authenticate_instruction_pointer(cpu, return_address(cpu), cpu.state->sp, b);
    if (!target) {
        return pac_fail(true, b, insn.pc);
    }
    return_from_exception(cpu, *target);
    return std::nullopt;
}

// --- MSR (immediate)

// A write of the register of that PSTATE field, with the immediate where it has the field.
Outcome set_field(Cpu& cpu, SysReg reg, u64 value) {
    write_register(cpu, reg, value);
    return std::nullopt;
}
struct PstateField {
    unsigned op1, op2;
    u8 least_el;
    SysReg reg;
};
constexpr PstateField kPstateFields[] = {
    {0, 3, 1, UAO}, {0, 4, 1, PAN}, {0, 5, 1, SPSel}, {3, 1, 0, SSBS},
    {3, 2, 0, DIT}, {3, 4, 0, TCO}, {3, 6, 0, DAIF},  {3, 7, 0, DAIF},
};

Outcome execute_daif(Cpu& cpu, const Instruction& insn, u8 mask, bool clear) {
    if (const auto verdict = judge_access(cpu, DAIF, true)) {
        return denied(insn, *verdict);
    }
    cpu.set_daif(static_cast<u8>(clear ? cpu.daif() & ~mask : cpu.daif() | mask));
    return std::nullopt;
}

Outcome execute_msr_immediate(Cpu& cpu, const Instruction& insn) {
    constexpr unsigned kDaifClr = 7;
    const auto op1 = static_cast<unsigned>(bits(insn.word, 18, 16));
    const auto op2 = static_cast<unsigned>(bits(insn.word, 7, 5));
    const auto CRm = static_cast<u8>(bits(insn.word, 11, 8));
    const auto* const field = std::ranges::find_if(
        kPstateFields, [&](const PstateField& f) { return f.op1 == op1 && f.op2 == op2; });
    if (field == std::end(kPstateFields) || cpu.pstate.el < field->least_el ||
        !cpu.has(row_of(field->reg).feature)) {
        return undefined(insn.pc);
    }
    if (field->reg == DAIF) {
        return execute_daif(cpu, insn, CRm, op2 == kDaifClr);
    }
    return set_field(cpu, field->reg, bit(CRm, 0) ? row_of(field->reg).writable : 0);
}

// --- Waiting

struct Wait {
    bool for_event, timed;
};

// WFI and WFE of lower ELs are trapped only if they would wait.
Outcome wait_trap(const Cpu& cpu, const Instruction& insn, Wait wait) {
    const u64 not_trapped = wait.for_event ? sctlr::nTWE : sctlr::nTWI;
    const u32 ti = (wait.for_event ? 1 : 0) | (wait.timed ? 2 : 0);
    constexpr u32 kAlways = 1u << 24 | 0xe << 20, kRegisterValid = 1u << 2;
    const u32 iss = kAlways | (wait.timed ? insn.Rt() << 5 | kRegisterValid : 0) | ti;
    const auto trap = [&](u8 el) { return trapped(ExceptionClass::WaitFor, iss, el, insn.pc); };
    if (cpu.pstate.el == 0 && (sctlr_of_el0(cpu) & not_trapped) == 0) {
        return trap(trap_of_el0(cpu).el);
    }
    if ((hcr_below_el2(cpu) & (wait.for_event ? hcr::TWE : hcr::TWI)) != 0) {
        return trap(2);
    }
    if ((scr_below_el3(cpu, 0) & (wait.for_event ? scr::TWE : scr::TWI)) != 0) {
        return trap(3);
    }
    return std::nullopt;
}

Outcome execute_wait(Cpu& cpu, const Instruction& insn, Wait wait) {
    if (wait.for_event ? cpu.event.exchange(false) : wakes_from_wfi(cpu)) {
        return std::nullopt;
    }
    std::optional<u64> until;
    if (wait.timed) {
        until = physical_count_of(cpu, read_x(cpu, insn.Rt()));
        if (cpu.host->counter() >= *until) {
            return std::nullopt;
        }
    }
    if (auto trap = wait_trap(cpu, insn, wait)) {
        return trap;
    }
    if (wait.for_event) {
        cpu.host->wait_for_event(cpu, until);
    } else {
        cpu.host->wait_for_interrupt(cpu, until);
    }
    return std::nullopt;
}

Outcome execute_hint(Cpu& cpu, const Instruction& insn) {
    switch (bits(insn.word, 11, 5)) { // CRm:op2
    case 2:
        return execute_wait(cpu, insn, {.for_event = true, .timed = false});
    case 3:
        return execute_wait(cpu, insn, {.for_event = false, .timed = false});
    case 4: // SEV
        cpu.event = true;
        cpu.host->send_event();
        return std::nullopt;
    case 5: // SEVL
        cpu.event = true;
        return std::nullopt;
    default:
        return std::nullopt;
    }
}

// WFET: op2 0, WFIT: op2 1.
Outcome execute_timed_wait(Cpu& cpu, const Instruction& insn) {
    if (!cpu.has(Feature::WFxT)) {
        return undefined(insn.pc);
    }
    return execute_wait(cpu, insn, {.for_event = !bit(insn.word, 5), .timed = true});
}

// --- Decode. The first row that fits counts; what kernels execute most comes first.

struct Row {
    u32 mask, bits;
    Outcome (*execute)(Cpu&, const Instruction&);
};
constexpr Row kRows[] = {
    {0xfff0'0000, 0xd530'0000, execute_mrs},
    {0xfff0'0000, 0xd510'0000, execute_msr},
    {0xffff'ffff, 0xd69f'03e0, execute_eret},
    {0xffe0'001f, 0xd400'0001, execute_svc},
    {0xfff8'f01f, 0xd500'401f, execute_msr_immediate},
    {0xffd8'0000, 0xd508'0000, execute_sys}, // and SYSL, of which none is allocated
    {0xffff'f01f, 0xd503'201f, execute_hint},
    {0xffff'ffc0, 0xd503'1000, execute_timed_wait},
    {0xffff'f01f, 0xd503'301f, execute_nothing}, // barriers
    {0xffe0'001f, 0xd400'0002, execute_hvc},
    {0xffe0'001f, 0xd400'0003, execute_smc},
    {0xffe0'001f, 0xd420'0000, execute_brk},
    {0xffe0'001f, 0xd440'0000, execute_hlt},
    {0xffff'fbff, 0xd69f'0bff, execute_eret_authenticated},
    {0xff20'0000, 0xd920'0000, execute_tag_access},
    {0xfe40'0000, 0x6800'0000, execute_tagged_pair},
    {0xbfc0'c000, 0x9180'0000, execute_add_tag},
    {0xffe0'fc00, 0x9ac0'1000, execute_insert_tag},
    {0xffe0'0c00, 0x1dc0'0400, execute_set_with_tags},
    // DRPS and DCPS are for Debug state
    {0, 0, execute_undefined},
};

} // namespace

void execute_system(Cpu& cpu, u32 word) {
    const Instruction insn{word, cpu.state->pc};
    if (cpu.pstate.il) {
        take_exception(cpu, illegal_state(insn.pc));
        return;
    }
    const Row* row = kRows;
    while ((word & row->mask) != row->bits) {
        ++row;
    }
    cpu.state->pc = insn.pc + 4;
    if (const Outcome exception = row->execute(cpu, insn)) {
        take_exception(cpu, *exception);
    }
}

} // namespace ulna::system
