#include "runtime/devices/gicv3_its.h"

#include <random>

#include "tests/support/seed.h"
#include "tests/system/gicv3_fixture.h"

namespace ulna::devices {
namespace {

using namespace gicv3;

constexpr PhysAddr kRam = 0x4000'0000, kQueue = kRam, kDeviceTable = kRam + 0x1'0000,
                   kCollectionTable = kRam + 0x2'0000, kConfiguration = kRam + 0x3'0000,
                   kPending = kRam + 0x4'0000 /* 64 KiB for each CPU */, kEvents = kRam + 0x10'0000;
constexpr u64 kRamBytes = 0x20'0000;
constexpr u64 kValid = u64{1} << 63;
constexpr u64 kCtlr = 0, kCbaser = 0x80, kCwriter = 0x88, kCreadr = 0x90, kBaser = 0x100;

// Some registers and tables as Linux sets them up; LPIs have priority 0xa0 and are enabled.
struct ItsUnderTest : GicUnderTest {
    explicit ItsUnderTest(unsigned cpus = 3) : GicUnderTest(cpus) {
        std::string why_not;
        ram = memory.add_ram(kRam, kRamBytes, why_not);
        REQUIRE(ram != nullptr);
        its = std::make_unique<Gicv3Its>(gic, memory);
        enable_all();
        std::memset(ram + (kConfiguration - kRam), 0xa1, 0xe000);
        for (unsigned cpu = 0; cpu < cpus; ++cpu) {
            redist64(cpu, 0x70, kConfiguration | 15);
            redist64(cpu, 0x78, (kPending + cpu * 0x1'0000) | u64{1} << 62);
            redist_write(cpu, 0, 1);
        }
        its->write(kBaser, 8, kValid | kDeviceTable | 15);
        its->write(kBaser + 8, 8, kValid | kCollectionTable | 15);
        its->write(kCbaser, 8, kValid | kQueue | 3);
        its->write(kCtlr, 4, 1);
        for (unsigned cpu = 0; cpu < cpus; ++cpu) {
            command(9, 0, kValid | u64{cpu} << 16 | cpu); // MAPC: collection n is CPU n
        }
        command(8 | u64{7} << 32, 4, kValid | kEvents); // MAPD: device 7 has 32 events
    }
    void redist64(unsigned cpu, u64 at, u64 value) {
        gic.redistributors().write(cpu * 0x20000 + at, 8, value);
    }
    void command(u64 first, u64 second = 0, u64 third = 0, u64 fourth = 0) {
        const u64 words[] = {first, second, third, fourth};
        u64 at = its->read(kCwriter, 8);
        std::memcpy(ram + (kQueue - kRam) + at, words, sizeof words);
        at = (at + 32) % 0x4000;
        its->write(kCwriter, 8, at);
        CHECK(its->read(kCreadr, 8) == at);
    }
    void map(u32 event, u32 intid, u16 collection) { // MAPTI, device 7
        command(10 | u64{7} << 32, event | u64{intid} << 32, collection);
    }
    void on_event(u64 operation, u32 event, u64 third = 0) {
        command(operation | u64{7} << 32, event, third);
    }

    PhysicalMemory memory;
    u8* ram = nullptr;
    std::unique_ptr<Gicv3Its> its;
};

TEST_CASE("messages of devices become LPIs", "[its]") {
    ItsUnderTest t;
    CHECK((t.dist_read(4) & 1 << 17) != 0);
    CHECK((t.redist_read(1, 8) & 1) != 0);
    CHECK(t.its->read(kCtlr, 4) == 1);
    CHECK(t.its->read(0xffe8, 4) == 0x3b);
    CHECK((t.its->read(8, 8) & 1) == 1);
    CHECK((t.its->read(kBaser, 8) >> 56 & 7) == 1);
    CHECK((t.its->read(kBaser + 8, 8) >> 56 & 7) == 4);
    CHECK(t.its->read(kBaser + 16, 8) == 0);
    t.map(3, 8200, 1);
    t.its->send(7, 3);
    CHECK(t.irq(1));
    CHECK_FALSE(t.irq(0));
    CHECK(t.get(1, ICC_HPPIR1_EL1) == 8200);
    CHECK(t.ack(1) == 8200);
    CHECK(t.get(1, ICC_RPR_EL1) == 0xa0);
    CHECK_FALSE(t.irq(1));
    t.its->send(7, 3); // again while it runs: there is no active state, but it does not preempt
    CHECK_FALSE(t.irq(1));
    t.end(8200, 1);
    CHECK(t.ack(1) == 8200);
    t.end(8200, 1);
    CHECK_FALSE(t.irq(1));
    t.its->send(7, 4); // not mapped
    t.its->send(7, 32);
    t.its->send(8, 3);
    t.its->send(0xffff'ffff, 0xffff'ffff);
    CHECK_FALSE(t.irq(1));
}

TEST_CASE("LPIs are as urgent as their table says when it is read", "[its]") {
    ItsUnderTest t;
    t.map(0, 8192, 0);
    t.map(1, 8193, 0);
    t.ram[kConfiguration - kRam + 1] = 0x41;
    t.its->send(7, 0);
    t.its->send(7, 1);
    CHECK(t.get(0, ICC_HPPIR1_EL1) == 8193);
    t.ram[kConfiguration - kRam + 1] = 0x40; // disabled
    CHECK(t.get(0, ICC_HPPIR1_EL1) == 8193);
    t.on_event(0xc, 1); // INV
    CHECK(t.get(0, ICC_HPPIR1_EL1) == 8192);
    t.ram[kConfiguration - kRam] = 0;
    t.ram[kConfiguration - kRam + 1] = 0x81;
    t.command(0xd, 0, 0); // INVALL
    CHECK(t.ack() == 8193);
    t.end(8193);
    CHECK_FALSE(t.irq());
    t.gic.spi(0).set(true);
    CHECK(t.irq());
    t.ram[kConfiguration - kRam] = 0x21;
    t.on_event(0xc, 0);
    CHECK(t.ack() == 8192);
}

TEST_CASE("commands on events", "[its]") {
    ItsUnderTest t;
    t.map(3, 8200, 0);
    t.on_event(3, 3); // INT
    CHECK(t.irq());
    t.on_event(4, 3); // CLEAR
    CHECK_FALSE(t.irq());
    t.its->send(7, 3);
    t.on_event(1, 3, 2); // MOVI to collection 2
    CHECK_FALSE(t.irq(0));
    CHECK(t.irq(2));
    t.its->send(7, 3);
    t.command(0xe, 0, u64{2} << 16, u64{1} << 16); // MOVALL
    CHECK_FALSE(t.irq(2));
    CHECK(t.ack(1) == 8200);
    t.end(8200, 1);
    t.its->send(7, 3);
    CHECK(t.irq(2));
    t.on_event(0xf, 3); // DISCARD
    CHECK_FALSE(t.irq(2));
    t.its->send(7, 3);
    CHECK_FALSE(t.irq(2));
    t.command(0xb | u64{7} << 32, 5); // MAPI: 5 is no LPI
    t.on_event(3, 5);
    CHECK_FALSE(t.irq(0));
    t.command(8 | u64{9} << 32, 13, kValid | (kEvents + 0x1'0000)); // MAPD: 16384 events
    t.command(0xb | u64{9} << 32, 9000, 1);
    t.its->send(9, 9000);
    CHECK(t.ack(1) == 9000);
    t.command(8 | u64{9} << 32); // MAPD without V
    t.its->send(9, 9000);
    t.end(9000, 1);
    CHECK_FALSE(t.irq(1));
    t.command(5); // SYNC
    t.command(9, 0, 0);
    t.map(4, 8201, 0); // its collection is nowhere now
    t.its->send(7, 4);
    CHECK_FALSE(t.irq(0));
}

TEST_CASE("commands that do not fit have no effect", "[its]") {
    ItsUnderTest t;
    t.map(31, 8200, 0);
    t.map(32, 8201, 0); // device 7 has 32 events
    t.map(4, 8191, 0);  // no LPI
    t.map(5, 65536, 0);
    t.command(9, 0, kValid | u64{3} << 16 | 5); // there is no CPU 3
    t.map(6, 8202, 5);
    t.command(8 | u64{0x10000} << 32, 4, kValid | kEvents);
    t.command(8 | u64{6} << 32, 31, kValid | kEvents);  // 2^32 events
    t.command(8 | u64{5} << 32, 4, kValid | 0x10'0000); // no RAM
    t.command(10 | u64{5} << 32, u64{8203} << 32, 0);
    t.command(0xe, 0, u64{77} << 16, 0);
    t.command(0xd, 0, 0xffff);
    t.command(0xff);
    for (u32 device = 0; device < 10; ++device) {
        for (u32 event = 0; event < 40; ++event) {
            t.its->send(device, event);
        }
    }
    CHECK(t.ack() == 8200);
    t.end(8200);
    CHECK(t.ack() == kSpurious);
    // A queue outside RAM, a write offset behind it.
    t.its->write(kCtlr, 4, 0);
    t.its->write(kCbaser, 8, kValid | 0x1000 | 3);
    CHECK(t.its->read(kCreadr, 8) == 0);
    t.its->write(kCtlr, 4, 1);
    t.its->write(kCwriter, 8, 0x100);
    CHECK(t.its->read(kCreadr, 8) == 0);
    t.its->write(kCwriter, 8, 0xf'ffe0);
    CHECK(t.its->read(kCreadr, 8) == 0);
}

TEST_CASE("the table of devices may have two levels", "[its]") {
    ItsUnderTest t;
    t.its->write(kCtlr, 4, 0);
    t.its->write(kBaser, 8, kValid | u64{1} << 62 | kDeviceTable); // one page of 4 KiB
    t.its->write(kCtlr, 4, 1);
    const u64 second = kValid | (kRam + 0x1f'0000);
    std::memset(t.ram + (kDeviceTable - kRam), 0, 0x1000);
    std::memcpy(t.ram + (kDeviceTable - kRam) + 2 * 8, &second, 8);
    const u64 device = 2 * 512 + 3;
    t.command(8 | device << 32, 4, kValid | kEvents);
    t.command(10 | device << 32, u64{8300} << 32, 1);
    t.its->send(device, 0);
    CHECK(t.ack(1) == 8300);
    t.command(8 | u64{600} << 32, 4, kValid | kEvents); // no second level
    t.its->send(600, 0);
    t.end(8300, 1);
    CHECK_FALSE(t.irq(1));
}

TEST_CASE("pending LPIs are in the guest's table while LPIs are off", "[its]") {
    ItsUnderTest t;
    t.map(3, 8200, 0);
    t.map(4, 8201, 0);
    t.its->send(7, 3);
    t.redist_write(0, 0, 0);
    CHECK_FALSE(t.irq());
    CHECK(t.redist_read(0, 0) == 0);
    CHECK(t.ram[kPending - kRam + 8200 / 8] == 1);
    t.its->send(7, 4); // lost
    t.redist64(0, 0x78, kPending);
    t.redist_write(0, 0, 1);
    CHECK(t.ack() == 8200);
    t.end(8200);
    CHECK_FALSE(t.irq());
    t.redist64(0, 0x78, 0x1234'0000); // not while they are on
    CHECK(t.gic.redistributors().read(0x78, 8) == kPending);
    t.redist_write(0, 0, 0);
    t.redist64(0, 0x78, 0x1234'0000); // no RAM
    t.redist_write(0, 0, 1);
    t.its->send(7, 3);
    CHECK(t.irq());
    t.redist_write(0, 0, 0);
    t.gic.reset();
    t.its->reset();
    CHECK(t.its->read(kCtlr, 4) == u64{1} << 31);
}

TEST_CASE("LPIs outside the guest's tables are disabled", "[its]") {
    ItsUnderTest t;
    t.redist_write(0, 0, 0);
    t.redist64(0, 0x70, kConfiguration | 13); // 14 bits
    t.redist_write(0, 0, 1);
    t.map(3, 16383, 0);
    t.map(4, 16384, 0);
    t.its->send(7, 4);
    CHECK_FALSE(t.irq());
    t.its->send(7, 3);
    CHECK(t.ack() == 16383);
}

TEST_CASE("random commands and tables do no harm", "[its]") {
    std::mt19937_64 random(test::seed(5));
    for (int round = 0; round < 30; ++round) {
        ItsUnderTest t;
        for (int i = 0; i < 3000; ++i) {
            const unsigned bytes = 1u << random() % 4;
            switch (random() % 6) {
            case 0: {
                const u64 pages[] = {kEvents, kDeviceTable, random()};
                t.command(random() % 18 | (random() % 12) << 32,
                          random() % 2 != 0 ? random() % 40 | (8180 + random() % 50) << 32
                                            : random(),
                          random() % 2 != 0 ? pages[random() % 3] | random() << 63 | random() % 4
                                            : random(),
                          random());
                break;
            }
            case 1:
                t.its->send(random() % 12, random() % 40);
                break;
            case 2: // not the queue
                t.its->write(0xa0 + (random() % 0x100 & ~u64{7}), bytes, random() | kValid | kRam);
                break;
            case 3:
                (void)t.its->read(random() % Gicv3Its::kBytes & ~u64{bytes - 1}, bytes);
                break;
            case 4:
                std::memcpy(t.ram + 0x1'0000 + random() % 0x11'0000, &i, 4);
                break;
            default:
                for (unsigned cpu = 0; cpu < 3; ++cpu) {
                    const u64 got = t.ack(cpu);
                    REQUIRE((got == kSpurious || Gicv3::is_lpi(static_cast<u32>(got))));
                    t.end(got, cpu);
                }
                t.redist_write(random() % 3, 0, random() % 4 != 0);
            }
        }
        for (int i = 0; i < 300; ++i) { // the queue, too
            t.its->write(random() % 0x140 & ~u64{7}, 8, (random() & random()) | random() << 63);
        }
    }
}

} // namespace
} // namespace ulna::devices
