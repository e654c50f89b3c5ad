#include "runtime/devices/gicv2.h"
#include "runtime/devices/gicv2m.h"

#include <random>

#include "tests/system/seen_line.h"

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace ulna::devices {
namespace {

constexpr u32 kNothing = 1023, kOtherGroup = 1022;
constexpr u64 kCtlr = 0, kPmr = 4, kBpr = 8, kIar = 0xc, kEoir = 0x10, kRpr = 0x14, kHppir = 0x18,
              kAbpr = 0x1c, kAiar = 0x20, kAeoir = 0x24, kAhppir = 0x28, kDir = 0x1000;

struct Gic {
    explicit Gic(unsigned cpus) : lines(cpus), gic(cpus, 288, [this] { return current; }) {
        for (unsigned n = 0; n < cpus; ++n) {
            gic.connect(n, {&lines[n].irq, &lines[n].fiq});
        }
    }
    // As an operating system has it: all in group 0, which is IRQ, priorities 0xa0.
    void enable_all() {
        dist(0, 3);
        for (unsigned i = 1; i < 10; ++i) {
            dist(0x100 + 4 * i, 0xffff'ffff);
        }
        for (unsigned i = 8; i < 80; ++i) {
            dist(0x400 + 4 * i, 0xa0a0'a0a0);
            dist(0x800 + 4 * i, 0x0101'0101);
        }
        for (current = 0; current < lines.size(); ++current) {
            dist(0x100, 0xffff'ffff);
            for (unsigned i = 0; i < 8; ++i) {
                dist(0x400 + 4 * i, 0xa0a0'a0a0);
            }
            cpu(kPmr, 0xf8);
            cpu(kCtlr, 3);
        }
        current = 0;
    }
    u32 dist(u64 at) { return static_cast<u32>(gic.distributor().read(at, 4)); }
    void dist(u64 at, u32 value) { gic.distributor().write(at, 4, value); }
    u32 cpu(u64 at) { return static_cast<u32>(gic.cpu_interface().read(at, 4)); }
    void cpu(u64 at, u32 value) { gic.cpu_interface().write(at, 4, value); }
    bool irq(unsigned n = 0) const { return lines[n].irq.on; }
    bool fiq(unsigned n = 0) const { return lines[n].fiq.on; }

    struct Lines {
        SeenLine irq, fiq;
    };
    unsigned current = 0;
    std::vector<Lines> lines;
    Gicv2 gic;
};

TEST_CASE("GICv2: a level stays pending until its device is served", "[gicv2]") {
    Gic g(2);
    g.enable_all();
    CHECK(g.dist(4) == (9 | 1 << 5));
    CHECK(g.dist(0xfe8) == 0x2b);
    CHECK(g.cpu(kIar) == kNothing);
    g.gic.spi(3).set(true);
    CHECK(g.irq());
    CHECK_FALSE(g.irq(1));
    CHECK(g.cpu(kHppir) == 35);
    CHECK(g.cpu(kIar) == 35);
    CHECK(g.cpu(kRpr) == 0xa0);
    CHECK_FALSE(g.irq());
    CHECK(g.dist(0x304) == 8);
    g.cpu(kEoir, 35);
    CHECK(g.irq());
    CHECK(g.cpu(kIar) == 35);
    g.gic.spi(3).set(false);
    g.cpu(kEoir, 35);
    CHECK_FALSE(g.irq());
    CHECK(g.cpu(kRpr) == 0xff);
}

TEST_CASE("GICv2: priorities preempt", "[gicv2]") {
    Gic g(1);
    g.enable_all();
    g.gic.distributor().write(0x400 + 40, 1, 0x40);
    CHECK(g.gic.distributor().read(0x400 + 40, 1) == 0x40);
    g.gic.spi(0).set(true);
    CHECK(g.cpu(kIar) == 32);
    g.gic.spi(1).set(true);
    CHECK_FALSE(g.irq());
    g.gic.spi(8).set(true);
    CHECK(g.cpu(kIar) == 40);
    g.gic.spi(8).set(false);
    g.cpu(kEoir, 40);
    CHECK(g.cpu(kRpr) == 0xa0);
    g.gic.spi(0).set(false);
    g.cpu(kEoir, 32);
    g.cpu(kPmr, 0xa0);
    CHECK_FALSE(g.irq());
    g.cpu(kPmr, 0xff);
    CHECK(g.cpu(kPmr) == 0xf8);
    CHECK(g.cpu(kIar) == 33);
    CHECK(g.dist(0x820) == 0); // a single CPU has no targets
}

TEST_CASE("GICv2: SGIs are pending from each CPU apart", "[gicv2]") {
    Gic g(4);
    g.enable_all();
    g.current = 1;
    g.dist(0xf00, 1 << 16 | 5); // to CPU 0
    g.current = 2;
    g.dist(0xf00, 1 << 24 | 5); // to all others
    CHECK(g.irq(0));
    CHECK(g.irq(1));
    CHECK_FALSE(g.irq(2));
    CHECK(g.irq(3));
    g.current = 3;
    CHECK(g.cpu(kIar) == (2 << 10 | 5));
    g.cpu(kEoir, 2 << 10 | 5);
    CHECK_FALSE(g.irq(3));
    g.current = 0;
    CHECK(g.dist(0xf24) == 0x0600);
    CHECK(g.cpu(kHppir) == (1 << 10 | 5));
    CHECK(g.cpu(kIar) == (1 << 10 | 5));
    CHECK(g.dist(0x200) == 1 << 5);
    CHECK_FALSE(g.irq());
    g.cpu(kEoir, 1 << 10 | 5);
    CHECK(g.irq());
    CHECK(g.cpu(kIar) == (2 << 10 | 5));
    g.cpu(kEoir, 2 << 10 | 5);
    CHECK_FALSE(g.irq());
    g.dist(0xf00, 2 << 24 | 7); // to itself
    CHECK(g.irq());
    g.dist(0xf14, 1 << 24); // SGI 7 from CPU 0 no longer
    CHECK_FALSE(g.irq());
    g.gic.distributor().write(0xf27, 1, 0xff);
    CHECK(g.gic.distributor().read(0xf17, 1) == 0xf);
    CHECK(g.cpu(kIar) == 7);
    g.dist(0x200, 0xffff); // read-only for SGIs
    CHECK(g.dist(0x200) == 1 << 7);
    g.dist(0xf00, 3 << 24 | 0xff0003); // reserved: to nobody
    CHECK(g.dist(0x200) == 1 << 7);
}

TEST_CASE("GICv2: an SPI for several CPUs is the first one's that asks", "[gicv2]") {
    Gic g(3);
    g.enable_all();
    g.gic.distributor().write(0x800 + 36, 1, 0xfe);
    CHECK(g.gic.distributor().read(0x800 + 36, 1) == 6); // there are three
    g.gic.spi(4).set(true);
    CHECK_FALSE(g.irq(0));
    CHECK(g.irq(1));
    CHECK(g.irq(2));
    g.current = 2;
    CHECK(g.cpu(kIar) == 36);
    CHECK_FALSE(g.irq(1));
    g.current = 1;
    CHECK(g.cpu(kIar) == kNothing);
    g.current = 2;
    g.cpu(kEoir, 36);
    CHECK(g.irq(1));
    CHECK(g.gic.distributor().read(0x800, 1) == 4); // SGIs: itself
    g.gic.distributor().write(0x800, 1, 1);
    CHECK(g.gic.distributor().read(0x800, 1) == 4);
}

TEST_CASE("GICv2: each CPU has its own PPIs", "[gicv2]") {
    Gic g(2);
    g.enable_all();
    g.gic.ppi(1, 30).set(true);
    CHECK_FALSE(g.irq(0));
    CHECK(g.irq(1));
    CHECK(g.dist(0x200) == 0);
    g.current = 1;
    CHECK(g.dist(0x200) == 1 << 30);
    g.dist(0x180, 1 << 30);
    CHECK_FALSE(g.irq(1));
    g.current = 0;
    CHECK(g.dist(0x100) == 0xffff'ffff);
    g.dist(0xc00, 0);
    CHECK(g.dist(0xc00) == 0xaaaa'aaaa);
}

TEST_CASE("GICv2: groups", "[gicv2]") {
    Gic g(1);
    g.enable_all();
    g.dist(0x84, 2); // INTID 33: group 1
    g.gic.spi(1).set(true);
    CHECK(g.irq());
    CHECK(g.cpu(kIar) == kOtherGroup);
    CHECK(g.cpu(kHppir) == kOtherGroup);
    CHECK(g.cpu(kAhppir) == 33);
    CHECK(g.cpu(kAiar) == 33);
    g.cpu(kEoir, 33); // of the other group
    CHECK(g.cpu(kRpr) == 0xa0);
    g.cpu(kAeoir, 33);
    CHECK(g.cpu(kRpr) == 0xff);
    g.cpu(kCtlr, 7); // AckCtl
    CHECK(g.cpu(kIar) == 33);
    g.gic.spi(1).set(false);
    g.cpu(kEoir, 33);
    CHECK_FALSE(g.irq());
    g.gic.spi(0).set(true);
    CHECK(g.irq());
    CHECK(g.cpu(kAiar) == kNothing);
    g.cpu(kCtlr, 0xb); // FIQEn
    CHECK_FALSE(g.irq());
    CHECK(g.fiq());
    g.cpu(kCtlr, 0xa);
    CHECK_FALSE(g.fiq());
    CHECK(g.cpu(kCtlr) == 0xa);
    g.cpu(kCtlr, 3);
    g.dist(0, 2);
    CHECK_FALSE(g.irq());
}

TEST_CASE("GICv2: EOImode 1 and binary points", "[gicv2]") {
    Gic g(1);
    g.enable_all();
    g.cpu(kDir, 32);
    g.cpu(kCtlr, 0x203);
    g.gic.spi(0).set(true);
    CHECK(g.cpu(kIar) == 32);
    g.cpu(kEoir, 32);
    CHECK(g.cpu(kRpr) == 0xff);
    CHECK_FALSE(g.irq());
    g.cpu(kDir, 32);
    CHECK(g.irq());
    CHECK(g.cpu(kBpr) == 2);
    CHECK(g.cpu(kAbpr) == 3);
    g.cpu(kBpr, 6);
    CHECK(g.cpu(kIar) == 32);
    CHECK(g.cpu(kRpr) == 0x80);
    CHECK(g.cpu(0xd0) == 1 << 16);
    g.gic.distributor().write(0x400 + 40, 1, 0x80);
    g.gic.spi(8).set(true);
    CHECK_FALSE(g.irq());
    g.gic.distributor().write(0x400 + 40, 1, 0x78);
    CHECK(g.irq());
    g.gic.distributor().reset();
    CHECK_FALSE(g.irq());
    CHECK(g.cpu(kBpr) == 2);
}

// A hypervisor and its guest on CPU 0.
struct Guest : Gic {
    Guest() : Gic(2) {
        enable_all();
        gic.connect(0, {&lines[0].irq, &lines[0].fiq, &virq, &vfiq});
        hyp(0, 1);
        hyp(8, 0xf800'0003);
    }
    u32 hyp(u64 at) { return static_cast<u32>(gic.hypervisor_interface().read(at, 4)); }
    void hyp(u64 at, u32 value) { gic.hypervisor_interface().write(at, 4, value); }
    u32 virt(u64 at) { return static_cast<u32>(gic.virtual_interface().read(at, 4)); }
    void virt(u64 at, u32 value) { gic.virtual_interface().write(at, 4, value); }
    SeenLine virq, vfiq;
};

TEST_CASE("GICv2: a guest has a CPU interface of its own", "[gicv2]") {
    Guest g;
    CHECK(g.hyp(4) == 0x9000'0003);
    CHECK(g.hyp(0x30) == 0xf);
    g.hyp(0x104, 1u << 28 | 0x14u << 23 | 40); // group 0, priority 0xa0
    CHECK(g.virq.on);
    CHECK_FALSE(g.vfiq.on);
    CHECK(g.hyp(0x104) == (1u << 28 | 0x14u << 23 | 40));
    CHECK(g.hyp(0x30) == 0xd);
    CHECK(g.virt(kHppir) == 40);
    CHECK(g.virt(kIar) == 40);
    CHECK_FALSE(g.virq.on);
    CHECK(g.virt(kRpr) == 0xa0);
    CHECK(g.hyp(0xf0) == 1u << 20);
    CHECK(g.hyp(0x104) == (2u << 28 | 0x14u << 23 | 40));
    g.virt(kEoir, 40);
    CHECK(g.hyp(0x104) == (0x14u << 23 | 40));
    CHECK(g.virt(kRpr) == 0xff);
    CHECK(g.virt(kIar) == kNothing);
    // Another CPU has another guest.
    g.current = 1;
    CHECK(g.hyp(0x104) == 0);
}

TEST_CASE("GICv2: virtual SGIs have a sender", "[gicv2]") {
    Guest g;
    g.hyp(0x100, 1u << 28 | 3 << 10 | 5);
    g.hyp(0x104, 1u << 28 | 1 << 19 | 0x10u << 23 | 2 << 10 | 5); // wants to hear of its end
    CHECK(g.virt(kIar) == (3 << 10 | 5));
    g.virt(kEoir, 3 << 10 | 5);
    CHECK(g.virt(kIar) == (2 << 10 | 5));
    CHECK(g.hyp(0x10) == 0);
    g.virt(kEoir, 2 << 10 | 5);
    CHECK(g.hyp(0x10) == 1);
    CHECK(g.hyp(0x20) == 2);
    CHECK(g.dist(0x200) == 1u << virt::ppi::kGicMaintenance);
    CHECK(g.irq());
    g.hyp(0x104, 0);
    CHECK_FALSE(g.irq());
}

TEST_CASE("GICv2: what a guest ends is deactivated behind it", "[gicv2]") {
    Guest g;
    g.cpu(kCtlr, 0x203);
    g.gic.ppi(0, 27).set(true);
    CHECK(g.cpu(kIar) == 27);
    g.cpu(kEoir, 27);
    g.gic.ppi(0, 27).set(false);
    g.hyp(0x100, 1u << 31 | 1u << 28 | 27 << 10 | 27);
    CHECK(g.dist(0x300) == 1u << 27);
    g.virt(kCtlr, 0x203); // EOImode
    CHECK(g.hyp(8) == (0xf800'0203 | 3 << 18 | 2 << 21));
    CHECK(g.virt(kIar) == 27);
    g.virt(kEoir, 27);
    CHECK(g.dist(0x300) == 1u << 27);
    g.virt(kDir, 27);
    CHECK(g.dist(0x300) == 0);
    CHECK(g.hyp(0x100) == (1u << 31 | 27 << 10 | 27));
}

TEST_CASE("GICv2: groups of a guest", "[gicv2]") {
    Guest g;
    g.hyp(0x100, 1u << 30 | 1u << 28 | 50);
    CHECK(g.virq.on);
    CHECK(g.virt(kIar) == kOtherGroup);
    CHECK(g.virt(kAhppir) == 50);
    CHECK(g.virt(kAiar) == 50);
    g.virt(kAeoir, 50);
    g.hyp(0x100, 1u << 28 | 51);
    CHECK(g.virt(kAiar) == kNothing);
    g.virt(kCtlr, 0xb); // FIQEn
    CHECK(g.vfiq.on);
    CHECK_FALSE(g.virq.on);
    g.virt(kPmr, 0);
    CHECK_FALSE(g.vfiq.on);
    CHECK(g.hyp(8) >> 27 == 0);
    g.virt(kPmr, 0xff);
    g.hyp(0, 0);
    CHECK_FALSE(g.vfiq.on);
    CHECK(g.virt(kIar) == kNothing);
}

TEST_CASE("GICv2m turns writes into edges", "[gicv2]") {
    Gic g(1);
    g.enable_all();
    g.dist(0xc00 + 4 * 5, 2); // INTID 80: edge
    Gicv2m frame(80, {&g.gic.spi(48), &g.gic.spi(49)});
    CHECK(frame.read(8, 4) == (80 << 16 | 2));
    frame.write(Gicv2m::kSetSpi, 4, 82);
    frame.write(Gicv2m::kSetSpi, 4, 79);
    CHECK_FALSE(g.irq());
    frame.write(Gicv2m::kSetSpi, 4, 80);
    CHECK(g.cpu(kIar) == 80);
    g.cpu(kEoir, 80);
    CHECK_FALSE(g.irq());
}

TEST_CASE("GICv2: random accesses do no harm", "[gicv2]") {
    std::mt19937_64 random(test::seed(48));
    for (int round = 0; round < 20; ++round) {
        Gic g(1 + random() % 8);
        if (round % 2 == 0) {
            g.enable_all();
        }
        for (int i = 0; i < 5000; ++i) {
            g.current = static_cast<unsigned>(random() % g.lines.size());
            const unsigned bytes = 1u << random() % 4;
            Device* const devices[] = {&g.gic.distributor(), &g.gic.cpu_interface(),
                                       &g.gic.hypervisor_interface(), &g.gic.virtual_interface()};
            Device& device = *devices[random() % 4];
            const u64 range = &device != devices[0] && random() % 8 != 0 ? 0x30 : 0x2000;
            const u64 at = random() % range & ~u64{bytes - 1};
            switch (random() % 3) {
            case 0:
                device.write(at, bytes, random() & random());
                break;
            case 1:
                (void)device.read(at, bytes);
                break;
            default:
                if (random() % 2 != 0) {
                    g.gic.spi(random() % 288).set(random() % 2);
                } else {
                    g.gic.ppi(g.current, 16 + random() % 16).set(random() % 2);
                }
            }
        }
        for (g.current = 0; g.current < g.lines.size(); ++g.current) {
            const bool irq = g.irq(g.current), fiq = g.fiq(g.current);
            CHECK_FALSE((irq && fiq));
            const auto is_interrupt = [](u64 told) { return (told & 0x3ff) < 1020; }; // no source
            const bool acknowledged = is_interrupt(g.cpu(kIar)) || is_interrupt(g.cpu(kAiar));
            CHECK(acknowledged == (irq || fiq));
        }
    }
}

} // namespace
} // namespace ulna::devices
