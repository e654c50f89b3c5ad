// Registers that are cells, and those whose change others must hear of.
#include "runtime/system/fields.h"
#include "runtime/system/sysreg_behaviours.h"

namespace ulna::system {

using enum SysReg;
using frontend::Feature;

u64 read_cell(Cpu& cpu, SysReg reg) { return cpu.reg(reg); }

void write_cell(Cpu& cpu, SysReg reg, u64 value) {
    const u64 writable = row_of(reg).writable;
    cpu.reg(reg) = (cpu.reg(reg) & ~writable) | (value & writable);
}

void write_ignored(Cpu&, SysReg, u64) {}

void write_translation(Cpu& cpu, SysReg reg, u64 value) {
    write_cell(cpu, reg, value);
    cpu.host->translation_changed(cpu);
}

void write_control(Cpu& cpu, SysReg reg, u64 value) {
    write_translation(cpu, reg, value);
    update_translated_state(cpu);
}

void write_hcr(Cpu& cpu, SysReg reg, u64 value) {
    const u64 absent = (cpu.has(Feature::LSE) ? 0 : hcr::E2H) |
                       (cpu.has(Feature::PAuth) ? 0 : hcr::API | hcr::APK) |
                       (cpu.has(Feature::MTE) ? 0 : hcr::ATA | hcr::DCT | hcr::TID5) |
                       (cpu.has_el3 ? hcr::HCD : 0);
    write_control(cpu, reg, value & ~absent);
    cpu.host->timer_changed(cpu); // TGE: whose virtual offset counts
}

// CPTR_EL2 has two layouts (D19.2.34); its cell holds the fields of both.
u64 read_cptr(Cpu& cpu, SysReg reg) {
    constexpr u64 kFpen = u64{3} << cptr::kFpenLow, kTtaE2h = u64{1} << 28;
    constexpr u64 kTta = u64{1} << 20;
    const u64 cell = cpu.reg(reg);
    if ((cpu.reg(HCR_EL2) & hcr::E2H) != 0) {
        return cell & (cptr::TCPAC | kTtaE2h | kFpen);
    }
    return (cell & (cptr::TCPAC | kTta | cptr::TFP)) | row_of(reg).reset;
}

// DZP: DC ZVA is not permitted here.
u64 read_dczid(Cpu& cpu, SysReg reg) {
    constexpr u64 kDzp = u64{1} << 4;
    return cpu.reg(reg) | (zero_block_allowed(cpu) ? 0 : kDzp);
}

// Pending interrupts as this EL would take them: virtual ones at EL1 when they are routed away.
u64 read_isr(Cpu& cpu, SysReg) {
    const u32 lines = signalled_lines(cpu);
    const u64 hcr = cpu.pstate.el == 1 ? effective_hcr(cpu) : 0;
    struct Kind {
        u64 routed, pending_virtual;
        u32 physical_line, virtual_line;
        unsigned isr_bit;
    };
    constexpr Kind kKinds[] = {
        {hcr::FMO, hcr::VF, line::kFiq, line::kVirtualFiq, 6},
        {hcr::IMO, hcr::VI, line::kIrq, line::kVirtualIrq, 7},
        {hcr::AMO, hcr::VSE, line::kSError, 0, 8},
    };
    u64 isr = 0;
    for (const Kind& kind : kKinds) {
        const bool pending = (hcr & kind.routed) != 0 ? (hcr & kind.pending_virtual) != 0 ||
                                                            (lines & kind.virtual_line) != 0
                                                      : (lines & kind.physical_line) != 0;
        isr |= u64{pending} << kind.isr_bit;
    }
    return isr;
}

// Deferred SErrors: EL1 sees EL2's virtual ones when those are routed (D17.2.2).
namespace {
SysReg disr_of(const Cpu& cpu) {
    return (cpu.pstate.el == 1 && (effective_hcr(cpu) & hcr::AMO) != 0) ? VDISR_EL2 : DISR_EL1;
}
} // namespace
u64 read_disr(Cpu& cpu, SysReg) { return cpu.reg(disr_of(cpu)); }
void write_disr(Cpu& cpu, SysReg, u64 value) { write_cell(cpu, disr_of(cpu), value); }

} // namespace ulna::system
