// IRQ, FIQ and SError: where they go, what masks them (DDI 0487 D1.3.6).
#include "runtime/system/exception_log.h"
#include "runtime/system/fields.h"
#include "runtime/system/take_exception.h"

namespace ulna::system {

using enum SysReg;

namespace {

struct Kind {
    const char* name;
    const char* virtual_name;
    u32 physical_line, virtual_line;
    u64 route_hcr, route_scr; // to EL2, to EL3
    u64 virtual_pending;      // HCR_EL2.VI and the like
    u8 mask;                  // of Pstate::daif
    u64 vector_offset;
};
// The most urgent first, which is for the implementation to choose.
constexpr Kind kKinds[] = {
    {"SError", "virtual SError", line::kSError, 0, hcr::AMO, scr::EA, hcr::VSE, daif::A, 0x180},
    {"FIQ", "virtual FIQ", line::kFiq, line::kVirtualFiq, hcr::FMO, scr::FIQ, hcr::VF, daif::F,
     0x100},
    {"IRQ", "virtual IRQ", line::kIrq, line::kVirtualIrq, hcr::IMO, scr::IRQ, hcr::VI, daif::I,
     0x080},
};

u8 physical_target(const Cpu& cpu, const Kind& kind) {
    if (cpu.has_el3 && (cpu.reg(SCR_EL3) & kind.route_scr) != 0) {
        return 3;
    }
    return (effective_hcr(cpu) & (kind.route_hcr | hcr::TGE)) != 0 ? 2 : 1;
}

// Interrupts for a higher EL than EL1 cannot be masked below it, but for those of a host's own EL0.
bool physical_allowed(const Cpu& cpu, const Kind& kind) {
    const u8 target = physical_target(cpu, kind), el = cpu.pstate.el;
    if (target < el) {
        return false;
    }
    const bool maskable = target == el || target == 1 || (target == 2 && el0_in_host(cpu));
    return !maskable || (cpu.daif() & kind.mask) == 0;
}

// Virtual interrupts are EL1's, while EL2 has taken over the physical ones.
bool virtual_routed(const Cpu& cpu, const Kind& kind) {
    const u64 hcr = effective_hcr(cpu);
    return cpu.pstate.el <= 1 && (hcr & kind.route_hcr) != 0 && (hcr & hcr::TGE) == 0;
}
bool virtual_pending(const Cpu& cpu, const Kind& kind, u32 lines) {
    return virtual_routed(cpu, kind) &&
           ((lines & kind.virtual_line) != 0 || (effective_hcr(cpu) & kind.virtual_pending) != 0);
}

struct Due {
    const Kind* kind;
    bool is_virtual;
};
std::optional<Due> most_urgent(const Cpu& cpu) {
    const u32 lines = signalled_lines(cpu);
    if (lines == 0 && (cpu.reg(HCR_EL2) & hcr::kVirtualInterrupts) == 0) {
        return std::nullopt;
    }
    for (const Kind& kind : kKinds) {
        if ((lines & kind.physical_line) != 0 && physical_allowed(cpu, kind)) {
            return Due{&kind, false};
        }
    }
    for (const Kind& kind : kKinds) {
        if (virtual_pending(cpu, kind, lines) && (cpu.daif() & kind.mask) == 0) {
            return Due{&kind, true};
        }
    }
    return std::nullopt;
}

// A physical SError says nothing about its cause; a virtual one what EL2 has put into VSESR_EL2.
void set_serror_syndrome(Cpu& cpu, const Due& due, u8 target) {
    constexpr u64 kSErrorClass = u64{0x2f} << 26, kIl = u64{1} << 25;
    const SysReg esr = target == 3 ? ESR_EL3 : target == 2 ? ESR_EL2 : ESR_EL1;
    cpu.reg(esr) = kSErrorClass | kIl | (due.is_virtual ? cpu.reg(VSESR_EL2) : 0);
    if (due.is_virtual) {
        cpu.reg(HCR_EL2) &= ~hcr::VSE;
    } else {
        cpu.lines.fetch_and(~line::kSError);
    }
}

} // namespace

// An interrupt of group 1 is IRQ in its own Security state below EL3, and else FIQ (IHI
// 0069 4.6.2).
u32 signalled_lines(const Cpu& cpu) {
    const u32 lines = cpu.lines.load(std::memory_order_acquire);
    if ((lines & (line::kNonsecureGroup1 | line::kSecureGroup1)) == 0) {
        return lines;
    }
    const bool is_of_secure = (lines & line::kSecureGroup1) != 0;
    const bool is_own = cpu.pstate.el != 3 && is_of_secure == is_secure(cpu);
    return lines | (is_own ? line::kIrq : line::kFiq);
}

bool interrupt_due(const Cpu& cpu) { return most_urgent(cpu).has_value(); }

bool take_pending_interrupt(Cpu& cpu) {
    const auto due = most_urgent(cpu);
    if (!due) {
        return false;
    }
    const u8 target = due->is_virtual ? u8{1} : physical_target(cpu, *due->kind);
    if (due->kind->physical_line == line::kSError) {
        set_serror_syndrome(cpu, *due, target);
    }
    const u8 from = cpu.pstate.el;
    enter_exception(cpu, target, due->kind->vector_offset, cpu.state->pc);
    log_taken(cpu, due->is_virtual ? due->kind->virtual_name : due->kind->name, from);
    return true;
}

bool wakes_from_wfi(const Cpu& cpu) {
    const u32 lines = signalled_lines(cpu);
    for (const Kind& kind : kKinds) {
        if ((lines & kind.physical_line) != 0 || virtual_pending(cpu, kind, lines)) {
            return true;
        }
    }
    return false;
}

} // namespace ulna::system
