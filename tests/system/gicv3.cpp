#include "tests/support/seed.h"
#include "tests/system/gicv3_fixture.h"

#include <random>

namespace ulna::devices {
namespace {

using namespace gicv3;

TEST_CASE("a level stays pending until its device is served", "[gicv3]") {
    GicUnderTest g(1);
    g.enable_all();
    CHECK_FALSE(g.irq());
    CHECK(g.ack() == kSpurious);
    g.gic.spi(1).set(true);
    CHECK(g.irq());
    CHECK_FALSE(g.fiq());
    CHECK(g.dist_read(0x204) == 2);
    CHECK(g.get(0, ICC_HPPIR1_EL1) == 33);
    CHECK(g.ack() == 33);
    CHECK(g.dist_read(0x304) == 2); // active, and still pending
    CHECK(g.dist_read(0x204) == 2);
    CHECK_FALSE(g.irq());
    CHECK(g.ack() == kSpurious);
    g.end(33);
    CHECK(g.irq()); // again
    CHECK(g.ack() == 33);
    g.gic.spi(1).set(false);
    g.end(33);
    CHECK_FALSE(g.irq());
    CHECK(g.dist_read(0x204) == 0);
    CHECK(g.dist_read(0x304) == 0);
}

TEST_CASE("a level that goes before it is acknowledged is forgotten, an edge is not", "[gicv3]") {
    GicUnderTest g(1);
    g.enable_all();
    g.gic.spi(1).set(true);
    g.gic.spi(1).set(false);
    CHECK_FALSE(g.irq());
    g.dist_write(0xc08, 2 << 2); // INTID 33: edge
    CHECK(g.dist_read(0xc08) == 2 << 2);
    g.gic.spi(1).set(true);
    g.gic.spi(1).set(false);
    CHECK(g.irq());
    CHECK(g.ack() == 33);
    g.gic.spi(1).set(true); // while active: pending after it
    CHECK_FALSE(g.irq());
    g.end(33);
    CHECK(g.ack() == 33);
    g.end(33);
    CHECK_FALSE(g.irq()); // the line is still high, but there was no new edge
}

TEST_CASE("pending state can be written", "[gicv3]") {
    GicUnderTest g(1);
    g.enable_all();
    g.dist_write(0x204, 1 << 5);
    CHECK(g.ack() == 37);
    g.end(37);
    CHECK_FALSE(g.irq());
    g.dist_write(0x204, 1 << 5);
    g.dist_write(0x284, 1 << 5);
    CHECK_FALSE(g.irq());
    g.gic.spi(5).set(true);
    g.dist_write(0x284, 1 << 5); // a level cannot be cleared
    CHECK(g.irq());
    g.dist_write(0x304, 1 << 5); // active by a write
    CHECK_FALSE(g.irq());
    g.dist_write(0x384, 1 << 5);
    CHECK(g.irq());
    g.dist_write(0x184, 1 << 5);
    CHECK_FALSE(g.irq());
    CHECK(g.dist_read(0x104) == ~(1u << 5));
    CHECK(g.dist_read(0x204) == 1 << 5);
}

TEST_CASE("the most urgent interrupt comes first and preempts", "[gicv3]") {
    GicUnderTest g(1);
    g.enable_all();
    g.set_priority(40, 0x80);
    g.set_priority(41, 0x40);
    g.set_priority(42, 0x47); // as 0x40: the lower three bits do not exist
    g.gic.spi(8).set(true);
    CHECK(g.ack() == 40);
    CHECK(g.get(0, ICC_RPR_EL1) == 0x80);
    g.gic.spi(0).set(true); // 0xa0: not urgent enough
    CHECK_FALSE(g.irq());
    CHECK(g.get(0, ICC_HPPIR1_EL1) == 32);
    g.gic.spi(10).set(true);
    CHECK(g.irq());
    g.gic.spi(9).set(true);
    CHECK(g.ack() == 41);
    CHECK(g.get(0, ICC_RPR_EL1) == 0x40);
    CHECK(g.get(0, ICC_AP1R0_EL1) == (1u << 8 | 1u << 16));
    CHECK_FALSE(g.irq()); // the same priority does not preempt
    g.gic.spi(9).set(false);
    g.end(41);
    CHECK(g.get(0, ICC_RPR_EL1) == 0x80);
    CHECK(g.ack() == 42);
    g.gic.spi(10).set(false);
    g.end(42);
    g.gic.spi(8).set(false);
    g.end(40);
    CHECK(g.get(0, ICC_RPR_EL1) == 0xff);
    CHECK(g.ack() == 32);
    CHECK(g.dist_read(0x428) == 0xa040'4080);
}

TEST_CASE("the priority mask hides what is not more urgent", "[gicv3]") {
    GicUnderTest g(1);
    g.enable_all();
    g.gic.spi(0).set(true);
    g.set(0, ICC_PMR_EL1, 0xa0);
    CHECK_FALSE(g.irq());
    CHECK(g.ack() == kSpurious);
    CHECK(g.get(0, ICC_HPPIR1_EL1) == 32); // the mask does not count here
    g.set(0, ICC_PMR_EL1, 0xaf);
    CHECK(g.get(0, ICC_PMR_EL1) == 0xa8);
    CHECK(g.irq());
    g.set_priority(32, 0xc0);
    CHECK_FALSE(g.irq());
    g.set_priority(32, 0x10);
    CHECK(g.ack() == 32);
}

TEST_CASE("the binary point says which priorities preempt", "[gicv3]") {
    GicUnderTest g(1);
    g.enable_all();
    CHECK(g.get(0, ICC_BPR0_EL1) == 2);
    CHECK(g.get(0, ICC_BPR1_EL1) == 3);
    g.set(0, ICC_BPR1_EL1, 0);
    CHECK(g.get(0, ICC_BPR1_EL1) == 3);
    g.set(0, ICC_BPR1_EL1, 6); // groups of 64 priorities
    g.set_priority(40, 0x78);
    g.set_priority(41, 0x48);
    g.set_priority(42, 0x38);
    g.gic.spi(8).set(true);
    CHECK(g.ack() == 40);
    CHECK(g.get(0, ICC_RPR_EL1) == 0x40); // the group priority
    g.gic.spi(9).set(true);
    CHECK_FALSE(g.irq());
    g.gic.spi(10).set(true);
    CHECK(g.ack() == 42);
    g.set(0, ICC_BPR0_EL1, 4);
    g.set(0, ICC_CTLR_EL1, 1); // CBPR
    CHECK(g.get(0, ICC_BPR1_EL1) == 5);
    g.set(0, ICC_BPR1_EL1, 7);
    CHECK(g.get(0, ICC_BPR1_EL1) == 5);
    g.set(0, ICC_BPR0_EL1, 7); // nothing preempts
    g.set_priority(43, 0);
    g.gic.spi(11).set(true);
    CHECK_FALSE(g.irq());
}

TEST_CASE("EOImode 1 drops the priority first and deactivates later", "[gicv3]") {
    GicUnderTest g(1);
    g.enable_all();
    g.set(0, ICC_DIR_EL1, 32); // ignored in mode 0
    g.set(0, ICC_CTLR_EL1, 2);
    CHECK((g.get(0, ICC_CTLR_EL1) & 3) == 2);
    CHECK((g.get(0, ICC_CTLR_EL1) >> 8 & 7) == 4);
    g.gic.spi(0).set(true);
    CHECK(g.ack() == 32);
    g.end(32);
    CHECK(g.get(0, ICC_RPR_EL1) == 0xff);
    CHECK_FALSE(g.irq()); // active
    g.gic.spi(1).set(true);
    CHECK(g.ack() == 33); // others go on
    g.end(33);
    g.set(0, ICC_DIR_EL1, 32);
    CHECK(g.ack() == 32);
    CHECK(g.dist_read(0x304) == 3);
}

TEST_CASE("ends that fit nothing change nothing", "[gicv3]") {
    GicUnderTest g(1);
    g.enable_all();
    g.gic.spi(0).set(true);
    CHECK(g.ack() == 32);
    g.end(kSpurious);
    g.end(1020);
    g.set(0, ICC_EOIR0_EL1, 32); // of the other group
    CHECK(g.get(0, ICC_RPR_EL1) == 0xa0);
    CHECK(g.dist_read(0x304) == 1);
    g.end(0xff'ffff); // drops the priority of one that does not exist
    CHECK(g.get(0, ICC_RPR_EL1) == 0xff);
    g.end(32); // no priority is active any more
    CHECK(g.dist_read(0x304) == 1);
}

TEST_CASE("group 0 is FIQ and group 1 is IRQ", "[gicv3]") {
    GicUnderTest g(1);
    g.enable_all();
    g.dist_write(0x84, ~1u); // INTID 32: group 0
    g.gic.spi(0).set(true);
    g.gic.spi(1).set(true);
    CHECK(g.fiq());
    CHECK_FALSE(g.irq()); // one at a time: the most urgent
    CHECK(g.ack() == kSpurious);
    CHECK(g.get(0, ICC_HPPIR1_EL1) == kSpurious);
    CHECK(g.get(0, ICC_HPPIR0_EL1) == 32);
    CHECK(g.get(0, ICC_IAR0_EL1) == 32);
    CHECK(g.get(0, ICC_AP0R0_EL1) == 1u << 20);
    CHECK_FALSE(g.fiq());
    g.gic.spi(0).set(false);
    g.set(0, ICC_EOIR0_EL1, 32);
    CHECK(g.irq());
    CHECK(g.ack() == 33);
}

TEST_CASE("interrupts of disabled groups wait, and do not hide others", "[gicv3]") {
    GicUnderTest g(1);
    g.enable_all();
    g.dist_write(0x84, ~1u);
    g.set_priority(32, 0x10);
    g.gic.spi(0).set(true);
    g.gic.spi(1).set(true);
    g.set(0, ICC_IGRPEN0_EL1, 0);
    CHECK(g.irq());
    CHECK_FALSE(g.fiq());
    g.dist_write(0, 1); // EnableGrp0 alone
    CHECK_FALSE(g.irq());
    g.set(0, ICC_IGRPEN0_EL1, 1);
    CHECK(g.fiq());
    CHECK(g.dist_read(0) == 0x51); // ARE and DS are fixed
    g.dist_write(0, 0);
    CHECK_FALSE(g.fiq());
}

TEST_CASE("SGIs go to the CPUs that they list", "[gicv3]") {
    GicUnderTest g(20);
    g.enable_all();
    g.set(0, ICC_SGI1R_EL1, u64{5} << 24 | 0b1010);
    for (unsigned cpu = 0; cpu < 20; ++cpu) {
        INFO(cpu);
        CHECK(g.irq(cpu) == (cpu == 1 || cpu == 3));
    }
    CHECK(g.ack(1) == 5);
    g.end(5, 1);
    CHECK_FALSE(g.irq(1));
    CHECK(g.irq(3));
    CHECK(g.redist_read(3, 0x10200) == 1 << 5);
    CHECK(g.ack(3) == 5);
    g.end(5, 3);

    g.set(0, ICC_SGI1R_EL1, u64{2} << 24 | u64{1} << 16 | 0b1001); // Aff1 = 1
    CHECK(g.irq(16));
    CHECK(g.irq(19));
    CHECK_FALSE(g.irq(0));
    CHECK(g.ack(16) == 2);
    CHECK(g.ack(19) == 2);
    g.set(0, ICC_SGI1R_EL1, u64{2} << 24 | u64{7} << 16 | 1); // nobody's affinity
    g.set(0, ICC_SGI1R_EL1, u64{2} << 24 | u64{1} << 44 | 1); // Aff0 16: nor is this
    g.set(0, ICC_SGI0R_EL1, u64{9} << 24 | 0xffff);           // not in group 0 anywhere
    g.set(0, ICC_ASGI1R_EL1, u64{9} << 24 | 0xffff);

    g.set(2, ICC_SGI1R_EL1, u64{15} << 24 | u64{1} << 40); // all but the sender
    for (unsigned cpu = 0; cpu < 20; ++cpu) {
        INFO(cpu);
        CHECK(g.irq(cpu) == (cpu != 2 && cpu != 16 && cpu != 19));
        CHECK(g.redist_read(cpu, 0x10200) == (cpu != 2 ? 1u << 15 : 0));
    }
    g.redist_write(5, 0x10080, 0);
    g.set(5, ICC_SGI0R_EL1, u64{1} << 24 | 1 << 5);
    CHECK(g.get(5, ICC_IAR0_EL1) == 1);
}

TEST_CASE("an SGI to itself preempts at once", "[gicv3]") {
    GicUnderTest g(2);
    g.enable_all();
    g.set_priority(3, 0x20, 1);
    g.set(1, ICC_SGI1R_EL1, u64{1} << 24 | 2);
    CHECK(g.ack(1) == 1);
    g.set(1, ICC_SGI1R_EL1, u64{3} << 24 | 2);
    CHECK(g.ack(1) == 3);
    g.end(3, 1);
    CHECK(g.get(1, ICC_RPR_EL1) == 0xa0);
    g.end(1, 1);
}

TEST_CASE("each CPU has its own PPIs", "[gicv3]") {
    GicUnderTest g(3);
    g.enable_all();
    g.gic.ppi(1, 27).set(true);
    CHECK_FALSE(g.irq(0));
    CHECK(g.irq(1));
    CHECK(g.ack(1) == 27);
    g.gic.ppi(1, 27).set(false);
    g.end(27, 1);
    CHECK_FALSE(g.irq(1));
    g.redist_write(2, 0x10180, 1 << 27);
    g.gic.ppi(2, 27).set(true);
    CHECK_FALSE(g.irq(2));
    CHECK(g.redist_read(2, 0x10100) == ~(1u << 27));
    CHECK(g.redist_read(2, 0x10c00) == 0xaaaa'aaaa);
    g.redist_write(2, 0x10c00, 0);
    CHECK(g.redist_read(2, 0x10c00) == 0xaaaa'aaaa);
    g.redist_write(2, 0x10c04, 2);
    CHECK(g.redist_read(2, 0x10c04) == 2);
}

TEST_CASE("SPIs go where GICD_IROUTER says", "[gicv3]") {
    GicUnderTest g(18);
    g.enable_all();
    g.gic.spi(4).set(true);
    CHECK(g.irq(0));
    g.gic.distributor().write(0x6000 + 8 * 36, 8, 0x101); // Aff1 1, Aff0 1: CPU 17
    CHECK_FALSE(g.irq(0));
    CHECK(g.irq(17));
    CHECK(g.gic.distributor().read(0x6000 + 8 * 36, 8) == 0x101);
    CHECK(g.ack(17) == 36);
    g.gic.distributor().write(0x6000 + 8 * 36, 8, 3); // while active
    g.end(36, 17);
    CHECK(g.irq(3));
    g.dist_write(0x6000 + 8 * 36, 0x99); // nobody
    for (unsigned cpu = 0; cpu < 18; ++cpu) {
        CHECK_FALSE(g.irq(cpu));
    }
    CHECK(g.dist_read(0x204) == 1 << 4);
    g.gic.distributor().write(0x6000 + 8 * 36, 8, ~u64{0});
    CHECK(g.gic.distributor().read(0x6000 + 8 * 36, 8) == 0xff'80ff'ffff);
    g.dist_write(0x6000 + 8 * 5, 1); // not an SPI
    CHECK(g.dist_read(0x6000 + 8 * 5) == 0);
}

TEST_CASE("an SPI for any CPU goes to the first that takes its group", "[gicv3]") {
    GicUnderTest g(3);
    g.enable_all();
    g.gic.distributor().write(0x6000 + 8 * 36, 8, u64{1} << 31);
    g.gic.spi(4).set(true);
    CHECK(g.irq(0));
    g.set(0, ICC_IGRPEN1_EL1, 0);
    CHECK(g.irq(1));
    g.redist_write(1, 0x14, 2); // asleep
    CHECK(g.redist_read(1, 0x14) == 6);
    CHECK_FALSE(g.irq(1));
    CHECK(g.irq(2));
    g.dist_write(0x84, ~(1u << 4)); // group 0, which CPU 0 takes
    CHECK(g.fiq(0));
    CHECK_FALSE(g.irq(2));
}

TEST_CASE("redistributors say where they are", "[gicv3]") {
    GicUnderTest g(18);
    for (unsigned cpu = 0; cpu < 18; ++cpu) {
        const u64 typer = g.gic.redistributors().read(cpu * 0x20000 + 8, 8);
        CHECK(typer >> 32 == gicv3_affinity(cpu));
        CHECK((typer >> 8 & 0xffff) == cpu);
        CHECK((typer >> 4 & 1) == (cpu == 17));
        CHECK(g.redist_read(cpu, 0xffe8) == 0x3b);
        CHECK(g.redist_read(cpu, 0x1ffe8) == 0x3b);
    }
    CHECK(g.dist_read(0xffe8) == 0x3b);
    CHECK(g.dist_read(4) == 0x0178'0009);
    CHECK(g.redist_read(0, 0x14) == 6);
    g.gic.redistributors().write(0x70, 8, ~u64{0});
    CHECK(g.gic.redistributors().read(0x70, 8) == 0x070f'ffff'ffff'ff9f);
}

TEST_CASE("a reset forgets all but what devices drive", "[gicv3]") {
    GicUnderTest g(2);
    g.enable_all();
    g.gic.spi(2).set(true);
    CHECK(g.ack() == 34);
    g.gic.reset();
    CHECK_FALSE(g.irq());
    CHECK(g.get(0, ICC_RPR_EL1) == 0xff);
    CHECK(g.dist_read(0x104) == 0);
    g.enable_all();
    CHECK(g.ack() == 34);
}

TEST_CASE("registers that do not exist are UNDEFINED", "[gicv3]") {
    GicUnderTest g(1);
    u64 value;
    CHECK_FALSE(g.gic.read_register(0, ICC_EOIR1_EL1, value));
    CHECK_FALSE(g.gic.write_register(0, ICC_IAR1_EL1, 0));
    CHECK_FALSE(g.gic.write_register(0, ICC_RPR_EL1, 0));
    CHECK_FALSE(g.gic.read_register(0, ICC_AP0R0_EL1 + 1, value));
    CHECK_FALSE(g.gic.read_register(0, system_register(3, 0, 1, 0, 0), value));
    CHECK(g.get(0, ICC_SRE_EL1) == 7);
    CHECK(g.get(0, ICC_SRE_EL2) == 15);
}

// What is always true, whatever a guest does: an output is asserted exactly when an acknowledgement
// would return an interrupt.
TEST_CASE("random accesses do no harm", "[gicv3]") {
    std::mt19937_64 random(test::seed(20261125));
    for (int round = 0; round < 20; ++round) {
        GicUnderTest g(3, 64);
        if (round % 2 == 0) {
            g.enable_all();
        }
        for (int i = 0; i < 5000; ++i) {
            const unsigned bytes = 1u << random() % 4;
            const unsigned cpu = random() % 3;
            const u64 near = random() % 4 == 0 ? ~u64{0} : 0xfff;
            const u64 at = random() & near & ~u64{bytes - 1};
            const u64 value = random() & random();
            u64 got;
            switch (random() % 8) {
            case 0:
                g.gic.distributor().write(at % 0x10000, bytes, value);
                break;
            case 1:
                (void)g.gic.distributor().read(at % 0x10000, bytes);
                break;
            case 2:
                g.gic.redistributors().write((cpu * 0x20000 + (random() % 2 << 16) + at) % 0x80000,
                                             bytes, value);
                break;
            case 3:
                (void)g.gic.redistributors().read(at % 0x80000, bytes);
                break;
            case 4: // ICC_*, ICH_*
                (void)g.gic.write_register(cpu, 0xc600 | (random() & 0x207f), value);
                break;
            case 5:
                (void)g.gic.read_register(cpu, 0xc600 | (random() & 0x207f), got);
                break;
            case 6:
                if (random() % 2 == 0) {
                    (void)g.gic.read_virtual_register(cpu, 0xc600 | (random() & 0x7f), got);
                } else {
                    (void)g.gic.write_virtual_register(cpu, 0xc600 | (random() & 0x7f), value);
                }
                break;
            default:
                if (random() % 2 == 0) {
                    g.gic.spi(random() % 64).set(random() % 2);
                } else {
                    g.gic.ppi(cpu, 16 + random() % 16).set(random() % 2);
                }
            }
        }
        for (unsigned cpu = 0; cpu < 3; ++cpu) {
            const bool fiq = g.fiq(cpu), irq = g.irq(cpu);
            CHECK_FALSE((fiq && irq));
            CHECK((g.get(cpu, ICC_IAR0_EL1) != kSpurious) == fiq);
            if (!fiq) {
                CHECK((g.get(cpu, ICC_IAR1_EL1) != kSpurious) == irq);
            }
            const bool vfiq = g.vfiq(cpu), virq = g.virq(cpu);
            CHECK_FALSE((vfiq && virq));
        }
    }
}

} // namespace
} // namespace ulna::devices
