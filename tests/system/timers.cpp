#include "runtime/system/timers.h"

#include "tests/support/catch.h"
#include "tests/system/cpu_fixture.h"

namespace ulna::system {
namespace {

using enum SysReg;

TEST_CASE("a timer's output follows its registers and the count", "[system]") {
    CpuFixture f;
    CHECK_FALSE(timer_output(f.cpu, Timer::Virtual, 1000).deadline.has_value());
    f.write(CNTV_CVAL_EL0, 1500);
    f.write(CNTV_CTL_EL0, 1);
    CHECK(f.host.timer_changes == 2);
    CHECK(timer_output(f.cpu, Timer::Virtual, 1000).deadline == 1500);
    CHECK_FALSE(timer_output(f.cpu, Timer::Virtual, 1499).asserted);
    CHECK(timer_output(f.cpu, Timer::Virtual, 1500).asserted);
    CHECK(f.read(CNTV_CTL_EL0) == 1);
    f.host.count = 1500;
    CHECK(f.read(CNTV_CTL_EL0) == 5);
    f.write(CNTV_CTL_EL0, 7); // ISTATUS is read-only
    CHECK(f.read(CNTV_CTL_EL0) == 7);
    CHECK_FALSE(timer_output(f.cpu, Timer::Virtual, 1500).asserted);
    f.write(CNTV_CTL_EL0, 2);
    CHECK(f.read(CNTV_CTL_EL0) == 2);
}

TEST_CASE("TVAL is a signed distance to CVAL", "[system]") {
    CpuFixture f;
    f.write(CNTP_TVAL_EL0, 100);
    CHECK(f.read(CNTP_CVAL_EL0) == 1100);
    f.host.count = 1200;
    CHECK(f.read(CNTP_TVAL_EL0) == 0xffff'ff9c);
    f.write(CNTP_TVAL_EL0, 0xffff'ffff);
    CHECK(f.read(CNTP_CVAL_EL0) == 1199);
}

TEST_CASE("a compare value that the count never reaches has no deadline", "[system]") {
    CpuFixture f;
    f.write(CNTP_CVAL_EL0, ~u64{0});
    f.write(CNTP_CTL_EL0, 1);
    CHECK(timer_output(f.cpu, Timer::Physical, 1000).deadline == ~u64{0});
    CpuFixture g(2);
    g.write(CNTVOFF_EL2, 500);
    g.write(CNTV_CVAL_EL0, ~u64{0});
    g.write(CNTV_CTL_EL0, 1);
    CHECK_FALSE(timer_output(g.cpu, Timer::Virtual, 1000).deadline.has_value());
}

TEST_CASE("EL0 reads counts and sets timers as CNTKCTL_EL1 says", "[system]") {
    CpuFixture f;
    struct Row {
        SysReg reg;
        u64 enable;
    };
    constexpr Row kRows[] = {
        {CNTFRQ_EL0, cntkctl::EL0VCTEN},   {CNTPCT_EL0, cntkctl::EL0PCTEN},
        {CNTVCT_EL0, cntkctl::EL0VCTEN},   {CNTP_CTL_EL0, cntkctl::EL0PTEN},
        {CNTV_TVAL_EL0, cntkctl::EL0VTEN},
    };
    for (const Row& row : kRows) {
        f.cpu.reg(CNTKCTL_EL1) = 0x3ff & ~row.enable & ~u64{row.reg == CNTFRQ_EL0 ? 1u : 0};
        f.enter(0);
        f.run(mrs(row.reg, 1));
        CHECK(f.ec(1) == 0x18);
        f.cpu.reg(CNTKCTL_EL1) = row.enable;
        f.enter(0);
        f.run(mrs(row.reg, 1));
        CHECK(f.went_on());
    }
}

TEST_CASE("CNTFRQ_EL0 is written at the highest EL only", "[system]") {
    CpuFixture f(1, true);
    CHECK(f.is_undefined(msr(CNTFRQ_EL0, 0)));
    CpuFixture g(2);
    g.write(CNTFRQ_EL0, 1'000'000);
    CHECK(g.read(CNTFRQ_EL0) == 1'000'000);
    g.enter(1);
    CHECK(g.read(CNTFRQ_EL0) == 1'000'000);
}

TEST_CASE("CNTVOFF_EL2 shifts the virtual count below EL2", "[system]") {
    CpuFixture f(2);
    f.write(CNTVOFF_EL2, 400);
    CHECK(f.read(CNTVCT_EL0) == 600);
    f.enter(1);
    CHECK(f.read(CNTVCT_EL0) == 600);
    CHECK(f.read(CNTPCT_EL0) == 1000);
    CHECK(physical_count_of(f.cpu, 600) == 1000);
    f.enter(2);
    f.write(HCR_EL2, hcr::E2H);
    CHECK(f.read(CNTVCT_EL0) == 1000);
}

} // namespace
} // namespace ulna::system
