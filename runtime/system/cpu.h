// The CPU above user mode: exception levels, system registers, exceptions and interrupts.
//
// Translated code works on ir::CpuState. What it does not touch is here, in Cpu, which a machine
// owns one of for each CPU. Registers that are in CpuState live there only: X, the current SP, V,
// PC, NZCV, DIT, SSBS, TCO, BTYPE, FPCR, FPSR, TPIDR_EL0, TPIDRRO_EL0, the keys of pointer
// authentication, GCR_EL1, RGSR_EL1, TFSRE0_EL1, DAIF, SP_EL0, TPIDR_EL1. A Cpu is used by its own
// thread only, but for `lines` and `event`.
#pragma once

#include <atomic>

#include "runtime/system/cpu_host.h"
#include "runtime/system/exceptions.h"
#include "runtime/system/psci_method.h"
#include "runtime/system/sysregs.h"

namespace ulna::devices {
class StateVisitor;
}

namespace ulna::system {

struct Pstate {
    u8 el = 1;
    bool sp_sel = true;
    bool pan = false, uao = false, il = false, ss = false;
};

// Interrupt inputs: bits of Cpu::lines. Level-sensitive; set and cleared from any thread.
namespace line {
inline constexpr u32 kIrq = 1, kFiq = 2, kSError = 4, kVirtualIrq = 8, kVirtualFiq = 16;
// Of a GICv3 with two Security states; IRQ or FIQ (signalled_lines()).
inline constexpr u32 kNonsecureGroup1 = 32, kSecureGroup1 = 64;
} // namespace line

struct Cpu {
    // --- what it is: set before reset()
    ir::CpuState* state = nullptr;
    unsigned index = 0;
    const frontend::CpuModel* model = nullptr;
    CpuHost* host = nullptr;
    u64 affinity = 0; // MPIDR_EL1.Aff3..Aff0 in their places
    bool has_el2 = false, has_el3 = false;
    bool has_gic_registers = false; // GICv3: ID_AA64PFR0_EL1.GIC
    u8 physical_address_bits = 48;
    PsciMethod psci = PsciMethod::None;

    // --- its state
    Pstate pstate;
    u64 regs[kSysRegCount] = {}; // by SysReg; unused where the register lives elsewhere
    u64 sp_bank[4] = {};         // SP_EL1..SP_EL3, by EL; not of the current one
    std::atomic<u32> lines = 0;
    std::atomic<bool> event = false; // the event register: WFE
    u64 pmu_base[7] = {};            // of what counts, when the counter was 0: see pmu.cpp

    // PSTATE.DAIF: D=8 A=4 I=2 F=1.
    [[nodiscard]] u8 daif() const { return static_cast<u8>(state->daif >> 6); }
    void set_daif(u8 masks) { state->daif = u64{masks} << 6; }
    [[nodiscard]] u64& reg(SysReg r) { return regs[static_cast<unsigned>(r)]; }
    [[nodiscard]] u64 reg(SysReg r) const { return regs[static_cast<unsigned>(r)]; }
    [[nodiscard]] bool has(frontend::Feature feature) const { return model->features.has(feature); }
};

// Cold reset into `el`, which may be lower than the highest: then the ELs above are set up as
// firmware does before it starts a kernel. X registers are zero.
void reset(Cpu& cpu, unsigned el, GuestAddr pc);

// For snapshots. Interrupt inputs are not part of it: their sources drive them.
void visit_state(Cpu& cpu, devices::StateVisitor& visit);

// Executes one instruction that translated code leaves to us, at state.pc: MRS, MSR, SYS, SYSL,
// ERET*, SVC, HVC, SMC, BRK, HLT, DRPS, hints. Afterwards state.pc is where the guest goes on. What
// does not exist raises the Unknown exception. Look for interrupts afterwards: they may be
// unmasked.
void execute_system(Cpu& cpu, u32 word);

void take_exception(Cpu& cpu, const Exception& exception);
void exception_return(Cpu& cpu); // ERET, from the current EL's ELR and SPSR

// Takes the most urgent interrupt that is due and not masked, to return to state.pc.
bool take_pending_interrupt(Cpu& cpu);
// One is; cheaper.
[[nodiscard]] bool interrupt_due(const Cpu& cpu);
// Cpu::lines, with what is IRQ or FIQ by the state that the CPU is in.
[[nodiscard]] u32 signalled_lines(const Cpu& cpu);
// One would be, were it not for PSTATE (D1.7.2).
[[nodiscard]] bool wakes_from_wfi(const Cpu& cpu);

// --- System registers by name, for debuggers and tests: no access check, no side effect of reads.
[[nodiscard]] u64 read_register(Cpu& cpu, SysReg reg);
void write_register(Cpu& cpu, SysReg reg, u64 value);

// --- What translated code and the MMU need to know of the state
[[nodiscard]] bool is_secure(const Cpu& cpu);
[[nodiscard]] bool is_secure_below_el3(const Cpu& cpu);
[[nodiscard]] bool el2_enabled(const Cpu& cpu);
[[nodiscard]] u64 effective_hcr(const Cpu& cpu); // HCR_EL2, zero while EL2 is not enabled
[[nodiscard]] bool e2h(const Cpu& cpu);          // HCR_EL2.E2H, with EL2 enabled
[[nodiscard]] bool el0_in_host(const Cpu& cpu);  // E2H and TGE: EL0 belongs to EL2
[[nodiscard]] Regime current_regime(const Cpu& cpu);
[[nodiscard]] u64 sctlr_of(const Cpu& cpu, Regime regime);
[[nodiscard]] u64 tcr_of(const Cpu& cpu, Regime regime);
[[nodiscard]] bool fp_enabled(const Cpu& cpu);          // else fp_access_trap()
[[nodiscard]] bool zero_block_allowed(const Cpu& cpu);  // DC ZVA, by SCTLR_ELx.DZE and HCR_EL2.TDZ
[[nodiscard]] u64 effective_hcrx(const Cpu& cpu);       // HCRX_EL2, zero while it is not enabled
[[nodiscard]] bool memory_copy_enabled(const Cpu& cpu); // CPY*, SET*, by MSCEn

// Registers of a regime as a walk uses them.
struct TranslationInputs {
    Regime regime = Regime::El10;
    u64 sctlr = 0, tcr = 0, ttbr0 = 0, ttbr1 = 0, mair = 0;
    u64 hcr = 0, vtcr = 0, vttbr = 0; // effective: hcr is 0 while EL2 is not enabled
    bool secure = false;
    bool pan = false;
};
[[nodiscard]] TranslationInputs translation_inputs(const Cpu& cpu, Regime regime);

// SPSR_ELx as an exception taken now would set it.
[[nodiscard]] u64 spsr_from_pstate(const Cpu& cpu);
// Brings what CpuState has of the current regime's controls up to date: sctlr_el1 and mode_bits.
void update_translated_state(Cpu& cpu);

} // namespace ulna::system
