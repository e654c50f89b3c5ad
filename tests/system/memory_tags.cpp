// FEAT_MTE2 in a machine, without memory: who may access tags, what is checked, and what the
// instructions ask their host for.
#include "ir/support/bits.h"
#include "runtime/system/tag_checks.h"
#include "tests/system/cpu_fixture.h"

#include "tests/support/catch.h"

namespace ulna::system {
namespace {

using enum SysReg;
using ir::TagCheck;

TEST_CASE("memory tags: each level above has to allow access", "[system]") {
    CpuFixture f{3, true, true};
    f.cpu.reg(SCR_EL3) |= scr::NS | scr::ATA;
    f.cpu.reg(HCR_EL2) = hcr::ATA;
    for (const SysReg sctlr : {SCTLR_EL1, SCTLR_EL2, SCTLR_EL3}) {
        f.cpu.reg(sctlr) = sctlr::ATA;
    }
    const auto may = [&](u8 el) {
        f.enter(el);
        const bool result = may_access_tags(f.cpu, el);
        CHECK(((f.state->sctlr_el1 & sctlr::ATA) != 0) == result);
        return result;
    };
    CHECK((!may(0) && may(1) && may(2) && may(3)));
    f.cpu.reg(SCTLR_EL1) = sctlr::ATA0;
    CHECK((may(0) && !may(1)));
    f.cpu.reg(HCR_EL2) = 0;
    CHECK((!may(0) && may(2)));
    f.cpu.reg(HCR_EL2) = hcr::E2H | hcr::TGE; // EL0 is EL2's
    CHECK(!may(0));
    f.cpu.reg(SCTLR_EL2) |= sctlr::ATA0;
    CHECK(may(0));
    f.cpu.reg(SCR_EL3) &= ~scr::ATA;
    CHECK((!may(0) && !may(2) && may(3)));
    f.become("cortex-a53");
    f.cpu.reg(SCTLR_EL1) |= sctlr::ATA;
    CHECK(!may(1));
}

TEST_CASE("memory tags: checks are of the accessing level, unless TCO", "[system]") {
    CpuFixture f;
    f.cpu.reg(SCTLR_EL1) = sctlr::ATA | sctlr::ATA0 | u64{1} << 40 | u64{2} << 38;
    f.enter(1);
    CHECK(tag_check(f.cpu, false) == TagCheck::Sync);
    CHECK(tag_check(f.cpu, true) == TagCheck::Async);
    f.state->pstate = ir::pstate::TCO;
    CHECK((tag_check(f.cpu, false) == TagCheck::None && tag_check(f.cpu, true) == TagCheck::None));
    f.state->pstate = 0;
    f.cpu.reg(SCTLR_EL1) |= sctlr::TCF0;
    CHECK(tag_check(f.cpu, true) == TagCheck::Asymmetric);
    f.cpu.reg(SCTLR_EL1) &= ~sctlr::ATA0;
    CHECK(tag_check(f.cpu, true) == TagCheck::None);
    CpuFixture el2{2};
    el2.cpu.reg(SCTLR_EL2) = sctlr::ATA | u64{1} << 40;
    el2.enter(2);
    CHECK(tag_check(el2.cpu, true) == TagCheck::Sync); // this regime has no EL0
    // Writing TCO changes what is checked.
    const unsigned before = f.host.translation_changes;
    f.write(TCO, ir::pstate::TCO);
    CHECK(f.host.translation_changes == before + 1);
    f.write(DIT, ir::pstate::DIT);
    CHECK(f.host.translation_changes == before + 1);
}

TEST_CASE("memory tags: TBI gives an address a tag, TCMA exempts one of them", "[system]") {
    constexpr GuestAddr kLow = 0x40'0000, kHigh = 0xffff'8000'0000'0000;
    constexpr u64 kTbi0 = u64{1} << 37, kTbi1 = u64{1} << 38, kTcma0 = u64{1} << 57,
                  kTcma1 = u64{1} << 58;
    CHECK_FALSE(TagControls{kTbi1}.has_tag(kLow));
    CHECK(TagControls{kTbi1}.has_tag(kHigh));
    CHECK(TagControls{kTbi0}.has_tag(kLow));
    CHECK(TagControls{u64{1} << 20, false}.has_tag(kLow));
    CHECK(TagControls{kTcma0}.is_unchecked(kLow));
    CHECK_FALSE(TagControls{kTcma0}.is_unchecked(kLow | u64{1} << 56));
    CHECK_FALSE(TagControls{kTcma0}.is_unchecked(kHigh));
    CHECK(TagControls{kTcma1}.is_unchecked(kHigh));
    CHECK_FALSE(TagControls{kTcma1}.is_unchecked(kHigh & ~(u64{1} << 56)));
    CHECK(TagControls{u64{1} << 30, false}.is_unchecked(kLow));
}

TEST_CASE("memory tags: faults are noted where the level looks for them", "[system]") {
    CpuFixture f{2};
    constexpr GuestAddr kHigh = u64{1} << 55;
    note_tag_check_fault(f.cpu, 0, kHigh);
    note_tag_check_fault(f.cpu, 1, 0);
    note_tag_check_fault(f.cpu, 2, kHigh); // of one range
    CHECK(f.state->tfsre0_el1 == 2);
    CHECK(f.cpu.reg(TFSR_EL1) == 1);
    CHECK(f.cpu.reg(TFSR_EL2) == 1);
    f.cpu.reg(HCR_EL2) |= hcr::E2H;
    note_tag_check_fault(f.cpu, 2, kHigh);
    CHECK(f.cpu.reg(TFSR_EL2) == 3);
    CHECK(f.read(TFSRE0_EL1) == 2);
}

// Tags of 64 granules at zero.
class TaggingHost : public NotingHost {
  public:
    u8 tags[64] = {};
    TagAccess last;
    unsigned accesses = 0;

    std::optional<Exception> access_tags(Cpu&, const TagAccess& access) override {
        last = access;
        ++accesses;
        for (unsigned i = 0; i < access.granules; ++i) {
            u8& tag = tags[(access.address & ~(u64{0xff} << 56)) / 16 + i];
            (access.write ? tag : access.tags[i]) = access.write ? access.tags[i] : tag;
        }
        return std::nullopt;
    }
};

TEST_CASE("memory tags: loads and stores of tags", "[system]") {
    CpuFixture f;
    TaggingHost host;
    f.cpu.host = &host;
    f.cpu.reg(SCTLR_EL1) |= sctlr::SA;
    f.enter(1);
    const auto run = [&](u32 word, u64 x0, u64 x1) {
        f.state->x[0] = x0;
        f.state->x[1] = x1;
        f.state->pc = kCode;
        f.run(word);
        return f.went_on();
    };
    // STG X1, [X0], #16; STZ2G X1, [X0, #32]!; LDG X1, [X0, #-16]
    CHECK(run(0xd920'1401, 0x40, u64{5} << 56));
    CHECK((host.tags[4] == 5 && host.tags[5] == 0 && f.state->x[0] == 0x50));
    CHECK(host.last.data == nullptr);
    CHECK(run(0xd9e0'2c01, 0x40, u64{6} << 56));
    CHECK((host.tags[6] == 6 && host.tags[7] == 6 && f.state->x[0] == 0x60));
    CHECK(host.last.data != nullptr);
    CHECK(run(0xd97f'f001, 0x7b, 0x1234));
    CHECK(f.state->x[1] == (u64{6} << 56 | 0x1234));
    // STGP X1, X2, [X0, #16]: the address's own tag
    f.state->x[2] = 9;
    CHECK(run(0x6900'8801, u64{7} << 56 | 0x80, 8));
    CHECK((host.tags[9] == 7 && host.last.granules == 1));
    // LDGM, STGM, STZGM X1, [X0]
    CHECK(run(0xd9e0'0001, 0x50, 0));
    CHECK(f.state->x[1] == 0x70'6605'0000);
    CHECK(run(0xd9a0'0001, 0x150, 0xfedc'ba98'7654'3210));
    CHECK((host.tags[16] == 0 && host.tags[31] == 15));
    CHECK(run(0xd920'0001, 0x250, 0x3c));
    CHECK((host.tags[35] == 0 && host.tags[36] == 12 && host.tags[39] == 12));
    // A granule's alignment, SP's, and EL0
    const unsigned before = host.accesses;
    CHECK_FALSE(run(0xd920'1401, 0x48, 0));
    CHECK(f.esr(1) == (u64{0x25} << 26 | u64{1} << 25 | 0x61));
    f.enter(1);
    f.state->sp = 8;
    CHECK_FALSE(run(0xd920'17e1, 0, 0)); // STG X1, [SP], #16
    CHECK(f.ec(1) == 0x26);
    f.enter(0);
    CHECK(f.is_undefined(0xd9e0'0001));
    f.enter(0);
    CHECK(f.is_undefined(0xd9a0'0001));
    CHECK(host.accesses == before);
    f.become("cortex-a53");
    CHECK(f.is_undefined(0xd920'1401));
    CHECK(f.is_undefined(0xd960'0001));
    CHECK(f.is_undefined(0x6900'8801));
}

TEST_CASE("memory tags: SETG* sets granules with the tag of the address", "[system]") {
    CpuFixture f;
    TaggingHost host;
    f.cpu.host = &host;
    f.enter(1);
    f.state->x[0] = u64{9} << 56 | 0x20;
    f.state->x[1] = 0x1ab;
    f.state->x[2] = 0x130;
    f.run(0x1dc1'0440); // SETGP [X0]!, X2!, X1
    CHECK((f.state->x[2] == u64{0} - 0x130 && f.state->x[0] == (u64{9} << 56 | 0x150)));
    f.run(0x1dc1'4440); // SETGM
    CHECK(f.state->x[2] == 0);
    CHECK((host.tags[1] == 0 && host.tags[2] == 9 && host.tags[20] == 9 && host.tags[21] == 0));
    CHECK((host.last.data != nullptr && !host.last.unprivileged));
    f.state->x[0] = 0x28;
    f.state->x[2] = 0x10;
    f.state->pc = kCode;
    f.run(0x1dc1'0440);
    CHECK(f.ec(1) == 0x25);
    CHECK(f.state->x[2] == 0x10);
}

} // namespace
} // namespace ulna::system
