#include "runtime/system/debug_exceptions.h"

#include "tests/support/catch.h"
#include "tests/system/cpu_fixture.h"

namespace ulna::system {
namespace {

using enum SysReg;

struct DebugFixture : CpuFixture {
    explicit DebugFixture(unsigned el = 1, bool el2 = false, bool el3 = false)
        : CpuFixture(el, el2, el3) {
        cpu.reg(OSLSR_EL1) &= ~u64{2};
        cpu.reg(MDSCR_EL1) = mdscr::MDE;
    }
};

TEST_CASE("software step executes one instruction between two exceptions", "[system]") {
    DebugFixture f;
    f.cpu.reg(MDSCR_EL1) = mdscr::SS;
    f.cpu.reg(SPSR_EL1) = spsr::SS; // to EL0t, step
    f.cpu.reg(ELR_EL1) = 0x7000;
    CHECK(step_state(f.cpu) == StepState::Inactive); // EL1 without KDE
    f.run(kEret);
    CHECK(f.cpu.pstate.ss);
    CHECK(step_state(f.cpu) == StepState::ActiveNotPending);
    f.state->pc += 4; // an instruction of translated code
    step_done(f.cpu);
    CHECK(step_state(f.cpu) == StepState::ActivePending);
    take_exception(f.cpu, software_step(true, false, f.state->pc));
    CHECK(f.esr(1) == (u64{0x32} << 26 | 1 << 25 | 1 << 24 | 0x22));
    CHECK(f.cpu.reg(ELR_EL1) == 0x7004);
    CHECK((f.cpu.reg(SPSR_EL1) & spsr::SS) == 0);
    CHECK(step_state(f.cpu) == StepState::Inactive);
    // Without the bit in SPSR the exception comes at once.
    f.run(kEret);
    CHECK(step_state(f.cpu) == StepState::ActivePending);
}

TEST_CASE("a system call counts as stepped, an abort does not", "[system]") {
    DebugFixture f;
    f.cpu.reg(MDSCR_EL1) = mdscr::SS;
    f.cpu.reg(SPSR_EL1) = spsr::SS;
    f.run(kEret);
    f.run(svc_word(0));
    CHECK((f.cpu.reg(SPSR_EL1) & spsr::SS) == 0);
    f.cpu.reg(SPSR_EL1) = spsr::SS;
    f.run(kEret);
    take_exception(f.cpu, data_abort(0, {.fsc = 7}, f.state->pc));
    CHECK((f.cpu.reg(SPSR_EL1) & spsr::SS) != 0);
    CHECK_FALSE(f.cpu.pstate.ss);
}

TEST_CASE("EL1 steps itself with KDE and D clear", "[system]") {
    DebugFixture f;
    f.cpu.reg(MDSCR_EL1) = mdscr::SS | mdscr::KDE;
    CHECK(step_state(f.cpu) == StepState::Inactive); // D is set
    f.cpu.reg(SPSR_EL1) = spsr::SS | 5;
    f.cpu.reg(ELR_EL1) = 0x7000;
    f.run(kEret);
    CHECK(step_state(f.cpu) == StepState::ActiveNotPending);
    step_done(f.cpu);
    take_exception(f.cpu, software_step(true, true, f.state->pc));
    CHECK(f.esr(1) == (u64{0x33} << 26 | 1 << 25 | 1 << 24 | 1 << 6 | 0x22));
}

TEST_CASE("the OS lock and MDCR_EL2.TDE decide about debug exceptions", "[system]") {
    DebugFixture f(2);
    f.enter(0);
    CHECK(debug_exceptions_enabled(f.cpu));
    f.cpu.reg(OSLSR_EL1) |= 2;
    CHECK_FALSE(debug_exceptions_enabled(f.cpu));
    f.cpu.reg(OSLSR_EL1) &= ~u64{2};
    f.enter(1);
    CHECK_FALSE(debug_exceptions_enabled(f.cpu));
    f.cpu.reg(MDCR_EL2) |= mdcr2::TDE;
    CHECK(debug_exceptions_enabled(f.cpu));
    CHECK(debug_target(f.cpu) == 2);
    take_exception(f.cpu, breakpoint(kCode));
    CHECK(f.esr(2) == (u64{0x30} << 26 | 1 << 25 | 0x22));
    f.enter(1);
    f.run(0xd420'0000 | 5 << 5);
    CHECK(f.esr(2) == (u64{0x3c} << 26 | 1 << 25 | 5));
    CHECK_FALSE(debug_exceptions_enabled(f.cpu)); // at EL2 itself
    f.enter(1);
    f.run(mrs(MDSCR_EL1, 0)); // TDE implies TDA
    CHECK(f.ec(2) == 0x18);
}

TEST_CASE("secure debug is EL3's to switch off", "[system]") {
    DebugFixture f(3, true);
    f.enter(0);
    CHECK(debug_exceptions_enabled(f.cpu));
    f.cpu.reg(MDCR_EL3) = mdcr3::SDD;
    CHECK_FALSE(debug_exceptions_enabled(f.cpu));
    f.cpu.reg(SCR_EL3) |= scr::NS;
    CHECK(debug_exceptions_enabled(f.cpu));
}

TEST_CASE("breakpoints match address, EL and context", "[system]") {
    DebugFixture f;
    f.write(DBGBVR0_EL1, 0x7000);
    f.write(DBGBCR0_EL1, 1 | 2 << 1 | 0xf << 5); // EL0
    f.cpu.reg(MDSCR_EL1) = mdscr::MDE;
    f.enter(0);
    CHECK(breakpoints_active(f.cpu));
    CHECK(breakpoint_matches(f.cpu, 0x7000));
    CHECK_FALSE(breakpoint_matches(f.cpu, 0x7004));
    f.cpu.reg(MDSCR_EL1) = 0;
    CHECK_FALSE(breakpoint_matches(f.cpu, 0x7000));
    f.cpu.reg(MDSCR_EL1) = mdscr::MDE | mdscr::KDE;
    f.enter(1);
    f.cpu.set_daif(0);
    CHECK_FALSE(breakpoint_matches(f.cpu, 0x7000)); // PMC is EL0's
    f.write(DBGBCR0_EL1, 1 | 1 << 1 | 0xf << 5);
    CHECK(breakpoint_matches(f.cpu, 0x7000));
    // Linked to the context of breakpoint 5.
    f.write(DBGBCR0_EL1, 1 | 1 << 1 | 0xf << 5 | 5 << 16 | 1 << 20);
    CHECK_FALSE(breakpoint_matches(f.cpu, 0x7000));
    f.write(DBGBVR5_EL1, 42);
    f.write(DBGBCR5_EL1, 1 | 3 << 1 | 0xf << 5 | 3 << 20);
    CHECK_FALSE(breakpoint_matches(f.cpu, 0x7000));
    f.write(CONTEXTIDR_EL1, 42);
    CHECK(breakpoint_matches(f.cpu, 0x7000));
    CHECK_FALSE(breakpoint_matches(f.cpu, 0x7100));
}

TEST_CASE("watchpoints match bytes, kinds of access and ELs", "[system]") {
    DebugFixture f;
    constexpr u64 kLoad = 1 << 3, kStore = 2 << 3, kEl0 = 2 << 1, kEl1 = 1 << 1;
    f.write(DBGWVR0_EL1, 0x9000);
    f.write(DBGWCR0_EL1, 1 | kEl0 | kStore | 0x3c << 5); // bytes 2..5
    f.enter(0);
    CHECK(watchpoints_active(f.cpu));
    CHECK(watchpoint_matches(f.cpu, 0x9000, 8, true, false) == 0x9002);
    CHECK(watchpoint_matches(f.cpu, 0x9004, 1, true, false) == 0x9004);
    CHECK(watchpoint_matches(f.cpu, 0x8ffe, 8, true, false) == 0x9002);
    CHECK_FALSE(watchpoint_matches(f.cpu, 0x9006, 8, true, false));
    CHECK_FALSE(watchpoint_matches(f.cpu, 0x8ffa, 8, true, false));
    CHECK_FALSE(watchpoint_matches(f.cpu, 0x9000, 8, false, false)); // a load
    // LDTR and STTR are EL0's. EL1's own accesses are not.
    f.cpu.reg(MDSCR_EL1) = mdscr::MDE | mdscr::KDE;
    f.enter(1);
    f.cpu.set_daif(0);
    CHECK(watchpoint_matches(f.cpu, 0x9000, 8, true, true) == 0x9002);
    CHECK_FALSE(watchpoint_matches(f.cpu, 0x9000, 8, true, false));
    // By mask: 4 KiB. Tags do not count.
    f.write(DBGWCR0_EL1, 1 | kEl1 | kLoad | 0xff << 5 | 12 << 24);
    CHECK(watchpoint_matches(f.cpu, 0x9ff8, 16, false, false) == 0x9ff8);
    CHECK(watchpoint_matches(f.cpu, 0x5a00'0000'0000'9123, 1, false, false) ==
          0x5a00'0000'0000'9123);
    CHECK_FALSE(watchpoint_matches(f.cpu, 0xa000, 8, false, false));
    // A doubleword that is watched by its upper word.
    f.write(DBGWVR0_EL1, 0x9004);
    f.write(DBGWCR0_EL1, 1 | kEl1 | kLoad | 0xf << 5);
    CHECK(watchpoint_matches(f.cpu, 0x9000, 8, false, false) == 0x9004);
    CHECK_FALSE(watchpoint_matches(f.cpu, 0x9000, 4, false, false));
    take_exception(f.cpu, watchpoint(0x9004, true, false, kCode));
    CHECK(f.esr(1) == (u64{0x35} << 26 | 1 << 25 | 1 << 6 | 0x22));
    CHECK(f.cpu.reg(FAR_EL1) == 0x9004);
}

} // namespace
} // namespace ulna::system
