// FEAT_MOPS in a machine: who has the instructions, and who takes their exceptions.
#include "ir/support/bits.h"
#include "tests/system/cpu_fixture.h"

#include "tests/support/catch.h"

namespace ulna::system {
namespace {

using enum SysReg;

TEST_CASE("memory copy: EL0 has it by SCTLR_EL1, guests by HCRX_EL2", "[system]") {
    CpuFixture f{3, true, true};
    struct Row {
        u8 el;
        u64 sctlr1, sctlr2, hcr, hcrx;
        bool enabled;
    };
    constexpr u64 kOn = sctlr::MSCEn, kHost = hcr::E2H | hcr::TGE, kX = hcrx::MSCEn;
    const Row rows[] = {
        {0, 0, kOn, 0, kX, false},       {0, kOn, 0, 0, kX, true},
        {0, kOn, kOn, 0, 0, false},      {0, kOn, 0, kHost, kX, false},
        {0, 0, kOn, kHost, 0, true},     {1, 0, 0, 0, kX, true},
        {1, kOn, kOn, 0, 0, false},      {2, 0, 0, 0, 0, true},
        {3, 0, 0, 0, 0, true},           {0, kOn, 0, hcr::TGE, 0, false},
        {0, kOn, 0, hcr::TGE, kX, true},
    };
    for (const Row& row : rows) {
        CAPTURE(row.el, row.sctlr1, row.sctlr2, row.hcr, row.hcrx);
        f.cpu.reg(SCR_EL3) |= scr::NS | scr::HXEn;
        f.cpu.reg(SCTLR_EL1) = row.sctlr1;
        f.cpu.reg(SCTLR_EL2) = row.sctlr2;
        f.cpu.reg(HCR_EL2) = row.hcr;
        f.cpu.reg(HCRX_EL2) = row.hcrx;
        f.enter(row.el);
        CHECK(memory_copy_enabled(f.cpu) == row.enabled);
        CHECK(((f.state->sctlr_el1 & sctlr::MSCEn) != 0) == row.enabled); // for translated code
    }
    f.cpu.reg(SCR_EL3) &= ~scr::HXEn; // HCRX_EL2 counts as zero
    f.cpu.reg(HCR_EL2) = 0;
    f.cpu.reg(HCRX_EL2) = hcrx::MSCEn;
    f.enter(1);
    CHECK_FALSE(memory_copy_enabled(f.cpu));
    CpuFixture alone;
    alone.enter(1);
    CHECK(memory_copy_enabled(alone.cpu));
}

TEST_CASE("memory copy: HCRX_EL2.MCE2 routes EL1's exceptions to EL2", "[system]") {
    struct Row {
        u8 el;
        u64 hcr, hcrx;
        unsigned target;
    };
    const Row rows[] = {
        {1, 0, 0, 1},        {1, 0, hcrx::MCE2, 2}, {0, 0, hcrx::MCE2, 1},
        {0, hcr::TGE, 0, 2}, {2, 0, hcrx::MCE2, 2},
    };
    for (const Row& row : rows) {
        CAPTURE(row.el, row.hcr, row.hcrx);
        CpuFixture f{2};
        f.cpu.reg(HCR_EL2) |= row.hcr;
        f.cpu.reg(HCRX_EL2) = row.hcrx;
        f.enter(row.el);
        take_exception(f.cpu, memory_copy_set(0x30022, kCode));
        CHECK(f.cpu.pstate.el == row.target);
        CHECK(f.esr(row.target) == (u64{0x27} << 26 | u64{1} << 25 | 0x30022));
    }
}

} // namespace
} // namespace ulna::system
