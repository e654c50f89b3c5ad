#include "runtime/system/pmu.h"

#include "tests/support/catch.h"
#include "tests/system/cpu_fixture.h"

namespace ulna::system {
namespace {

using enum SysReg;

constexpr u64 kCycles = u64{1} << 31, kEnable = 1, kLong = 64;

TEST_CASE("the cycle counter counts while it is enabled", "[system]") {
    CpuFixture f;
    CHECK(f.read(PMCR_EL0) == 6 << 11);
    f.write(PMCNTENSET_EL0, kCycles);
    f.write(PMCR_EL0, kEnable | kLong);
    CHECK(pmu_counts(f.cpu));
    f.host.count += 10;
    CHECK(f.read(PMCCNTR_EL0) == 160);
    f.write(PMCNTENCLR_EL0, kCycles);
    f.host.count += 10;
    CHECK(f.read(PMCCNTR_EL0) == 160);
    CHECK(f.read(PMCNTENSET_EL0) == 0);
    f.write(PMCR_EL0, kEnable | kLong | 4); // C
    CHECK(f.read(PMCCNTR_EL0) == 0);
    CHECK(f.read(PMCR_EL0) == (6 << 11 | kEnable | kLong));
}

TEST_CASE("event counters count instructions, cycles and software increments", "[system]") {
    CpuFixture f;
    f.write(PMEVTYPER0_EL0, 0x08);
    f.write(PMSELR_EL0, 1);
    f.write(PMXEVTYPER_EL0, 0x11);
    f.write(PMEVTYPER2_EL0, 0);
    f.write(PMCNTENSET_EL0, 7);
    f.write(PMCR_EL0, kEnable);
    f.host.count += 2;
    f.host.instruction_count += 5;
    f.write(PMSWINC_EL0, 7);
    CHECK(f.read(PMEVCNTR0_EL0) == 5);
    CHECK(f.read(PMXEVCNTR_EL0) == 32);
    CHECK(f.read(PMEVCNTR2_EL0) == 1);
    f.write(PMCR_EL0, kEnable | 2); // P
    CHECK(f.read(PMEVCNTR0_EL0) == 0);
    f.write(PMSELR_EL0, 31);
    f.write(PMXEVTYPER_EL0, 1u << 30);
    CHECK(f.read(PMCCFILTR_EL0) == 1u << 30);
}

TEST_CASE("counters are filtered by EL", "[system]") {
    CpuFixture f;
    f.write(PMCCFILTR_EL0, u64{1} << 31); // P: not at EL1
    f.write(PMCNTENSET_EL0, kCycles);
    f.write(PMCR_EL0, kEnable | kLong);
    f.host.count += 1;
    CHECK(f.read(PMCCNTR_EL0) == 0);
    f.cpu.reg(SPSR_EL1) = 0;
    f.run(kEret);
    f.host.count += 1;
    f.run(svc_word(0));
    f.host.count += 1;
    CHECK(f.read(PMCCNTR_EL0) == 16);
}

TEST_CASE("an overflow sets its bit and the interrupt", "[system]") {
    CpuFixture f;
    f.write(PMEVTYPER3_EL0, 0x11);
    f.write(PMEVCNTR3_EL0, 0xffff'fff0);
    f.write(PMCNTENSET_EL0, 8);
    f.write(PMINTENSET_EL1, 8);
    f.write(PMCR_EL0, kEnable);
    REQUIRE(pmu_deadline(f.cpu, f.host.count).has_value());
    CHECK(*pmu_deadline(f.cpu, f.host.count) == f.host.count + 2);
    CHECK_FALSE(f.host.pmu_line);
    f.host.count += 2;
    update_pmu(f.cpu);
    CHECK(f.host.pmu_line);
    CHECK(f.read(PMOVSSET_EL0) == 8);
    CHECK(f.read(PMEVCNTR3_EL0) == 0x10);
    f.write(PMOVSCLR_EL0, 8);
    CHECK_FALSE(f.host.pmu_line);
}

TEST_CASE("EL0 uses the PMU as PMUSERENR_EL0 says", "[system]") {
    CpuFixture f;
    const auto denied = [&](u32 word) {
        f.enter(0);
        f.run(word);
        return f.ec(1) == 0x18 && !f.went_on();
    };
    f.cpu.reg(ESR_EL1) = 0;
    CHECK(denied(mrs(PMCR_EL0, 0)));
    CHECK(denied(mrs(PMCCNTR_EL0, 0)));
    CHECK(denied(mrs(PMEVCNTR0_EL0, 0)));
    CHECK(denied(msr(PMSWINC_EL0, 0)));
    CHECK_FALSE(denied(mrs(PMUSERENR_EL0, 0)));
    f.enter(1);
    f.write(PMUSERENR_EL0, pmuserenr::CR | pmuserenr::ER | pmuserenr::SW);
    CHECK_FALSE(denied(mrs(PMCCNTR_EL0, 0)));
    CHECK_FALSE(denied(mrs(PMEVCNTR0_EL0, 0)));
    CHECK_FALSE(denied(msr(PMSELR_EL0, 0)));
    CHECK_FALSE(denied(msr(PMSWINC_EL0, 0)));
    CHECK(denied(msr(PMCCNTR_EL0, 0)));
    CHECK(denied(msr(PMEVCNTR0_EL0, 0)));
    CHECK(denied(mrs(PMCR_EL0, 0)));
    f.enter(1);
    f.write(PMUSERENR_EL0, pmuserenr::EN);
    CHECK_FALSE(denied(msr(PMCR_EL0, 0)));
    f.enter(0);
    CHECK(f.is_undefined(msr(PMUSERENR_EL0, 0)));
    CHECK(f.is_undefined(msr(PMINTENSET_EL1, 0)));
}

TEST_CASE("an overflow of counted instructions is due when they can have been executed",
          "[system]") {
    CpuFixture f;
    f.write(PMEVTYPER0_EL0, 0x08);
    f.write(PMCNTENSET_EL0, 1);
    f.write(PMINTENSET_EL1, 1);
    f.write(PMEVCNTR0_EL0, 0xffff'ff00); // 256 left
    f.write(PMCR_EL0, kEnable);
    CHECK_FALSE(pmu_deadline(f.cpu, 1000)); // nobody counts them
    f.host.instruction_cycles = 4;
    CHECK(pmu_deadline(f.cpu, 1000) == 1000 + 256 * 4 / 16 + 1);
    f.host.instruction_count += 256;
    update_pmu(f.cpu);
    CHECK((f.read(PMOVSSET_EL0) & 1) == 1);
    CHECK(f.read(PMEVCNTR0_EL0) == 0);
}

TEST_CASE("EL2 limits and traps the PMU", "[system]") {
    CpuFixture f(2);
    f.write(MDCR_EL2, 2);
    CHECK(f.read(PMCR_EL0) == 6 << 11);
    f.enter(1);
    CHECK(f.read(PMCR_EL0) == 2 << 11);
    f.cpu.reg(MDCR_EL2) = mdcr2::TPMCR;
    f.enter(1);
    f.run(mrs(PMCR_EL0, 0));
    CHECK(f.ec(2) == 0x18);
    f.enter(1);
    f.run(mrs(PMCCNTR_EL0, 0));
    CHECK(f.went_on());
    f.cpu.reg(MDCR_EL2) = mdcr2::TPM;
    f.enter(1);
    f.run(mrs(PMCCNTR_EL0, 0));
    CHECK(f.state->pc == kVbar2 + 0x400);
}

} // namespace
} // namespace ulna::system
