#include "runtime/system/exceptions.h"

#include "runtime/system/take_exception.h"
#include "tests/support/catch.h"
#include "tests/system/cpu_fixture.h"

namespace ulna::system {
namespace {

using enum SysReg;

TEST_CASE("SVC from EL0 enters EL1 by the vector of lower ELs", "[system]") {
    CpuFixture f;
    f.enter(0);
    f.cpu.set_daif(0);
    f.state->nzcv = 0b0110;
    f.state->sp = 0x1111'0000;
    f.cpu.sp_bank[1] = 0x2222'0000;
    f.state->pstate = ir::pstate::DIT | ir::pstate::SSBS;
    f.run(svc_word(0x123));
    CHECK(f.state->pc == kVbar1 + 0x400);
    CHECK(f.cpu.reg(ESR_EL1) == (u64{0x15} << 26 | 1 << 25 | 0x123));
    CHECK(f.cpu.reg(ELR_EL1) == kCode + 4);
    CHECK(f.cpu.reg(SPSR_EL1) == (u64{0b0110} << 28 | 1 << 24 | 1 << 12));
    CHECK(f.cpu.pstate.el == 1);
    CHECK(f.cpu.pstate.sp_sel);
    CHECK(f.cpu.daif() == 0xf);
    CHECK(f.state->sp == 0x2222'0000);
    CHECK(f.read(SP_EL0) == 0x1111'0000);
    // DIT stays, SSBS is SCTLR_EL1.DSSBS, TCO is set where there are tags.
    CHECK(f.state->pstate == (ir::pstate::DIT | ir::pstate::TCO));
    f.run(kEret);
    CHECK(f.state->pc == kCode + 4);
    CHECK(f.cpu.pstate.el == 0);
    CHECK(f.state->sp == 0x1111'0000);
    CHECK(f.state->pstate == (ir::pstate::DIT | ir::pstate::SSBS));
    CHECK(f.state->nzcv == 0b0110);
    CHECK(f.cpu.daif() == 0);
}

TEST_CASE("vectors of the same EL depend on the stack pointer", "[system]") {
    CpuFixture f;
    f.run(0xd420'0000 | 7 << 5); // BRK #7
    CHECK(f.state->pc == kVbar1 + 0x200);
    CHECK(f.cpu.reg(ESR_EL1) == (u64{0x3c} << 26 | 1 << 25 | 7));
    CHECK(f.cpu.reg(ELR_EL1) == kCode);
    CHECK(f.cpu.reg(SPSR_EL1) == 0x3c5);
    f.enter(1, false);
    f.run(svc_word(0));
    CHECK(f.state->pc == kVbar1);
    CHECK(f.cpu.reg(SPSR_EL1) == (0x3c4 | ir::pstate::TCO));
}

TEST_CASE("aborts tell the same EL from a lower one, and leave their syndrome", "[system]") {
    CpuFixture f;
    const GuestAddr far = 0xffff'0000'1234'5678;
    take_exception(f.cpu, data_abort(far, {.fsc = 0x07, .write = true}, kCode));
    CHECK(f.cpu.reg(ESR_EL1) == (u64{0x25} << 26 | 1 << 25 | 1 << 6 | 7));
    CHECK(f.cpu.reg(FAR_EL1) == far);
    CHECK(f.cpu.reg(ELR_EL1) == kCode);
    f.enter(0);
    take_exception(f.cpu, data_abort(far, {.fsc = 0x0f}, kCode + 8));
    CHECK(f.cpu.reg(ESR_EL1) == (u64{0x24} << 26 | 1 << 25 | 0xf));
    CHECK(f.cpu.reg(ELR_EL1) == kCode + 8);
    f.enter(0);
    take_exception(f.cpu, instruction_abort({.fsc = 0x0e}, 0x7000));
    CHECK(f.cpu.reg(ESR_EL1) == (u64{0x20} << 26 | 1 << 25 | 0xe));
    CHECK(f.cpu.reg(FAR_EL1) == 0x7000);
    f.enter(1);
    take_exception(f.cpu, alignment_fault(0x33, false, kCode));
    CHECK(f.cpu.reg(ESR_EL1) == (u64{0x25} << 26 | 1 << 25 | 0x21));
    take_exception(f.cpu, pc_alignment(0x4002));
    CHECK(f.cpu.reg(ESR_EL1) == (u64{0x22} << 26 | 1 << 25));
    CHECK(f.cpu.reg(FAR_EL1) == 0x4002);
    take_exception(f.cpu, sp_alignment(kCode));
    CHECK(f.cpu.reg(ESR_EL1) == (u64{0x26} << 26 | 1 << 25));
    CHECK(f.cpu.reg(FAR_EL1) == 0x4002); // it has none of its own
}

TEST_CASE("SPAN decides whether exceptions set PAN", "[system]") {
    CpuFixture f;
    f.enter(0);
    f.run(svc_word(0));
    CHECK_FALSE(f.cpu.pstate.pan); // set after reset
    f.cpu.reg(SCTLR_EL1) &= ~sctlr::SPAN;
    f.cpu.pstate.uao = true;
    f.cpu.pstate.pan = false;
    f.run(svc_word(0));
    CHECK(f.cpu.pstate.pan);
    CHECK_FALSE(f.cpu.pstate.uao);
    CHECK((f.cpu.reg(SPSR_EL1) & (spsr::UAO | spsr::PAN)) == spsr::UAO);
    f.cpu.reg(SCTLR_EL1) |= sctlr::DSSBS;
    f.run(svc_word(0));
    CHECK((f.state->pstate & ir::pstate::SSBS) != 0);
}

TEST_CASE("BTYPE is in SPSR of a branch target exception and comes back", "[system]") {
    CpuFixture f;
    f.state->btype = 2;
    take_exception(f.cpu, branch_target(2, kCode));
    CHECK(f.cpu.reg(ESR_EL1) == (u64{0x0d} << 26 | 1 << 25 | 2));
    CHECK((f.cpu.reg(SPSR_EL1) & ir::pstate::kBtypeMask) == u64{2} << 10);
    CHECK(f.state->btype == 0);
    f.run(kEret);
    CHECK(f.state->btype == 2);
}

TEST_CASE("an illegal exception return sets IL, and the next instruction raises it", "[system]") {
    const u64 spsr = GENERATE(0x3c9,      // EL2, which is not there
                              0x3cd,      // EL3
                              0x3c1,      // EL0 with SP_EL1
                              0x3c6,      // M[1]
                              0x3d0,      // AArch32
                              0x3c8 | 1); // EL2h
    CpuFixture f;
    f.cpu.reg(ELR_EL1) = 0x5000;
    f.cpu.reg(SPSR_EL1) = spsr | u64{0b1001} << 28;
    f.run(kEret);
    CHECK(f.cpu.pstate.il);
    CHECK(f.cpu.pstate.el == 1);
    CHECK(f.cpu.pstate.sp_sel);
    CHECK(f.state->pc == 0x5000);
    CHECK(f.state->nzcv == 0b1001);
    f.run(mrs(MIDR_EL1, 0));
    CHECK(f.cpu.reg(ESR_EL1) == (u64{0x0e} << 26 | 1 << 25));
    CHECK((f.cpu.reg(SPSR_EL1) & spsr::IL) != 0);
    CHECK_FALSE(f.cpu.pstate.il);
    CHECK(f.cpu.reg(ELR_EL1) == 0x5000);
}

TEST_CASE("ERET leaves the tag out of the address", "[system]") {
    CpuFixture f;
    f.cpu.reg(SPSR_EL1) = 0;
    f.cpu.reg(ELR_EL1) = 0x5a00'0000'0000'1000;
    f.run(kEret);
    CHECK(f.state->pc == 0x5a00'0000'0000'1000);
    f.enter(1);
    f.cpu.reg(TCR_EL1) = u64{1} << 37; // TBI0
    f.cpu.reg(SPSR_EL1) = 0;
    f.run(kEret);
    CHECK(f.state->pc == 0x1000);
    CHECK(branch_address(f.cpu, 0x5aff'0000'0000'1000) == 0x5aff'0000'0000'1000);
    f.cpu.reg(TCR_EL1) = u64{1} << 38; // TBI1
    CHECK(branch_address(f.cpu, 0x5aff'0000'0000'1000) == 0xffff'0000'0000'1000);
}

TEST_CASE("ERET drops the exclusive monitor, and is an event", "[system]") {
    CpuFixture f;
    f.state->excl_bytes = 8;
    f.cpu.reg(SPSR_EL1) = 0;
    f.run(kEret);
    CHECK(f.state->excl_bytes == 0);
    CHECK(f.cpu.event);
}

TEST_CASE("ERETAA authenticates ELR by SP", "[system]") {
    CpuFixture f;
    f.state->pac_keys[0] = 0x1234, f.state->pac_keys[1] = 0x5678;
    f.state->sp = 0x9000;
    f.cpu.reg(SCTLR_EL1) |= sctlr::EnIA;
    f.cpu.reg(SPSR_EL1) = 0;
    f.cpu.reg(ELR_EL1) = 0x4000;
    f.run(0xd69f'0bff); // ERETAA; a pointer without code
    CHECK(f.ec(1) == 0x1c);
    CHECK((f.esr(1) & 3) == 0); // key IA
    f.enter(1);
    f.cpu.reg(SPSR_EL1) = 0;
    f.cpu.reg(ELR_EL1) = 0x4000;
    f.run(0xd69f'0fff); // ERETAB: the key is not enabled
    CHECK(f.state->pc == 0x4000);
    CHECK(f.cpu.pstate.el == 0);
}

TEST_CASE("exceptions that EL0 cannot cause are UNDEFINED there", "[system]") {
    CpuFixture f;
    f.enter(0);
    CHECK(f.is_undefined(kEret));
    CHECK(f.is_undefined(hvc_word(0)));
    CHECK(f.is_undefined(smc_word(0)));
    CHECK(f.is_undefined(0xd6bf'03e0));               // DRPS
    CHECK(f.is_undefined(0xd4a0'0001));               // DCPS1
    CHECK(f.is_undefined(0xd440'0000 | 0xf000 << 5)); // HLT without semihosting
    CHECK(f.is_undefined(0));
    f.run(hvc_word(0));
    CHECK(f.cpu.reg(ESR_EL1) == u64{1} << 25);
    CHECK(f.cpu.reg(ELR_EL1) == kCode);
    f.enter(1);
    CHECK(f.is_undefined(hvc_word(0))); // there is no EL2
    CHECK(f.is_undefined(smc_word(0))); // and no EL3
}

TEST_CASE("syndromes of loads and stores for hypervisors", "[system]") {
    CHECK(access_syndrome(0xb940'0022) == (1u << 24 | 2u << 22 | 2u << 16)); // LDR W2, [X1]
    CHECK(access_syndrome(0xf900'0025) ==
          (1u << 24 | 3u << 22 | 5u << 16 | 1u << 15)); // STR X5, [X1]
    CHECK(access_syndrome(0x3980'0023) == (1u << 24 | 1u << 21 | 3u << 16 | 1u << 15)); // LDRSB X3
    CHECK(access_syndrome(0x7862'6823) == (1u << 24 | 1u << 22 | 3u << 16)); // LDRH W3, [X1, X2]
    CHECK(access_syndrome(0x88df'fc22) ==
          (1u << 24 | 2u << 22 | 2u << 16 | 1u << 14)); // LDAR W2, [X1]
    CHECK(access_syndrome(0x5800'0023) == (1u << 24 | 3u << 22 | 3u << 16 | 1u << 15)); // literal
    CHECK(access_syndrome(0xf840'8c20) == 0);                                           // pre-index
    CHECK(access_syndrome(0xa940'0420) == 0);                                           // LDP
    CHECK(access_syndrome(0xf980'0020) == 0);                                           // PRFM
    CHECK(access_syndrome(0x3dc0'0020) == 0);                                           // LDR Q0
}

} // namespace
} // namespace ulna::system
