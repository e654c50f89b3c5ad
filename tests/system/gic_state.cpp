// Snapshots of interrupt controllers, and of CPUs.
#include "runtime/devices/gicv2.h"
#include "runtime/devices/gicv3_its.h"
#include "tests/system/cpu_fixture.h"

#include "tests/system/gicv3_fixture.h"
#include "tests/system/state_fixture.h"

namespace ulna::devices {
namespace {

using namespace gicv3;

TEST_CASE("a GICv3 has its interrupts back", "[state][gicv3]") {
    GicUnderTest g(3), other(3);
    g.enable_all();
    g.gic.spi(5).set(true);
    g.dist_write(0x6000 + 8 * 37, 1); // SPI 5 to CPU 1
    g.gic.ppi(2, 27).set(true);
    g.set_priority(40, 0x20);
    g.gic.spi(8).set(true);
    CHECK(g.ack() == 40); // active on CPU 0
    g.set(0, ICH_LR0_EL2, u64{1} << 62 | u64{1} << 60 | u64{0x50} << 48 | 45);
    g.set(0, ICH_HCR_EL2, 1);
    g.set(0, ICH_VMCR_EL2, u64{0xff} << 24 | 2);
    CHECK((g.irq(1) && g.irq(2) && g.virq(0)));
    CHECK(load_state(other.gic, saved_state(g.gic)) == "");
    CHECK(saved_state(other.gic) == saved_state(g.gic));
    for (unsigned cpu = 0; cpu < 3; ++cpu) {
        CHECK(other.irq(cpu) == g.irq(cpu));
        CHECK(other.virq(cpu) == g.virq(cpu));
    }
    other.end(40);
    CHECK(other.ack(1) == 37);
    CHECK(other.ack(2) == 27);
    CHECK(other.vget(0, ICC_IAR1_EL1) == 45);
    // Devices that drive what they drove change nothing, and what they let go goes.
    other.gic.spi(5).set(true);
    other.gic.spi(8).set(false);
    CHECK(other.ack() == 1023);
}

TEST_CASE("GICs are twins after a snapshot", "[state][gicv3]") {
    GicUnderTest g(2), other(2);
    g.enable_all();
    check_twins(g.gic, other.gic, g.gic.distributor(), other.gic.distributor(), 0x10000);
    check_twins(g.gic, other.gic, g.gic.redistributors(), other.gic.redistributors(), 0x40000);
    check_bent(other.gic, other.gic.distributor(), 0x10000);
    check_bent(other.gic, saved_state(g.gic), [&] {
        for (unsigned cpu = 0; cpu < 2; ++cpu) {
            other.end(other.ack(cpu), cpu);
            other.vset(cpu, ICC_EOIR1_EL1, other.vget(cpu, ICC_IAR1_EL1));
            other.gic.spi(9).set(!other.irq());
        }
    });
    unsigned current = 0;
    Gicv2 v2{2, 288, [&] { return current; }}, v2_other{2, 288, [&] { return current; }};
    for (Device& (Gicv2::*frame)() : {&Gicv2::distributor, &Gicv2::cpu_interface,
                                      &Gicv2::hypervisor_interface, &Gicv2::virtual_interface}) {
        for (current = 0; current < 2; ++current) {
            check_twins(v2, v2_other, (v2.*frame)(), (v2_other.*frame)(), 0x1000, 10);
            check_bent(v2_other, (v2_other.*frame)(), 0x1000);
        }
        current = 0;
    }
}

TEST_CASE("GICs with two Security states are twins after a snapshot", "[state][security]") {
    bool secure = true;
    const auto accesses_securely = [&] { return secure; };
    GicUnderTest g(2, 288, accesses_securely), other(2, 288, accesses_securely);
    unsigned current = 0;
    const auto cpu = [&] { return current; };
    Gicv2 v2{2, 288, cpu, accesses_securely}, v2_other{2, 288, cpu, accesses_securely};
    g.gic.spi(9).set(true);
    for (int i = 0; i < 2; ++i, secure = !secure) {
        check_twins(g.gic, other.gic, g.gic.distributor(), other.gic.distributor(), 0x1000);
        check_twins(g.gic, other.gic, g.gic.redistributors(), other.gic.redistributors(), 0x40000);
        check_twins(v2, v2_other, v2.distributor(), v2_other.distributor(), 0x1000);
        check_twins(v2, v2_other, v2.cpu_interface(), v2_other.cpu_interface(), 0x1000, 10);
    }
    g.gic.reset();
    g.dist_write(0, 7);
    g.dist_write(0x84, 0);
    g.dist_write(0xd04, 1 << 9); // SPI 9
    g.dist_write(0x104, 1 << 9);
    g.dist_write(0xe08, 0x1234);
    const Gicv3::Accessor el3{.secure = true, .el3 = true, .secure_bank = true};
    const auto write = [&](u32 encoding, u64 value) {
        REQUIRE(g.gic.write_register(0, encoding, value, el3));
    };
    write(ICC_PMR_EL1, 0xff);
    write(ICC_IGRPEN1_EL3, 2);
    write(ICC_BPR1_EL1, 5);
    write(ICC_CTLR_EL3, 0x1d);
    CHECK(g.lines[0]->secure.on);
    CHECK(load_state(other.gic, saved_state(g.gic)) == "");
    CHECK(other.lines[0]->secure.on);
    CHECK(other.dist_read(0xe08) == 0x1234);
    for (const u32 encoding : {ICC_BPR1_EL1, ICC_CTLR_EL3, ICC_IGRPEN1_EL3, ICC_IAR1_EL1}) {
        u64 value = 0, of_other = 0;
        REQUIRE(g.gic.read_register(0, encoding, value, el3));
        REQUIRE(other.gic.read_register(0, encoding, of_other, el3));
        CHECK(value == of_other);
    }
}

TEST_CASE("an ITS and its LPIs are back", "[state][gicv3]") {
    constexpr PhysAddr kRam = 0x4000'0000;
    PhysicalMemory memory;
    std::string why_not;
    u8* const ram = memory.add_ram(kRam, 0x10'0000, why_not);
    std::memset(ram + 0x3'0000, 0xa1, 0xe000);
    GicUnderTest g(2), other(2);
    Gicv3Its its{g.gic, memory}, other_its{other.gic, memory};
    g.enable_all();
    g.gic.redistributors().write(0x70, 8, (kRam + 0x3'0000) | 15);
    g.gic.redistributors().write(0x78, 8, (kRam + 0x4'0000) | u64{1} << 62);
    g.redist_write(0, 0, 1);
    g.gic.set_lpi(0, 8200, true);
    g.gic.set_lpi(0, 9000, true);
    its.write(0x80, 8, u64{1} << 63 | kRam | 3);
    its.write(0, 4, 1);
    std::memset(ram + 0x3'0000, 0, 0xe000); // disabled, but nobody has told the ITS
    CHECK(load_state(other.gic, saved_state(g.gic)) == "");
    CHECK(load_state(other_its, saved_state(its)) == "");
    CHECK(other_its.read(0x80, 8) == its.read(0x80, 8));
    CHECK(other_its.read(0, 4) == 1);
    CHECK(other.ack() == 8200);
    other.end(8200);
    CHECK(other.ack() == 9000);
    other.end(9000);
    CHECK_FALSE(other.irq());
    check_twins(its, other_its, 0x10000);
    check_bent(other_its, other_its, 0x10000);
    check_bent(other.gic, saved_state(g.gic), [&] { other.end(other.ack()); });
}

} // namespace
} // namespace ulna::devices

namespace ulna::system {
namespace {

struct CpuState {
    Cpu& cpu;
    void visit_state(devices::StateVisitor& visit) { system::visit_state(cpu, visit); }
};

TEST_CASE("a CPU is what it was", "[state][sysregs]") {
    using enum SysReg;
    CpuFixture f{3, true, true}, g{3, true, true};
    std::mt19937_64 random{test::seed(3)};
    for (const SysRegRow& row : system_registers()) {
        if ((row.access & 0x80) != 0 && row.behaviour != Behaviour::SpSel) {
            f.write(*find_register(row.encoding), random());
        }
    }
    f.write(SCTLR_EL3, 0x30c5'0830);
    for (u64& x : f.state->x) {
        x = random();
    }
    for (V128& v : f.state->v) {
        v = {random(), random()};
    }
    f.state->nzcv = 10;
    f.state->sp = random();
    f.enter(1, false);
    f.cpu.pstate.pan = f.cpu.pstate.ss = true;
    f.cpu.event = true;
    f.state->excl_bytes = g.state->excl_bytes = 8;
    CpuState state{f.cpu}, other{g.cpu};
    CHECK(devices::load_state(other, devices::saved_state(state)) == "");
    CHECK(devices::saved_state(other) == devices::saved_state(state));
    for (const SysRegRow& row : system_registers()) {
        const SysReg reg = *find_register(row.encoding);
        if ((row.access & 0xf) != 0 && row.behaviour != Behaviour::Random) {
            INFO(row.name);
            CHECK(read_register(g.cpu, reg) == read_register(f.cpu, reg));
        }
    }
    CHECK(std::ranges::equal(g.state->x, f.state->x));
    CHECK(std::ranges::equal(g.state->v, f.state->v));
    CHECK((g.state->sp == f.state->sp && g.state->nzcv == 10 && g.state->pc == f.state->pc));
    CHECK((g.cpu.pstate.el == 1 && !g.cpu.pstate.sp_sel && g.cpu.pstate.pan && g.cpu.pstate.ss));
    CHECK((g.cpu.event && g.state->excl_bytes == 0));
    CHECK(g.state->mode_bits == f.state->mode_bits);
    CHECK(std::ranges::equal(g.cpu.sp_bank, f.cpu.sp_bank));
    devices::check_bent(
        other, devices::saved_state(state),
        [&] {
            take_exception(g.cpu, svc(1, g.state->pc));
            exception_return(g.cpu);
            static_cast<void>(take_pending_interrupt(g.cpu));
            update_translated_state(g.cpu);
        },
        2000);
}

TEST_CASE("a CPU does not become another one", "[state][sysregs]") {
    CpuFixture f{1}, g{1}, h{2};
    g.become("cortex-a53");
    CpuState state{f.cpu}, small{g.cpu}, other{h.cpu};
    const std::string why_not = devices::load_state(small, devices::saved_state(state));
    CHECK(why_not == "MIDR_EL1 with bits that do not exist");
    CHECK(devices::load_state(state, devices::saved_state(other)) ==
          "an exception level that does not exist");
}

} // namespace
} // namespace ulna::system
