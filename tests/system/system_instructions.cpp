#include "runtime/system/system_instructions.h"

#include "runtime/system/control_bits.h"
#include "tests/support/catch.h"
#include "tests/system/cpu_fixture.h"

namespace ulna::system {
namespace {

using enum SysReg;
using Kind = TlbInvalidation::Kind;

struct TlbiFixture : CpuFixture {
    using CpuFixture::CpuFixture;
    TlbInvalidation tlbi(unsigned op1, unsigned CRm, unsigned op2, u64 value = 0) {
        host.invalidations.clear();
        state->pc = kCode;
        state->x[1] = value;
        run(sys(op1, 8, CRm, op2, 1));
        REQUIRE(host.invalidations.size() == 1);
        CHECK(went_on());
        return host.invalidations[0];
    }
};

TEST_CASE("TLBI of EL1", "[system]") {
    TlbiFixture f;
    auto t = f.tlbi(0, 3, 0); // VMALLE1IS
    CHECK(t.kind == Kind::Stage1);
    CHECK(t.broadcast);
    CHECK(t.regime == Regime::El10);
    t = f.tlbi(0, 7, 1, u64{0x1234} << 48 | 0xfff'ffff'ffff); // VAE1
    CHECK(t.kind == Kind::Address);
    CHECK_FALSE(t.broadcast);
    CHECK(t.asid == 0x1234);
    CHECK(t.start == 0xffff'ffff'ffff'f000);
    CHECK(t.bytes == 1);
    CHECK_FALSE(t.last_level);
    t = f.tlbi(0, 3, 7, 0x80000); // VAALE1IS
    CHECK(t.kind == Kind::AddressAllAsids);
    CHECK(t.start == 0x8000'0000);
    CHECK(t.last_level);
    t = f.tlbi(0, 7, 2, u64{7} << 48); // ASIDE1
    CHECK(t.kind == Kind::Asid);
    CHECK(t.asid == 7);
    CHECK(f.tlbi(0, 1, 1).broadcast); // VAE1OS
}

TEST_CASE("TLBI by range", "[system]") {
    TlbiFixture f;
    // 4 KiB granule, SCALE 1, NUM 2: (2 + 1) * 2^(5 * 1 + 1) pages from 0x1234 on
    auto t = f.tlbi(0, 2, 1, u64{5} << 48 | u64{1} << 46 | u64{1} << 44 | u64{2} << 39 | 0x1234);
    CHECK(t.kind == Kind::Address);
    CHECK(t.broadcast);
    CHECK(t.start == 0x123'4000);
    CHECK(t.bytes == 3 * 64 * 4096);
    CHECK(t.asid == 5);
    t = f.tlbi(0, 6, 3, u64{3} << 46 | 0x1f'ffff'ffff); // RVAAE1, 64 KiB
    CHECK(t.start == 0xffff'ffff'ffff'0000);
    CHECK(t.bytes == 2 * 65536);
    CHECK_FALSE(t.broadcast);
    t = f.tlbi(0, 6, 3, 1); // reserved granule: nothing
    CHECK(t.bytes == 0);
    f.cpu.reg(ID_AA64MMFR0_EL1) |= u64{1} << 28; // TGran4: LPA2
    f.cpu.reg(TCR_EL1) = u64{1} << control::tcr::DS;
    t = f.tlbi(0, 2, 1, u64{1} << 46 | 0x1234);
    CHECK(t.start == 0x1234'0000);
    CHECK(t.bytes == 2 * 4096);
    f.enter(1);
    CHECK(f.is_undefined(sys(0, 8, 6, 0, 1))); // no range of VMALLE1
    CHECK(f.is_undefined(sys(0, 8, 4, 1, 1)));
    CHECK(f.is_undefined(sys(0, 8, 7, 4, 1)));
}

TEST_CASE("TLBI of EL2 and EL3", "[system]") {
    TlbiFixture f(3, true);
    f.write(SCR_EL3, scr::NS);
    f.enter(2);
    f.cpu.reg(VTTBR_EL2) = u64{0xbeef} << 48;
    auto t = f.tlbi(4, 7, 4); // ALLE1
    CHECK(t.kind == Kind::All);
    CHECK(t.all_vmids);
    CHECK(t.regime == Regime::El10);
    t = f.tlbi(4, 3, 6); // VMALLS12E1IS
    CHECK(t.kind == Kind::All);
    CHECK_FALSE(t.all_vmids);
    CHECK(t.vmid == 0xbeef);
    CHECK(t.broadcast);
    t = f.tlbi(4, 4, 1, 0x40000); // IPAS2E1
    CHECK(t.kind == Kind::Stage2Address);
    CHECK(t.start == 0x4000'0000);
    CHECK_FALSE(t.broadcast);
    CHECK(t.vmid == 0xbeef);
    CHECK(f.tlbi(4, 0, 5).last_level); // IPAS2LE1IS
    CHECK(f.tlbi(4, 0, 5).broadcast);
    t = f.tlbi(4, 7, 1, 0x10); // VAE2
    CHECK(t.regime == Regime::El2);
    CHECK(t.vmid == 0);
    CHECK(f.tlbi(4, 3, 0).regime == Regime::El2); // ALLE2IS
    f.cpu.reg(HCR_EL2) |= hcr::E2H | hcr::TGE;
    CHECK(f.tlbi(4, 7, 1).regime == Regime::El20);
    CHECK(f.tlbi(0, 7, 1).regime == Regime::El20); // VAE1, of the host
    f.cpu.reg(HCR_EL2) = hcr::FB;
    f.enter(1);
    CHECK(f.tlbi(0, 7, 0).broadcast);
    CHECK(f.is_undefined(sys(4, 8, 7, 4, 1)));
    CHECK(f.is_undefined(sys(6, 8, 7, 0, 1)));
    f.enter(3);
    CHECK(f.tlbi(6, 7, 5).regime == Regime::El3);
    f.enter(0);
    CHECK(f.is_undefined(sys(0, 8, 7, 0, 1)));
}

TEST_CASE("TLBI of later versions need their features", "[system]") {
    CpuFixture f;
    f.become("cortex-a72");
    CHECK(f.is_undefined(sys(0, 8, 1, 1, 1))); // VAE1OS
    CHECK(f.is_undefined(sys(0, 8, 6, 1, 1))); // RVAE1
    CHECK(f.is_undefined(sys(0, 9, 7, 1, 1))); // VAE1NXS
    f.state->pc = kCode;
    f.run(sys(0, 8, 7, 1, 1));
    CHECK(f.went_on());
    CpuFixture g;
    g.run(sys(0, 9, 7, 1, 1));
    CHECK(g.went_on());
}

TEST_CASE("AT asks for a translation and leaves it in PAR_EL1", "[system]") {
    CpuFixture f(2);
    f.host.par = 0x1234'0000'0000'0f80;
    struct Row {
        unsigned op1, CRm, op2;
        u8 el;
        bool unprivileged, write, pan, both;
    };
    constexpr Row kRows[] = {
        {0, 8, 0, 1, false, false, false, false}, {0, 8, 1, 1, false, true, false, false},
        {0, 8, 2, 1, true, false, false, false},  {0, 8, 3, 1, true, true, false, false},
        {0, 9, 0, 1, false, false, true, false},  {0, 9, 1, 1, false, true, true, false},
        {4, 8, 0, 2, false, false, false, false}, {4, 8, 1, 2, false, true, false, false},
        {4, 8, 4, 1, false, false, false, true},  {4, 8, 7, 1, true, true, false, true},
    };
    f.cpu.pstate.pan = true;
    for (const Row& row : kRows) {
        CAPTURE(row.op1, row.CRm, row.op2);
        f.state->pc = kCode;
        f.state->x[3] = 0xabc000;
        f.run(sys(row.op1, 7, row.CRm, row.op2, 3));
        CHECK(f.went_on());
        CHECK(f.cpu.reg(PAR_EL1) == f.host.par);
        const AddressTranslation& at = f.host.translations.back();
        CHECK(at.address == 0xabc000);
        CHECK(at.el == row.el);
        CHECK(at.unprivileged == row.unprivileged);
        CHECK(at.write == row.write);
        CHECK(at.pan == row.pan);
        CHECK((at.stages == AddressTranslation::Stages::Both) == row.both);
    }
    f.cpu.reg(HCR_EL2) |= hcr::E2H | hcr::TGE;
    f.run(sys(0, 7, 8, 0, 3));
    CHECK(f.host.translations.back().el == 2);
    f.cpu.reg(HCR_EL2) = 0;
    f.enter(1);
    CHECK(f.is_undefined(sys(4, 7, 8, 4, 3)));
}

TEST_CASE("cache maintenance at EL0 is what SCTLR_EL1 allows", "[system]") {
    CpuFixture f;
    const u32 ivau = sys(3, 7, 5, 1, 2), cvac = sys(3, 7, 10, 1, 2), zva = sys(3, 7, 4, 1, 2);
    for (const u32 word : {ivau, cvac, zva}) {
        f.enter(0);
        f.run(word);
        CHECK(f.ec(1) == 0x18);
        f.cpu.reg(SCTLR_EL1) |= sctlr::UCI | sctlr::DZE;
        f.enter(0);
        f.run(word);
        CHECK(f.went_on());
        f.cpu.reg(SCTLR_EL1) &= ~(sctlr::UCI | sctlr::DZE);
    }
    CHECK(f.host.invalidated_code.size() == 1);
    f.enter(0);
    CHECK(f.is_undefined(sys(0, 7, 5, 0, 31))); // IC IALLU
    CHECK(f.is_undefined(sys(0, 7, 6, 1, 2)));  // DC IVAC
    CHECK(f.is_undefined(sys(0, 7, 14, 2, 2))); // DC CISW
    f.enter(1);
    f.run(sys(0, 7, 1, 0, 31)); // IC IALLUIS
    CHECK(f.host.invalidated_code.back() == ~u64{0});
    f.enter(1);
    f.run(sys(0, 7, 14, 2, 2));
    CHECK(f.went_on());
    CHECK(f.is_undefined(sys(3, 7, 3, 4, 2))); // CFP RCTX
    CHECK(f.is_undefined(0xd528'0000));        // SYSL
}

TEST_CASE("DCZID_EL0.DZP says where DC ZVA is prohibited", "[system]") {
    CpuFixture f(2);
    CHECK(f.read(DCZID_EL0) == 4);
    f.enter(0);
    CHECK(f.read(DCZID_EL0) == 0x14);
    f.cpu.reg(SCTLR_EL1) |= sctlr::DZE;
    CHECK(f.read(DCZID_EL0) == 4);
    f.cpu.reg(HCR_EL2) = hcr::TDZ;
    CHECK(f.read(DCZID_EL0) == 0x14);
}

} // namespace
} // namespace ulna::system
