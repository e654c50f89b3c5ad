#include "tests/support/catch.h"
#include "tests/system/cpu_fixture.h"

namespace ulna::system {
namespace {

using enum SysReg;

TEST_CASE("SMC goes to EL3, and can be switched off", "[system]") {
    CpuFixture f(3, true);
    f.write(SCR_EL3, scr::NS | scr::HCE);
    f.enter(1);
    f.run(smc_word(0x77));
    CHECK(f.state->pc == kVbar3 + 0x400);
    CHECK(f.esr(3) == (u64{0x17} << 26 | 1 << 25 | 0x77));
    CHECK(f.cpu.reg(ELR_EL3) == kCode + 4);
    f.cpu.reg(SPSR_EL3) = 0x3c9;
    f.cpu.reg(ELR_EL3) = 0x6000;
    f.run(kEret);
    CHECK(f.cpu.pstate.el == 2);
    CHECK(f.state->pc == 0x6000);
    f.enter(3);
    f.write(SCR_EL3, scr::NS | scr::SMD);
    f.enter(1);
    CHECK(f.is_undefined(smc_word(0)));
    CHECK(f.is_undefined(hvc_word(0))); // HCE is clear
}

TEST_CASE("there is no EL2 in Secure state", "[system]") {
    CpuFixture f(3, true);
    CHECK(is_secure(f.cpu));
    f.cpu.reg(HCR_EL2) = hcr::TVM | hcr::TGE;
    f.cpu.reg(SPSR_EL3) = 0x3c9;
    f.run(kEret);
    CHECK(f.cpu.pstate.il); // EL2 is not there
    f.cpu.pstate.il = false;
    f.enter(1);
    CHECK_FALSE(el2_enabled(f.cpu));
    f.write(SCTLR_EL1, 0); // not trapped
    CHECK(f.ec(2) == 0);
    CHECK(f.cpu.pstate.el == 1);
    f.enter(1);
    CHECK(f.is_undefined(hvc_word(0)));
}

TEST_CASE("SCR_EL3 routes interrupts to EL3", "[system]") {
    CpuFixture f(3, true);
    f.write(SCR_EL3, scr::NS | scr::FIQ);
    f.enter(2);
    f.cpu.lines = line::kFiq;
    REQUIRE(take_pending_interrupt(f.cpu)); // masked by PSTATE.F, which does not count
    CHECK(f.state->pc == kVbar3 + 0x500);
    CHECK_FALSE(take_pending_interrupt(f.cpu));
    f.cpu.set_daif(0);
    REQUIRE(take_pending_interrupt(f.cpu));
    CHECK(f.state->pc == kVbar3 + 0x300);
    f.enter(1);
    f.cpu.lines = line::kIrq;
    f.cpu.set_daif(0);
    REQUIRE(take_pending_interrupt(f.cpu));
    CHECK(f.cpu.pstate.el == 1);
    f.enter(3);
    f.cpu.set_daif(0);
    CHECK_FALSE(take_pending_interrupt(f.cpu)); // for a lower EL
}

TEST_CASE("EL3 traps what lower ELs do", "[system]") {
    CpuFixture f(3, true);
    f.write(SCR_EL3, scr::NS | scr::TWI);
    f.write(CPTR_EL3, cptr::TFP | cptr::TCPAC);
    f.write(MDCR_EL3, mdcr3::TPM | mdcr3::TDA | mdcr3::TDOSA);
    f.cpu.reg(CPACR_EL1) = 3 << 20;
    const auto traps = [&](u8 el, u32 word, u64 ec) {
        f.enter(el);
        f.run(word);
        return f.state->pc == kVbar3 + 0x400 && f.ec(3) == ec && f.cpu.reg(ELR_EL3) == kCode;
    };
    f.cpu.reg(HCR_EL2) |= hcr::APK | hcr::ATA;
    CHECK(traps(1, kWfi, 0x01));
    CHECK(traps(2, mrs(FPCR, 0), 0x07));
    CHECK(traps(1, mrs(FPCR, 0), 0x07));
    CHECK(traps(1, msr(CPACR_EL1, 0), 0x18));
    CHECK(traps(2, mrs(CPTR_EL2, 0), 0x18));
    CHECK(traps(1, mrs(PMCR_EL0, 0), 0x18));
    CHECK(traps(1, mrs(MDSCR_EL1, 0), 0x18));
    CHECK(traps(2, msr(OSLAR_EL1, 0), 0x18));
    CHECK(traps(1, mrs(APIAKeyLo_EL1, 0), 0x18)); // SCR_EL3.APK is clear
    CHECK(traps(2, mrs(GCR_EL1, 0), 0x18));       // ATA
    CHECK(traps(2, mrs(HCRX_EL2, 0), 0x18));      // HXEn
    f.enter(3);
    CHECK_FALSE(fp_enabled(f.cpu)); // its own too
    f.run(mrs(PMCR_EL0, 0));
    CHECK(f.went_on());
    f.cpu.has_gic_registers = true;
    f.host.gic = GicAccess::Done;
    f.write(SCR_EL3, scr::NS | scr::FIQ);
    CHECK(traps(2, mrs(sysreg_encoding(3, 0, 12, 8, 0), 0), 0x18)); // ICC_IAR0_EL1
    f.enter(2);
    f.run(mrs(sysreg_encoding(3, 0, 12, 12, 0), 0)); // ICC_IAR1_EL1
    CHECK(f.went_on());
    f.enter(3);
    f.write(SCR_EL3, scr::NS | scr::FIQ | scr::IRQ);
    CHECK(traps(1, mrs(sysreg_encoding(3, 0, 4, 6, 0), 0), 0x18)); // ICC_PMR_EL1
}

TEST_CASE("external aborts go to EL3 with SCR_EL3.EA", "[system]") {
    CpuFixture f(3, true);
    f.write(SCR_EL3, scr::NS | scr::EA);
    f.enter(1);
    take_exception(f.cpu, data_abort(0x123, {.fsc = 0x10, .external = true}, kCode));
    CHECK(f.state->pc == kVbar3 + 0x400);
    CHECK(f.esr(3) == (u64{0x24} << 26 | 1 << 25 | 0x10));
    CHECK(f.cpu.reg(FAR_EL3) == 0x123);
    f.enter(1);
    take_exception(f.cpu, data_abort(0x123, {.fsc = 7}, kCode));
    CHECK(f.cpu.pstate.el == 1);
}

TEST_CASE("the secure timer is Secure EL1's if EL3 lets it", "[system]") {
    CpuFixture f(3, true);
    f.enter(1);
    f.run(mrs(CNTPS_CTL_EL1, 0));
    CHECK(f.state->pc == kVbar3 + 0x400);
    f.enter(3);
    f.write(SCR_EL3, scr::ST);
    f.enter(1);
    f.run(mrs(CNTPS_CTL_EL1, 0));
    CHECK(f.went_on());
    f.enter(3);
    f.write(SCR_EL3, scr::NS | scr::ST);
    f.enter(1);
    CHECK(f.is_undefined(mrs(CNTPS_CTL_EL1, 0)));
    CpuFixture g;
    CHECK(g.is_undefined(mrs(CNTPS_CTL_EL1, 0)));
}

TEST_CASE("a start below EL3 finds what firmware sets up", "[system]") {
    CpuFixture f(1, true, true);
    CHECK_FALSE(is_secure(f.cpu));
    CHECK(el2_enabled(f.cpu));
    f.write(APIAKeyLo_EL1, 1);
    f.write(GCR_EL1, 1);
    CHECK(f.cpu.pstate.el == 1);
    CHECK(f.state->gcr_el1 == 1);
    f.cpu.reg(CPACR_EL1) = 3 << 20;
    CHECK(fp_enabled(f.cpu));
    CpuFixture g(2, true, true);
    CHECK(g.cpu.pstate.el == 2);
    CHECK(g.read(HCR_EL2) == hcr::RW);
    CHECK(fp_enabled(g.cpu));
}

} // namespace
} // namespace ulna::system
