#include "runtime/system/sysregs.h"

#include <string_view>

#include "ir/support/bits.h"
#include "tests/support/catch.h"
#include "tests/system/cpu_fixture.h"

namespace ulna::system {
namespace {

using enum SysReg;

TEST_CASE("the table of system registers is consistent", "[system]") {
    for (const SysRegRow& row : system_registers()) {
        CAPTURE(row.name);
        CHECK(find_register(row.encoding) == static_cast<SysReg>(&row - system_registers().data()));
        CHECK(row.access != 0);
        // Whoever may at an EL may at all higher ones.
        for (unsigned el = 0; el < 3; ++el) {
            CHECK((row.access >> el & 0x11 & ~(row.access >> (el + 1))) == 0);
        }
        // The EL in the name fits op1 (D22.3.2), but for a few with names of their own.
        const std::string_view name = row.name;
        const unsigned least = (row.access | row.access >> 4) & 1   ? 0
                               : (row.access | row.access >> 4) & 2 ? 1
                               : (row.access | row.access >> 4) & 4 ? 2
                                                                    : 3;
        if (name.size() > 4 && name.substr(name.size() - 4, 3) == "_EL" &&
            !name.starts_with("SP_")) {
            const bool user_debug = row.encoding >> 14 == 2; // DBGDTR_EL0 and the like
            CHECK((least == static_cast<unsigned>(name.back() - '0') || user_debug));
        }
    }
    for (const HostAlias& alias : host_aliases()) {
        CAPTURE(alias.name);
        CHECK_FALSE(find_register(alias.encoding).has_value());
        CHECK(row_of(alias.el2).op1() == 4);
    }
    CHECK_FALSE(find_register(sysreg_encoding(3, 0, 15, 15, 7)).has_value());
}

// The same bits through MSR and MRS, for registers that are only bits.
TEST_CASE("registers keep what is writable", "[system]") {
    CpuFixture f(3, true);
    for (const SysRegRow& row : system_registers()) {
        const SysReg reg = *find_register(row.encoding);
        const bool plain =
            row.behaviour == Behaviour::Cell || row.behaviour == Behaviour::Translation ||
            row.behaviour == Behaviour::DebugMatch || row.behaviour == Behaviour::PacKey;
        if (!plain || row.guard == Guard::HighestEl || (row.access & 0x88) != 0x88) {
            continue;
        }
        CAPTURE(row.name);
        f.enter(3);
        const u64 fixed = f.cpu.reg(reg) & ~row.writable;
        f.write(reg, ~u64{0});
        CHECK(f.read(reg) == (row.writable | (row.behaviour == Behaviour::PacKey ? 0 : fixed)));
        f.write(reg, 0);
        CHECK(f.read(reg) == fixed);
        CHECK(f.cpu.pstate.el == 3);
    }
}

TEST_CASE("what EL0 may not access is UNDEFINED there", "[system]") {
    CpuFixture f;
    f.enter(0);
    CHECK(f.is_undefined(mrs(SCTLR_EL1, 0)));
    CHECK(f.is_undefined(msr(TTBR0_EL1, 0)));
    CHECK(f.is_undefined(msr(CTR_EL0, 0)));
    CHECK(f.is_undefined(msr(TPIDRRO_EL0, 0)));
    CHECK(f.is_undefined(mrs(CurrentEL, 0)));
    f.enter(1);
    CHECK(f.is_undefined(mrs(HCR_EL2, 0)));
    CHECK(f.is_undefined(mrs(SCR_EL3, 0)));
    CHECK(f.is_undefined(mrs(SP_EL1, 0)));
    CHECK(f.is_undefined(mrs(OSLAR_EL1, 0)));
    CHECK(f.is_undefined(msr(MIDR_EL1, 0)));
    CHECK(f.is_undefined(mrs(sysreg_encoding(3, 5, 1, 0, 0), 0)));   // SCTLR_EL12
    CHECK(f.is_undefined(mrs(sysreg_encoding(3, 0, 10, 4, 0), 0)));  // LORSA_EL1
    CHECK(f.is_undefined(mrs(sysreg_encoding(3, 0, 12, 12, 0), 0))); // ICC_IAR1_EL1 without GICv3
}

TEST_CASE("the trap of a system register tells which", "[system]") {
    CpuFixture f;
    f.enter(0);
    f.run(mrs(CTR_EL0, 7)); // SCTLR_EL1.UCT is clear
    // EC 0x18; op0 3 op2 1 op1 3 CRn 0 Rt 7 CRm 0, read
    CHECK(f.esr(1) == (u64{0x18} << 26 | 1 << 25 | 3 << 20 | 1 << 17 | 3 << 14 | 7 << 5 | 1));
    CHECK(f.cpu.reg(ELR_EL1) == kCode);
    f.cpu.reg(SCTLR_EL1) |= sctlr::UCT;
    f.enter(0);
    f.run(mrs(CTR_EL0, 7));
    CHECK(f.state->x[7] == f.cpu.model->ctr_el0);
    f.enter(0);
    f.run(0xd503'42df); // MSR DAIFSet, #2
    CHECK(f.esr(1) == (u64{0x18} << 26 | 1 << 25 | 6 << 17 | 3 << 14 | 4 << 10 | 31 << 5 | 2 << 1));
    // Feature registers are trapped rather than UNDEFINED (FEAT_IDST), at EL0 and where there are
    // none.
    f.enter(0);
    f.run(mrs(ID_AA64PFR0_EL1, 0));
    CHECK(f.ec(1) == 0x18);
    f.enter(0);
    f.run(mrs(sysreg_encoding(3, 0, 0, 7, 5), 0));
    CHECK(f.ec(1) == 0x18);
    f.enter(1);
    f.run(mrs(sysreg_encoding(3, 1, 0, 2, 0), 0));
    CHECK(f.ec(1) == 0x18);
    f.enter(1);
    CHECK(f.is_undefined(msr(sysreg_encoding(3, 1, 0, 2, 0), 0)));
}

TEST_CASE("identification is what the model says, and there is no AArch32", "[system]") {
    CpuFixture f(3, true);
    f.enter(1);
    CHECK(f.read(MIDR_EL1) == f.cpu.model->midr_el1);
    CHECK(f.read(MPIDR_EL1) == 0x8000'0000);
    CHECK(bits(f.read(ID_AA64PFR0_EL1), 15, 0) == 0x1111);
    CHECK(bits(f.read(ID_AA64MMFR0_EL1), 3, 0) == 5); // 48 bits
    CHECK(bits(f.read(ID_AA64MMFR0_EL1), 7, 4) == 2);
    CHECK(bits(f.read(ID_AA64MMFR0_EL1), 43, 20) == 0x222001);
    CHECK(bits(f.read(ID_AA64MMFR1_EL1), 11, 8) == 1); // VHE
    CHECK(bits(f.read(ID_AA64DFR0_EL1), 15, 12) == 5);
    CHECK(bits(f.read(ID_AA64DFR0_EL1), 31, 20) == 0x103);
    CHECK(f.read(ID_AA64ISAR1_EL1) != 0);
    for (u32 CRm = 1; CRm < 4; ++CRm) { // AArch32's, and reserved ones
        f.state->x[1] = 1;
        f.run(mrs(sysreg_encoding(3, 0, 0, CRm, 0), 1));
        CHECK(f.state->x[1] == 0);
    }
    f.write(CSSELR_EL1, 2);
    CHECK(f.read(CCSIDR_EL1) == (1023 << 13 | 7 << 3 | 2));
    CpuFixture g;
    CHECK(bits(g.read(ID_AA64PFR0_EL1), 15, 0) == 0x0011);
    CHECK(g.read(RVBAR_EL1) == kCode);
    CHECK(f.is_undefined(mrs(RVBAR_EL1, 0))); // EL3 is higher
}

TEST_CASE("a reset turns the MMU off, and its host hears of it", "[system]") {
    CpuFixture f;
    f.write(SCTLR_EL1, f.read(SCTLR_EL1) | 1);
    f.host.translation_changes = 0;
    reset(f.cpu, 1, kCode);
    CHECK((f.cpu.reg(SCTLR_EL1) & 1) == 0);
    CHECK(f.host.translation_changes == 1);
}

TEST_CASE("a model of Armv8.0 has no later registers", "[system]") {
    CpuFixture f;
    f.become("cortex-a53");
    CHECK(f.is_undefined(mrs(PAN, 0)));
    CHECK(f.is_undefined(0xd500'419f)); // MSR PAN, #1
    CHECK(f.is_undefined(mrs(DIT, 0)));
    CHECK(f.is_undefined(mrs(APIAKeyLo_EL1, 0)));
    CHECK(f.is_undefined(mrs(GCR_EL1, 0)));
    CHECK(f.read(ID_AA64MMFR1_EL1) == 0);
    CHECK(f.read(ID_AA64MMFR2_EL1) == 0);
    CHECK(f.read(MIDR_EL1) == f.cpu.model->midr_el1);
    f.state->pc = kCode;
    f.run(mrs(sysreg_encoding(3, 1, 15, 2, 1), 1)); // CPUECTLR_EL1
    CHECK(f.went_on());
    CHECK(f.state->x[1] == 0);
}

TEST_CASE("PSTATE by its registers and by immediates", "[system]") {
    CpuFixture f;
    f.write(DAIF, 0x140);
    CHECK(f.cpu.daif() == (daif::I >> 1 | daif::A));
    CHECK(f.read(DAIF) == 0x140);
    f.run(0xd503'42df); // MSR DAIFSet, #2
    CHECK(f.read(DAIF) == 0x1c0);
    f.run(0xd503'4fff); // MSR DAIFClr, #15
    CHECK(f.read(DAIF) == 0);
    f.write(NZCV, ~u64{0});
    CHECK(f.state->nzcv == 15);
    CHECK(f.read(NZCV) == 0xf000'0000);
    f.run(0xd500'419f); // MSR PAN, #1
    CHECK(f.cpu.pstate.pan);
    CHECK(f.read(PAN) == 1 << 22);
    f.write(UAO, 1 << 23);
    CHECK(f.cpu.pstate.uao);
    f.run(0xd503'415f); // MSR DIT, #1
    CHECK(f.read(DIT) == 1 << 24);
    f.write(SSBS, ~u64{0});
    CHECK(f.state->pstate == (ir::pstate::DIT | ir::pstate::SSBS));
    CHECK(f.read(CurrentEL) == 4);
    f.enter(0);
    CHECK(f.is_undefined(0xd500'419f));
    CHECK(f.is_undefined(0xd500'40bf)); // MSR SPSel, #0
}

TEST_CASE("SPSel exchanges the stack pointers", "[system]") {
    CpuFixture f;
    f.state->sp = 0x1000;
    f.write(SP_EL0, 0x2000);
    f.run(0xd500'40bf); // MSR SPSel, #0
    CHECK(f.state->sp == 0x2000);
    CHECK(f.read(SPSel) == 0);
    f.state->sp = 0x3000;
    CHECK(f.is_undefined(mrs(SP_EL0, 0)));
    f.cpu.pstate.sp_sel = false; // is_undefined has left SP_EL0 selected in CpuState
    CpuFixture g;
    g.state->sp = 0x1000;
    g.write(SPSel, 0);
    g.state->sp = 0x3000;
    g.write(SPSel, 1);
    CHECK(g.state->sp == 0x1000);
    CHECK(g.read(SP_EL0) == 0x3000);
}

TEST_CASE("floating point is trapped as CPACR_EL1 says", "[system]") {
    CpuFixture f;
    constexpr u64 kTrap = u64{0x07} << 26 | 1 << 25 | 1 << 24 | 0xe << 20;
    CHECK_FALSE(fp_enabled(f.cpu));
    f.run(mrs(FPSR, 0));
    CHECK(f.esr(1) == kTrap);
    f.write(CPACR_EL1, 1 << 20);
    CHECK(fp_enabled(f.cpu));
    f.enter(0);
    CHECK_FALSE(fp_enabled(f.cpu));
    f.run(msr(FPCR, 0));
    CHECK(f.esr(1) == kTrap);
    f.write(CPACR_EL1, 3 << 20);
    f.enter(0);
    f.write(FPCR, ~u64{0});
    CHECK(f.read(FPCR) == frontend::fpcr_mask(f.cpu.model->features));
    f.write(FPSR, ~u64{0});
    CHECK(f.read(FPSR) == 0x0800'009f);
}

TEST_CASE("registers of CpuState are reached as well", "[system]") {
    CpuFixture f;
    f.write(TPIDR_EL0, 0x123);
    CHECK(f.state->tpidr_el0 == 0x123);
    f.write(TPIDRRO_EL0, 0x456);
    CHECK(f.state->tpidrro_el0 == 0x456);
    f.write(APDBKeyHi_EL1, 0x789);
    CHECK(f.state->pac_keys[7] == 0x789);
    f.write(APGAKeyLo_EL1, 0x1);
    CHECK(f.state->pac_keys[8] == 1);
    f.write(GCR_EL1, ~u64{0});
    CHECK(f.state->gcr_el1 == 0x1ffff);
    f.state->nzcv = 15;
    const u64 first = f.read(RNDR);
    CHECK(f.state->nzcv == 0);
    CHECK(first != f.read(RNDR));
    f.run(mrs(TPIDR_EL0, 31)); // to XZR
    CHECK(f.ec(1) == 0);
}

TEST_CASE("how long addresses are is what translated code sees", "[system]") {
    CpuFixture f(1, true);
    f.cpu.reg(ID_AA64MMFR0_EL1) |= u64{1} << 28; // TGran4: LPA2
    f.cpu.reg(ID_AA64MMFR2_EL1) |= u64{1} << 16; // VARange: LVA
    const auto address_bits = [&](u64 tcr) {
        f.write(TCR_EL1, tcr);
        return ir::BlockMode{f.state->mode_bits}.address_bits();
    };
    constexpr u64 kDs = u64{1} << 59, k48Bits = 16 << 16 | 16;
    CHECK(address_bits(0) == 48); // out of range
    CHECK(address_bits(k48Bits | kDs) == 48);
    CHECK(address_bits(16 << 16 | 12) == 48);
    CHECK(address_bits(16 << 16 | 12 | kDs) == 52);
    CHECK(address_bits(12 << 16 | 16 | kDs) == 52);
    CHECK(address_bits(16 << 16 | 12 | 1 << 14) == 52); // 64 KiB pages
    f.cpu.reg(TCR_EL2) = 12 | u64{1} << 32;
    CHECK(address_bits(k48Bits) == 48);
    f.enter(2);
    CHECK(ir::BlockMode{f.state->mode_bits}.address_bits() == 52);
}

TEST_CASE("SCTLR_EL1 is what translated code sees", "[system]") {
    CpuFixture f;
    CHECK((f.state->mode_bits & ir::BlockMode::kPacRestricted) != 0);
    f.write(SCTLR_EL1, sctlr::kPacKeys | sctlr::M);
    // DZE and MSCEn are EL0's alone.
    CHECK(f.state->sctlr_el1 ==
          (0x3040'0980 | sctlr::kPacKeys | sctlr::M | sctlr::DZE | sctlr::MSCEn));
    CHECK((f.state->mode_bits & ir::BlockMode::kPacRestricted) == 0);
    f.write(SCTLR_EL1, u64{1} << 40 | sctlr::ATA); // TCF: synchronous
    CHECK((f.state->sctlr_el1 & sctlr::ATA) != 0);
    CHECK(ir::BlockMode{f.state->mode_bits}.tag_check() == ir::TagCheck::None); // the TLB's
    f.enter(0);
    CHECK((f.state->sctlr_el1 & (sctlr::ATA | sctlr::MSCEn)) == 0);
}

TEST_CASE("the debug registers of EL1", "[system]") {
    CpuFixture f;
    CHECK(f.read(OSLSR_EL1) == 0xa);
    f.write(OSLAR_EL1, 0);
    CHECK(f.read(OSLSR_EL1) == 0x8);
    CHECK(f.read(DBGCLAIMSET_EL1) == 0xff);
    f.write(DBGCLAIMSET_EL1, 3);
    f.write(DBGCLAIMCLR_EL1, 1);
    CHECK(f.read(DBGCLAIMCLR_EL1) == 2);
    CHECK(f.read(MDCCSR_EL0) == 0);
    f.write(MDSCR_EL1, mdscr::TDCC);
    f.enter(0);
    f.run(mrs(MDCCSR_EL0, 0));
    CHECK(f.ec(1) == 0x18);
}

TEST_CASE("registers of the GIC are the machine's", "[system]") {
    CpuFixture f;
    f.cpu.has_gic_registers = true;
    const u16 iar = sysreg_encoding(3, 0, 12, 12, 0), ich_hcr = sysreg_encoding(3, 4, 12, 11, 0);
    f.host.gic = GicAccess::Done;
    f.run(mrs(iar, 1));
    CHECK(f.host.gic_encoding == iar);
    CHECK(f.state->x[1] == 0x55);
    CHECK(f.is_undefined(mrs(ich_hcr, 1)));
    f.host.gic = GicAccess::Undefined;
    CHECK(f.is_undefined(mrs(iar, 1)));
    f.enter(0);
    f.host.gic = GicAccess::Done;
    CHECK(f.is_undefined(mrs(iar, 1)));
}

} // namespace
} // namespace ulna::system
