#include "tests/support/catch.h"
#include "tests/system/cpu_fixture.h"

namespace ulna::system {
namespace {

using enum SysReg;

TEST_CASE("PSTATE masks interrupts of the same EL", "[system]") {
    CpuFixture f;
    f.cpu.lines = line::kIrq;
    CHECK_FALSE(take_pending_interrupt(f.cpu));
    CHECK(wakes_from_wfi(f.cpu));
    f.cpu.set_daif(0xf & ~daif::I);
    REQUIRE(take_pending_interrupt(f.cpu));
    CHECK(f.state->pc == kVbar1 + 0x280);
    CHECK(f.cpu.reg(ELR_EL1) == kCode);
    CHECK(f.cpu.reg(SPSR_EL1) == 0x345);
    CHECK_FALSE(take_pending_interrupt(f.cpu)); // masked on entry
    f.enter(0);
    f.cpu.set_daif(0);
    REQUIRE(take_pending_interrupt(f.cpu));
    CHECK(f.state->pc == kVbar1 + 0x480);
    f.cpu.lines = line::kFiq | line::kIrq;
    f.enter(0);
    f.cpu.set_daif(0);
    REQUIRE(take_pending_interrupt(f.cpu));
    CHECK(f.state->pc == kVbar1 + 0x500);
    f.cpu.lines = 0;
    CHECK_FALSE(interrupt_due(f.cpu));
    CHECK_FALSE(wakes_from_wfi(f.cpu));
}

TEST_CASE("an SError is taken once", "[system]") {
    CpuFixture f;
    f.cpu.lines = line::kSError | line::kIrq;
    f.cpu.set_daif(0);
    REQUIRE(take_pending_interrupt(f.cpu));
    CHECK(f.state->pc == kVbar1 + 0x380);
    CHECK(f.cpu.reg(ESR_EL1) == (u64{0x2f} << 26 | 1 << 25));
    CHECK(f.cpu.lines == line::kIrq);
}

TEST_CASE("ISR_EL1 shows what is pending", "[system]") {
    CpuFixture f;
    f.cpu.lines = line::kIrq | line::kSError;
    CHECK(f.read(ISR_EL1) == (1 << 7 | 1 << 8));
}

TEST_CASE("WFI waits unless an interrupt is pending, masked or not", "[system]") {
    CpuFixture f;
    f.run(kWfi);
    CHECK(f.host.waits == 1);
    CHECK(f.went_on());
    f.cpu.lines = line::kIrq;
    f.run(kWfi);
    CHECK(f.host.waits == 1);
}

TEST_CASE("WFE waits unless there was an event", "[system]") {
    CpuFixture f;
    f.run(0xd503'20bf); // SEVL
    f.run(kWfe);
    CHECK(f.host.waits == 0);
    f.run(kWfe);
    CHECK(f.host.waits == 1);
    f.run(0xd503'209f); // SEV
    CHECK(f.host.events == 1);
    CHECK(f.cpu.event);
}

TEST_CASE("EL0 is trapped when it would wait and may not", "[system]") {
    CpuFixture f;
    f.enter(0);
    f.run(kWfi);
    CHECK(f.esr(1) == (u64{0x01} << 26 | 1 << 25 | 1 << 24 | 0xe << 20));
    CHECK(f.cpu.reg(ELR_EL1) == kCode);
    f.enter(0);
    f.state->x[3] = 5000;
    f.run(0xd503'1003); // WFET X3
    CHECK(f.esr(1) == (u64{0x01} << 26 | 1 << 25 | 1 << 24 | 0xe << 20 | 3 << 5 | 1 << 2 | 3));
    f.cpu.reg(SCTLR_EL1) |= sctlr::nTWI | sctlr::nTWE;
    f.enter(0);
    f.run(kWfi);
    CHECK(f.host.waits == 1);
    f.state->x[3] = 1000; // the time has come
    f.run(0xd503'1023);   // WFIT X3
    CHECK(f.host.waits == 1);
}

} // namespace
} // namespace ulna::system
