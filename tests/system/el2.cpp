#include "runtime/system/timers.h"
#include "tests/support/catch.h"
#include "tests/system/cpu_fixture.h"

namespace ulna::system {
namespace {

using enum SysReg;

// A CPU with EL2, in `el`, with these bits of HCR_EL2.
struct GuestFixture : CpuFixture {
    explicit GuestFixture(u64 hcr, u8 el = 1) : CpuFixture(2) {
        write(HCR_EL2, hcr);
        enter(el);
    }
    // The word at kCode is trapped to EL2 with this class.
    bool traps(u32 word, u64 ec = 0x18) {
        const Pstate before = cpu.pstate;
        state->pc = kCode;
        run(word);
        const bool result =
            state->pc == kVbar2 + 0x400 && CpuFixture::ec(2) == ec && cpu.reg(ELR_EL2) == kCode;
        enter(before.el);
        return result;
    }
    bool allows(u32 word) {
        const Pstate before = cpu.pstate;
        state->pc = kCode;
        run(word);
        const bool result = went_on();
        enter(before.el);
        return result;
    }
};

TEST_CASE("HCR_EL2 traps registers of EL1", "[system]") {
    struct Row {
        u64 hcr;
        u32 word;
    };
    const Row rows[] = {
        {hcr::TVM, msr(SCTLR_EL1, 0)},     {hcr::TVM, msr(TTBR1_EL1, 0)},
        {hcr::TVM, msr(FAR_EL1, 0)},       {hcr::TRVM, mrs(TCR_EL1, 0)},
        {hcr::TRVM, mrs(MAIR_EL1, 0)},     {hcr::TID3, mrs(ID_AA64PFR0_EL1, 0)},
        {hcr::TID2, mrs(CTR_EL0, 0)},      {hcr::TID2, msr(CSSELR_EL1, 0)},
        {hcr::TID4, mrs(CCSIDR_EL1, 0)},   {hcr::TID1, mrs(REVIDR_EL1, 0)},
        {hcr::TACR, msr(ACTLR_EL1, 0)},    {hcr::TERR, mrs(ERRIDR_EL1, 0)},
        {hcr::TSW, sys(0, 7, 6, 2, 0)},    {hcr::TPU, sys(0, 7, 5, 0, 0)},
        {hcr::TPU, sys(3, 7, 11, 1, 0)},   {hcr::TPCP, sys(3, 7, 10, 1, 0)},
        {hcr::TDZ, sys(3, 7, 4, 1, 0)},    {hcr::TTLB, sys(0, 8, 7, 0, 0)},
        {hcr::TTLBIS, sys(0, 8, 3, 1, 0)}, {hcr::TTLBOS, sys(0, 8, 1, 1, 0)},
    };
    for (const Row& row : rows) {
        CAPTURE(row.hcr, row.word);
        GuestFixture with(row.hcr | hcr::ATA | hcr::APK);
        CHECK(with.traps(row.word));
        GuestFixture without(hcr::ATA | hcr::APK);
        CHECK(without.allows(row.word));
        with.enter(2);
        CHECK(with.allows(row.word)); // EL2 itself is not trapped
    }
    GuestFixture tvm(hcr::TVM);
    CHECK(tvm.allows(mrs(SCTLR_EL1, 0)));
    CHECK(tvm.traps(mrs(APIAKeyLo_EL1, 0))); // APK is clear
    CHECK(tvm.traps(mrs(GCR_EL1, 0)));       // so is ATA
    CHECK(tvm.traps(0xd503'207f, 1) == false);
    CHECK(tvm.allows(mrs(sysreg_encoding(3, 0, 0, 7, 3), 0)));
    GuestFixture tid3(hcr::TID3);
    CHECK(tid3.traps(mrs(sysreg_encoding(3, 0, 0, 7, 3), 0))); // reserved ones as well
}

TEST_CASE("EL2 traps WFI, WFE and SMC of its guests", "[system]") {
    GuestFixture f(hcr::TWI | hcr::TWE | hcr::TSC);
    f.cpu.psci = PsciMethod::Smc;
    CHECK(f.traps(kWfi, 0x01));
    CHECK(f.traps(kWfe, 0x01));
    CHECK((f.esr(2) & 3) == 1);
    CHECK(f.traps(smc_word(9), 0x17));
    CHECK((f.esr(2) & 0xffff) == 9);
    f.cpu.lines = line::kIrq;
    CHECK(f.allows(kWfi)); // it would not wait
}

TEST_CASE("HVC goes to EL2, and can be switched off", "[system]") {
    GuestFixture f(0);
    f.run(hvc_word(0x1234));
    CHECK(f.state->pc == kVbar2 + 0x400);
    CHECK(f.esr(2) == (u64{0x16} << 26 | 1 << 25 | 0x1234));
    CHECK(f.cpu.reg(ELR_EL2) == kCode + 4);
    CHECK(f.cpu.reg(SPSR_EL2) == 0x3c5);
    f.run(hvc_word(1)); // at EL2
    CHECK(f.state->pc == kVbar2 + 0x200);
    f.write(HCR_EL2, hcr::HCD);
    f.enter(1);
    CHECK(f.is_undefined(hvc_word(0)));
}

TEST_CASE("TGE routes exceptions of EL0 to EL2", "[system]") {
    GuestFixture f(hcr::TGE, 0);
    f.run(svc_word(3));
    CHECK(f.state->pc == kVbar2 + 0x400);
    CHECK(f.esr(2) == (u64{0x15} << 26 | 1 << 25 | 3));
    f.enter(0);
    f.run(mrs(FPSR, 0)); // CPACR_EL1's trap of EL0 becomes the Unknown one
    CHECK(f.esr(2) == u64{1} << 25);
    f.enter(0);
    f.run(mrs(CTR_EL0, 0));
    CHECK(f.ec(2) == 0x18);
    f.enter(0);
    f.run(0xd420'0000); // BRK
    CHECK(f.ec(2) == 0x3c);
    CHECK(f.state->pc == kVbar2 + 0x400);
    // and EL1 can't be returned to
    f.cpu.reg(SPSR_EL2) = 0x3c5;
    f.run(kEret);
    CHECK(f.cpu.pstate.il);
}

TEST_CASE("stage 2 faults go to EL2 with the page of the intermediate address", "[system]") {
    GuestFixture f(hcr::VM);
    const AbortDetail detail{.fsc = 0x07,
                             .write = true,
                             .stage2 = true,
                             .ipa = 0x1'2345'6789,
                             .access_syndrome = access_syndrome(0xb900'0022)};
    take_exception(f.cpu, data_abort(0xffff'0000'0000'0789, detail, kCode));
    CHECK(f.state->pc == kVbar2 + 0x400);
    CHECK(f.esr(2) == (u64{0x24} << 26 | 1 << 25 | 1 << 24 | 2 << 22 | 2 << 16 | 1 << 6 | 7));
    CHECK(f.cpu.reg(FAR_EL2) == 0xffff'0000'0000'0789);
    CHECK(f.cpu.reg(HPFAR_EL2) == 0x12'3456'0);
    f.enter(1);
    take_exception(f.cpu, instruction_abort({.fsc = 7}, kCode)); // stage 1
    CHECK(f.cpu.pstate.el == 1);
    f.write(MAIR_EL1, 0);
    f.enter(1);
    f.cpu.reg(HCR_EL2) |= hcr::TEA;
    take_exception(f.cpu, data_abort(0x10, {.fsc = 0x10, .external = true}, kCode));
    CHECK(f.cpu.pstate.el == 2);
}

TEST_CASE("EL2 traps floating point", "[system]") {
    GuestFixture f(0);
    f.cpu.reg(CPACR_EL1) = 3 << 20;
    CHECK(fp_enabled(f.cpu));
    f.enter(2);
    f.write(CPTR_EL2, cptr::TFP);
    CHECK(f.read(CPTR_EL2) == (0x33ff | cptr::TFP));
    CHECK_FALSE(fp_enabled(f.cpu)); // of EL2 as well
    f.enter(1);
    CHECK(f.traps(mrs(FPCR, 0), 0x07));
    f.cpu.reg(CPTR_EL2) = cptr::TCPAC;
    CHECK(f.traps(msr(CPACR_EL1, 0)));
    // With E2H: FPEN, which TGE makes a matter of EL0 too.
    f.enter(2);
    f.write(CPTR_EL2, 1 << 20);
    f.write(HCR_EL2, hcr::E2H);
    CHECK(f.read(CPACR_EL1) == 1 << 20);
    CHECK(fp_enabled(f.cpu));
    f.enter(0);
    CHECK(fp_enabled(f.cpu));
    f.enter(2);
    f.write(HCR_EL2, hcr::E2H | hcr::TGE);
    f.enter(0);
    CHECK_FALSE(fp_enabled(f.cpu));
}

TEST_CASE("EL1 sees the identity that EL2 gives it", "[system]") {
    GuestFixture f(0, 2);
    f.write(VPIDR_EL2, 0x1234);
    f.write(VMPIDR_EL2, 0x8000'0042);
    CHECK(f.read(MIDR_EL1) == f.cpu.model->midr_el1);
    f.enter(1);
    CHECK(f.read(MIDR_EL1) == 0x1234);
    CHECK(f.read(MPIDR_EL1) == 0x8000'0042);
}

TEST_CASE("CNTHCTL_EL2 traps physical counts and timers", "[system]") {
    GuestFixture f(0, 2);
    f.write(CNTHCTL_EL2, 0);
    f.enter(1);
    CHECK(f.traps(mrs(CNTPCT_EL0, 0)));
    CHECK(f.traps(msr(CNTP_CTL_EL0, 0)));
    CHECK(f.allows(mrs(CNTVCT_EL0, 0)));
    f.cpu.reg(CNTHCTL_EL2) = 3;
    CHECK(f.allows(mrs(CNTPCT_EL0, 0)));
    CHECK(f.allows(msr(CNTP_CTL_EL0, 0)));
    f.cpu.reg(HCR_EL2) = hcr::E2H;
    CHECK(f.traps(mrs(CNTPCT_EL0, 0)));
    f.cpu.reg(CNTHCTL_EL2) = 3 << 10;
    CHECK(f.allows(mrs(CNTPCT_EL0, 0)));
    CHECK(f.allows(msr(CNTP_CVAL_EL0, 0)));
}

TEST_CASE("E2H makes EL1's names mean EL2's registers", "[system]") {
    GuestFixture f(0, 2);
    CHECK(f.is_undefined(mrs(sysreg_encoding(3, 5, 1, 0, 0), 0)));
    f.cpu.reg(SCTLR_EL1) = 0x111, f.cpu.reg(TTBR1_EL1) = 0x222;
    f.write(HCR_EL2, hcr::E2H);
    f.write(TTBR1_EL1, 0x333);
    CHECK(f.cpu.reg(TTBR1_EL2) == 0x333);
    CHECK(f.cpu.reg(TTBR1_EL1) == 0x222);
    CHECK(f.read(SCTLR_EL1) == f.cpu.reg(SCTLR_EL2));
    f.run(mrs(sysreg_encoding(3, 5, 1, 0, 0), 1)); // SCTLR_EL12
    CHECK(f.state->x[1] == 0x111);
    f.state->x[1] = 0x444;
    f.run(msr(sysreg_encoding(3, 5, 2, 0, 1), 1)); // TTBR1_EL12
    CHECK(f.cpu.reg(TTBR1_EL1) == 0x444);
    f.write(ELR_EL1, 0x5000);
    CHECK(f.cpu.reg(ELR_EL2) == 0x5000);
    // Timers of the hypervisor.
    f.write(CNTV_CVAL_EL0, 77);
    CHECK(f.cpu.reg(CNTHV_CVAL_EL2) == 77);
    f.state->x[1] = 88;
    f.run(msr(sysreg_encoding(3, 5, 14, 3, 2), 1)); // CNTV_CVAL_EL02
    CHECK(f.cpu.reg(CNTV_CVAL_EL0) == 88);
    f.enter(1);
    CHECK(f.is_undefined(mrs(sysreg_encoding(3, 5, 1, 0, 0), 0)));
    CHECK(f.read(TTBR1_EL1) == 0x444);
    CHECK(f.read(TPIDR_EL1) == 0);
    CHECK(current_regime(f.cpu) == Regime::El10);
}

TEST_CASE("EL0 of a host belongs to EL2", "[system]") {
    GuestFixture f(hcr::E2H | hcr::TGE, 2);
    CHECK(current_regime(f.cpu) == Regime::El20);
    f.write(CNTKCTL_EL1, cntkctl::EL0PTEN | cntkctl::EL0VCTEN); // CNTHCTL_EL2
    f.cpu.reg(CNTKCTL_EL1) = 0;
    f.enter(0);
    CHECK(current_regime(f.cpu) == Regime::El20);
    CHECK(f.allows(mrs(CNTVCT_EL0, 0)));
    f.write(CNTP_CVAL_EL0, 99);
    CHECK(f.cpu.reg(CNTHP_CVAL_EL2) == 99);
    CHECK(f.traps(mrs(CNTPCT_EL0, 0)));
    CHECK(f.traps(mrs(CTR_EL0, 0)));
    f.cpu.reg(SCTLR_EL2) |= sctlr::UCT;
    CHECK(f.allows(mrs(CTR_EL0, 0)));
    f.cpu.reg(SCTLR_EL2) &= ~sctlr::SPAN;
    f.run(svc_word(0));
    CHECK(f.cpu.pstate.pan);
    CHECK(f.state->pc == kVbar2 + 0x400);
}

TEST_CASE("physical interrupts go where HCR_EL2 says", "[system]") {
    GuestFixture f(hcr::IMO | hcr::FMO);
    f.cpu.lines = line::kIrq;
    REQUIRE(take_pending_interrupt(f.cpu)); // EL1 can't mask it
    CHECK(f.state->pc == kVbar2 + 0x480);
    CHECK_FALSE(take_pending_interrupt(f.cpu)); // EL2 can
    f.cpu.set_daif(0);
    REQUIRE(take_pending_interrupt(f.cpu));
    CHECK(f.state->pc == kVbar2 + 0x280);
    f.write(HCR_EL2, 0);
    f.cpu.set_daif(0);
    CHECK_FALSE(take_pending_interrupt(f.cpu)); // it is EL1's
    CHECK(wakes_from_wfi(f.cpu));
    f.write(HCR_EL2, hcr::TGE);
    f.enter(0);
    f.cpu.set_daif(0xf);
    REQUIRE(take_pending_interrupt(f.cpu));
    CHECK(f.cpu.pstate.el == 2);
    f.write(HCR_EL2, hcr::TGE | hcr::E2H); // a host's own EL0 is masked
    f.enter(0);
    f.cpu.set_daif(0xf);
    CHECK_FALSE(take_pending_interrupt(f.cpu));
    f.cpu.set_daif(0);
    CHECK(take_pending_interrupt(f.cpu));
}

TEST_CASE("virtual interrupts are EL1's", "[system]") {
    GuestFixture f(hcr::IMO | hcr::FMO | hcr::AMO);
    f.cpu.lines = line::kVirtualIrq;
    CHECK_FALSE(take_pending_interrupt(f.cpu));
    CHECK(wakes_from_wfi(f.cpu));
    CHECK(f.read(ISR_EL1) == 1 << 7);
    f.cpu.set_daif(0);
    REQUIRE(take_pending_interrupt(f.cpu));
    CHECK(f.state->pc == kVbar1 + 0x280);
    f.enter(2);
    f.cpu.set_daif(0);
    CHECK_FALSE(take_pending_interrupt(f.cpu));
    f.cpu.lines = 0;
    f.write(HCR_EL2, hcr::FMO | hcr::VF);
    f.enter(0);
    REQUIRE(take_pending_interrupt(f.cpu));
    CHECK(f.state->pc == kVbar1 + 0x500);
    // A virtual SError has the syndrome that EL2 gave it, and is taken once.
    f.enter(2);
    f.write(VSESR_EL2, 0x12'3456);
    f.write(HCR_EL2, hcr::AMO | hcr::VSE);
    f.enter(0);
    f.cpu.set_daif(0);
    REQUIRE(take_pending_interrupt(f.cpu));
    CHECK(f.esr(1) == (u64{0x2f} << 26 | 1 << 25 | 0x12'3456));
    CHECK((f.cpu.reg(HCR_EL2) & hcr::VSE) == 0);
    f.write(VBAR_EL1, kVbar1);
}

TEST_CASE("SGIs of a guest are trapped", "[system]") {
    GuestFixture f(hcr::IMO);
    f.cpu.has_gic_registers = true;
    f.host.gic = GicAccess::Done;
    CHECK(f.traps(msr(sysreg_encoding(3, 0, 12, 11, 5), 0))); // ICC_SGI1R_EL1
    CHECK(f.allows(mrs(sysreg_encoding(3, 0, 12, 12, 0), 0)));
    f.host.gic = GicAccess::TrapToEl2; // ICH_HCR_EL2.TALL1
    CHECK(f.traps(mrs(sysreg_encoding(3, 0, 12, 12, 0), 0)));
    f.enter(2);
    f.host.gic = GicAccess::Done;
    CHECK(f.allows(mrs(sysreg_encoding(3, 4, 12, 11, 0), 0))); // ICH_HCR_EL2
}

TEST_CASE("the inputs of a walk are those of the regime", "[system]") {
    GuestFixture f(hcr::VM);
    f.cpu.reg(TTBR0_EL1) = 1, f.cpu.reg(TTBR0_EL2) = 2, f.cpu.reg(VTTBR_EL2) = 3;
    const TranslationInputs in = translation_inputs(f.cpu, current_regime(f.cpu));
    CHECK(in.ttbr0 == 1);
    CHECK(in.vttbr == 3);
    CHECK((in.hcr & hcr::VM) != 0);
    CHECK(translation_inputs(f.cpu, Regime::El2).ttbr0 == 2);
}

} // namespace
} // namespace ulna::system
