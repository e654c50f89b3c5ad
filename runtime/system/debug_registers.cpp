// Breakpoints, watchpoints and the OS lock as registers; what they do is in debug_exceptions.
#include "runtime/system/sysreg_behaviours.h"

namespace ulna::system {

using enum SysReg;

void write_debug_match(Cpu& cpu, SysReg reg, u64 value) {
    write_cell(cpu, reg, value);
    cpu.host->debug_changed(cpu);
}

void write_os_lock(Cpu& cpu, SysReg, u64 value) {
    constexpr u64 kOslk = 1 << 1; // OSLSR_EL1.OSLK
    u64& status = cpu.reg(OSLSR_EL1);
    status = (status & ~kOslk) | ((value & 1) != 0 ? kOslk : 0);
    cpu.host->debug_changed(cpu);
}

// Claim tags: SET shows that all eight are there; CLR shows which are set.
u64 read_claim_set(Cpu&, SysReg reg) { return row_of(reg).writable; }
void write_claim_set(Cpu& cpu, SysReg reg, u64 value) {
    cpu.reg(DBGCLAIMCLR_EL1) |= value & row_of(reg).writable;
}
u64 read_claim_clear(Cpu& cpu, SysReg reg) { return cpu.reg(reg); }
void write_claim_clear(Cpu& cpu, SysReg reg, u64 value) { cpu.reg(reg) &= ~value; }

} // namespace ulna::system
