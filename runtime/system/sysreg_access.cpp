// From the encoding of MRS or MSR to the register: VHE's redirection, the GIC's registers, what is
// reserved.
#include "runtime/system/sysreg_access.h"

#include <algorithm>
#include <array>

#include "runtime/debug/log.h"
#include "runtime/system/fields.h"
#include "runtime/system/sysreg_behaviours.h"

namespace ulna::system {

using enum SysReg;

u64 read_x(const Cpu& cpu, u32 n) { return n == 31 ? 0 : cpu.state->x[n]; }
void write_x(Cpu& cpu, u32 n, u64 value) {
    if (n != 31) {
        cpu.state->x[n] = value;
    }
}

// ISS of EC 0x18: op0 op2 op1 CRn Rt CRm, and the direction.
Exception denied(const Instruction& insn, Trap trap) {
    if (trap.el == 0 || trap.ec == ExceptionClass::Unknown) {
        Exception e = undefined(insn.pc);
        e.target_el = trap.el;
        return e;
    }
    constexpr u32 kAlways = 1u << 24 | 0xe << 20;
    const u32 w = insn.word;
    const u32 iss = (w >> 19 & 3) << 20 | (w >> 5 & 7) << 17 | (w >> 16 & 7) << 14 |
                    (w >> 12 & 15) << 10 | insn.Rt() << 5 | (w >> 8 & 15) << 1 | (w >> 21 & 1);
    return trapped(trap.ec, trap.ec == ExceptionClass::FpAccess ? kAlways : iss, trap.el, insn.pc);
}

bool is_implementation_defined(u16 encoding) {
    const unsigned op0 = encoding >> 14, CRn = encoding >> 7 & 15;
    return (op0 == 3 || op0 == 1) && (CRn == 11 || CRn == 15);
}

namespace {

struct BehaviourFunctions {
    u64 (*read)(Cpu&, SysReg);
    void (*write)(Cpu&, SysReg, u64);
};
constexpr BehaviourFunctions kBehaviours[] = {
#define BEHAVIOUR(name, read, write) {read, write},
#include "runtime/system/sysreg_behaviours.def"
#undef BEHAVIOUR
};
const BehaviourFunctions& behaviour(SysReg reg) {
    return kBehaviours[static_cast<unsigned>(row_of(reg).behaviour)];
}

// --- VHE

bool is_timer(SysReg reg) {
    const SysRegRow& row = row_of(reg);
    return row.CRn() == 14 && (row.CRm() == 2 || row.CRm() == 3);
}

// HCR_EL2.E2H: EL1's names mean EL2's registers at EL2, and those of timers at a host's EL0 too.
SysReg redirect(const Cpu& cpu, SysReg reg) {
    const bool host = (cpu.pstate.el == 2 && e2h(cpu)) ||
                      (cpu.pstate.el == 0 && el0_in_host(cpu) && is_timer(reg));
    if (!host) {
        return reg;
    }
    const auto alias = std::ranges::find(host_aliases(), reg, &HostAlias::el1);
    return alias == host_aliases().end() ? reg : alias->el2;
}

// *_EL12 and *_EL02 are there at EL2 and EL3 when E2H is set.
const HostAlias* find_alias(u16 encoding) {
    const auto aliases = host_aliases();
    const auto alias = std::ranges::lower_bound(aliases, encoding, {}, &HostAlias::encoding);
    return alias != aliases.end() && alias->encoding == encoding ? &*alias : nullptr;
}

// --- GIC: ICC_* and ICV_* (op1 0), ICH_* and ICC_SRE_EL2 (op1 4), EL3's (op1 6)

bool is_gic(u16 encoding) {
    const unsigned op0 = encoding >> 14, op1 = encoding >> 11 & 7, CRn = encoding >> 7 & 15,
                   CRm = encoding >> 3 & 15;
    if (op0 != 3 || (op1 != 0 && op1 != 4 && op1 != 6)) {
        return false;
    }
    return (op1 == 0 && CRn == 4 && CRm == 6) || (CRn == 12 && CRm >= 8);
}

enum class GicGroup : u8 { Zero, One, Common };
// Group of an ICC_* register of EL1 (IHI 0069 12.2): what decides which interrupts' traps apply.
GicGroup gic_group(u16 encoding) {
    const unsigned CRm = encoding >> 3 & 15, op2 = encoding & 7;
    if (CRm == 8) { // IAR0 EOIR0 HPPIR0 BPR0 AP0R<n>
        return GicGroup::Zero;
    }
    if (CRm == 9) { // AP1R<n>
        return GicGroup::One;
    }
    if (CRm == 12) { // IAR1 EOIR1 HPPIR1 BPR1, CTLR SRE IGRPEN0 IGRPEN1
        return op2 == 6 ? GicGroup::Zero : op2 == 4 || op2 == 5 ? GicGroup::Common : GicGroup::One;
    }
    return GicGroup::Common;
}

// Routing an interrupt to a higher EL traps the registers by which lower ones would handle it; the
// virtual ones of EL2 are not trapped, but SGIs are (IHI 0069 12.1).
Verdict gic_trap(const Cpu& cpu, u16 encoding) {
    const unsigned CRm = encoding >> 3 & 15, op2 = encoding & 7;
    const bool is_sre = CRm == 12 && op2 == 5, is_sgi = CRm == 11 && op2 >= 5;
    const u64 hcr = cpu.pstate.el == 1 ? effective_hcr(cpu) : 0;
    if (is_sgi && (hcr & (hcr::FMO | hcr::IMO)) != 0) {
        return trap_to(2);
    }
    const GicGroup group = gic_group(encoding);
    const u64 routed = group == GicGroup::Zero  ? hcr & hcr::FMO
                       : group == GicGroup::One ? hcr & hcr::IMO
                                                : hcr & (hcr::FMO | hcr::IMO);
    if (is_sre || routed != 0 || !cpu.has_el3 || cpu.pstate.el == 3) {
        return std::nullopt;
    }
    const u64 needed = group == GicGroup::Zero  ? scr::FIQ
                       : group == GicGroup::One ? scr::IRQ
                                                : scr::FIQ | scr::IRQ;
    return (cpu.reg(SCR_EL3) & needed) == needed ? Verdict{trap_to(3)} : std::nullopt;
}

Outcome finish_gic(const Instruction& insn, GicAccess result) {
    switch (result) {
    case GicAccess::Done:
        return std::nullopt;
    case GicAccess::TrapToEl2:
        return denied(insn, trap_to(2));
    case GicAccess::TrapToEl3:
        return denied(insn, trap_to(3));
    case GicAccess::Undefined:
        break;
    }
    return undefined(insn.pc);
}

Outcome access_gic(Cpu& cpu, const Instruction& insn, bool write) {
    const u16 encoding = sysreg_encoding(insn.word);
    const unsigned op1 = encoding >> 11 & 7;
    const unsigned least_el = op1 == 6 ? 3 : op1 == 4 ? 2 : 1;
    if (cpu.pstate.el < least_el || !cpu.has_gic_registers) {
        return undefined(insn.pc);
    }
    if (const auto trap = op1 == 0 ? gic_trap(cpu, encoding) : std::nullopt) {
        return denied(insn, *trap);
    }
    if (write) {
        return finish_gic(insn, cpu.host->write_gic(cpu, encoding, read_x(cpu, insn.Rt())));
    }
    u64 value = 0;
    const Outcome outcome = finish_gic(insn, cpu.host->read_gic(cpu, encoding, value));
    if (!outcome) {
        write_x(cpu, insn.Rt(), value);
    }
    return outcome;
}

// --- What has no row

// Identification that later versions of the architecture may define: op0 3, op1 0, CRn 0, CRm 1..7.
bool is_reserved_identification(u16 encoding) {
    const unsigned CRm = encoding >> 3 & 15;
    return encoding >> 7 == sysreg_encoding(3, 0, 0, 0, 0) >> 7 && CRm >= 1 && CRm <= 7;
}

Outcome read_reserved_identification(Cpu& cpu, const Instruction& insn) {
    const auto verdict = judge_access(cpu, ID_AA64ZFR0_EL1, false); // as any of them
    if (verdict) {
        return denied(insn, *verdict);
    }
    write_x(cpu, insn.Rt(), 0);
    return std::nullopt;
}

// Once for each register, by the name that assemblers take.
void log_unknown(const Cpu& cpu, const Instruction& insn, bool write) {
    static std::array<std::atomic<u64>, (1 << 16) / 64> seen;
    const u16 encoding = sysreg_encoding(insn.word);
    const u64 bit = u64{1} << encoding % 64;
    if (!runtime::debug::log_enabled(runtime::debug::Item::Unimp) ||
        (seen[encoding / 64].fetch_or(bit) & bit) != 0) {
        return;
    }
    runtime::debug::log_printf("no system register S%u_%u_C%u_C%u_%u: %s at 0x%llx, EL%u\n",
                               encoding >> 14, encoding >> 11 & 7, encoding >> 7 & 15,
                               encoding >> 3 & 15, encoding & 7, write ? "MSR" : "MRS",
                               static_cast<unsigned long long>(insn.pc), cpu.pstate.el);
}

// IMPLEMENTATION DEFINED registers of Arm's cores, such as CPUECTLR_EL1, which firmware for them
// sets up: there and without effect.
bool is_register_of_core(const Cpu& cpu, u16 encoding) {
    constexpr u64 kArm = 0x41;
    const unsigned op1 = encoding >> 11 & 7;
    return cpu.model->midr_el1 >> 24 == kArm && is_implementation_defined(encoding) && op1 <= 1 &&
           cpu.pstate.el != 0;
}

Outcome access_unknown(Cpu& cpu, const Instruction& insn, bool write) {
    const u16 encoding = sysreg_encoding(insn.word);
    if (!write && is_reserved_identification(encoding)) {
        return read_reserved_identification(cpu, insn);
    }
    if (is_implementation_defined(encoding) && (hcr_at_el1(cpu) & hcr::TIDCP) != 0) {
        return denied(insn, trap_to(2));
    }
    if (is_register_of_core(cpu, encoding)) {
        write_x(cpu, write ? 31 : insn.Rt(), 0);
        return std::nullopt;
    }
    log_unknown(cpu, insn, write);
    return denied(insn, !write && is_identification(cpu, encoding) ? trap_of_identification(cpu)
                                                                   : Trap{});
}

// --- Access

Outcome access_register(Cpu& cpu, const Instruction& insn, SysReg reg, bool write) {
    if (write) {
        behaviour(reg).write(cpu, reg, read_x(cpu, insn.Rt()));
    } else {
        write_x(cpu, insn.Rt(), behaviour(reg).read(cpu, reg));
    }
    return std::nullopt;
}

Outcome access(Cpu& cpu, const Instruction& insn, bool write) {
    const u16 encoding = sysreg_encoding(insn.word);
    if (const auto named = find_register(encoding)) {
        const SysReg reg = redirect(cpu, *named);
        // EL0 is judged by the name it uses: the timers of a host's EL0 are EL2's registers.
        const auto verdict = judge_access(cpu, cpu.pstate.el == 0 ? *named : reg, write);
        return verdict ? denied(insn, *verdict) : access_register(cpu, insn, reg, write);
    }
    if (is_gic(encoding)) {
        return access_gic(cpu, insn, write);
    }
    if (const HostAlias* alias = find_alias(encoding);
        alias != nullptr && cpu.pstate.el >= 2 && e2h(cpu) && cpu.has(row_of(alias->el1).feature)) {
        return access_register(cpu, insn, alias->el1, write);
    }
    return access_unknown(cpu, insn, write);
}

} // namespace

Outcome execute_mrs(Cpu& cpu, const Instruction& insn) { return access(cpu, insn, false); }
Outcome execute_msr(Cpu& cpu, const Instruction& insn) { return access(cpu, insn, true); }

u64 read_register(Cpu& cpu, SysReg reg) { return behaviour(reg).read(cpu, reg); }
void write_register(Cpu& cpu, SysReg reg, u64 value) { behaviour(reg).write(cpu, reg, value); }

} // namespace ulna::system
