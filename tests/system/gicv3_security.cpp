// A GICv3 with two Security states: what each state sees and may change.
#include "tests/system/gicv3_fixture.h"

namespace ulna::devices {
namespace {

using namespace gicv3;

// SPIs 8, 9 and 10, INTIDs 40 to 42, are of group 0, Secure group 1 and group 1; so are SGIs 0
// to 2.
constexpr u32 kSpi0 = 40, kSpiSecure1 = 41, kSpi1 = 42;
constexpr u32 kSpiBits = 7 << 8, kSpi1Bit = 1 << 10;

struct SecureGic : GicUnderTest {
    explicit SecureGic(unsigned cpus = 1) : GicUnderTest(cpus, 288, [this] { return secure; }) {
        dist_write(0, 7);
        dist_write(0x84, kSpi1Bit);
        dist_write(0xd04, 1 << 9);
        dist_write(0x104, kSpiBits);
        dist_write(0x428, 0xc0'5040);
        for (unsigned cpu = 0; cpu < cpus; ++cpu) {
            redist_write(cpu, 0x14, 0);
            redist_write(cpu, 0x10080, 1 << 2);
            redist_write(cpu, 0x10d00, 1 << 1);
            redist_write(cpu, 0x10100, 7);
            redist_write(cpu, 0x10400, 0xc0'5040);
            as(kEl3, ICC_PMR_EL1, 0xff, cpu);
            as(kEl3, ICC_IGRPEN0_EL1, 1, cpu);
            as(kEl3, ICC_IGRPEN1_EL3, 3, cpu);
        }
    }
    using Accessor = Gicv3::Accessor;
    static constexpr Accessor kEl3{.secure = true, .el3 = true, .secure_bank = true},
        kEl3Ns{.secure = true, .el3 = true}, kSecure{.secure = true, .secure_bank = true},
        kNonsecure{.fiq_to_el3 = true};

    u64 as(const Accessor& who, u32 encoding) {
        u64 value = 0;
        REQUIRE(gic.read_register(0, encoding, value, who));
        return value;
    }
    void as(const Accessor& who, u32 encoding, u64 value, unsigned cpu = 0) {
        REQUIRE(gic.write_register(cpu, encoding, value, who));
    }
    bool nonsecure_group1() const { return lines[0]->nonsecure.on; }
    bool secure_group1() const { return lines[0]->secure.on; }

    bool secure = true;
};

TEST_CASE("Non-secure accesses see group 1 alone", "[gicv3][security]") {
    SecureGic g;
    g.dist_write(0xc08, 0x00ff'0000); // INTIDs 40 to 43: edges
    struct Row {
        u64 at;
        u32 secure, nonsecure;
        u32 written; // by a Non-secure access
        u32 then;    // what a Secure one sees then
        bool redistributor = false;
    };
    const Row rows[] = {
        {0x000, 0x37, 0x12, 0x00, 0x35},                       // CTLR
        {0x004, 0x0178'0409, 0x0178'0409, 0, 0x0178'0409},     // TYPER
        {0x084, kSpi1Bit, 0, 0, kSpi1Bit},                     // IGROUPR
        {0xd04, 1 << 9, 0, ~0u, 1 << 9},                       // IGRPMODR
        {0x104, kSpiBits, kSpi1Bit, ~0u, kSpiBits | kSpi1Bit}, // ISENABLER
        {0x184, kSpiBits, kSpi1Bit, ~0u, 3 << 8},              // ICENABLER
        {0x204, 0, 0, ~0u, kSpi1Bit},                          // ISPENDR
        {0x284, kSpi1Bit, kSpi1Bit, ~0u, 0},                   // ICPENDR
        {0x304, 0, 0, ~0u, kSpi1Bit},                          // ISACTIVER
        {0x384, kSpi1Bit, kSpi1Bit, ~0u, 0},                   // ICACTIVER
        {0x428, 0xc0'5040, 0x80'0000, 0x2020'2020, 0x90'5040}, // IPRIORITYR
        {0xc08, 0xaa'0000, 0x20'0000, 0, 0x8a'0000},           // ICFGR
        {0xe08, 0, 0, ~0u, 0},                                 // NSACR
        {0x6140, 0, 0, 1, 0},                                  // IROUTER40
        {0x6150, 0, 0, 1, 1},                                  // IROUTER42
        {0x10080, 1 << 2, 0, ~0u, 1 << 2, true},
        {0x10d00, 1 << 1, 0, ~0u, 1 << 1, true},
        {0x10100, 7, 1 << 2, 0, 7, true},
        {0x10180, 7, 1 << 2, ~0u, 3, true},
        {0x10200, 0, 0, ~0u, 1 << 2, true},
        {0x10300, 0, 0, ~0u, 1 << 2, true},
        {0x10400, 0xc0'5040, 0x80'0000, 0x4040'4040, 0xa0'5040, true},
        {0x10e00, 0, 0, ~0u, 0, true},
        {0x00014, 0, 0, 2, 0, true}, // WAKER
    };
    for (const Row& row : rows) {
        INFO(std::hex << row.at);
        const auto read = [&] {
            return row.redistributor ? g.redist_read(0, row.at) : g.dist_read(row.at);
        };
        g.secure = true;
        CHECK(read() == row.secure);
        g.secure = false;
        CHECK(read() == row.nonsecure);
        row.redistributor ? g.redist_write(0, row.at, row.written)
                          : g.dist_write(row.at, row.written);
        g.secure = true;
        CHECK(read() == row.then);
    }
}

TEST_CASE("GICD_NSACR opens Secure interrupts by degrees", "[gicv3][security]") {
    SecureGic g;
    for (u32 degree = 0; degree < 4; ++degree) {
        INFO(degree);
        g.secure = true;
        g.dist_write(0xe08, 0x5555'5555 * degree);
        CHECK(g.dist_read(0xe08) == 0x5555'5555 * degree);
        g.dist_write(0x284, ~0u);
        g.dist_write(0x384, ~0u);
        g.dist_write(0x6140, 0);
        g.secure = false;
        g.dist_write(0x204, 1 << 8);
        g.dist_write(0x6140, u32{1} << 31);
        CHECK(g.dist_read(0x104) == kSpi1Bit); // never
        CHECK(g.dist_read(0x204) == (degree >= 1 ? 1 << 8 : 0));
        CHECK(g.dist_read(0x284) == (degree >= 2 ? 1 << 8 : 0));
        CHECK(g.dist_read(0x6140) == (degree >= 3 ? u32{1} << 31 : 0));
        g.dist_write(0x304, 1 << 8);
        g.secure = true;
        CHECK(g.dist_read(0x304) == 0);
        g.dist_write(0x304, 1 << 8);
        g.secure = false;
        CHECK(g.dist_read(0x304) == (degree >= 2 ? 1 << 8 : 0));
        g.dist_write(0x284, 1 << 8);
        g.secure = true;
        CHECK(g.dist_read(0x204) == (degree == 1 ? 1 << 8 : 0));
    }
}

TEST_CASE("each group is signalled and acknowledged in its own way", "[gicv3][security]") {
    SecureGic g;
    struct Row {
        u32 intid;
        bool fiq, secure, nonsecure;
        u64 el3_0, el3_1, secure_0, secure_1, nonsecure_0, nonsecure_1; // HPPIR0, HPPIR1
    };
    constexpr u64 kNone = 1023;
    const Row rows[] = {
        {kSpi0, true, false, false, kSpi0, kNone, kSpi0, kNone, kNone, kNone},
        {kSpiSecure1, false, true, false, 1020, kSpiSecure1, kNone, kSpiSecure1, kNone, kNone},
        {kSpi1, false, false, true, 1021, kSpi1, kNone, kNone, kNone, kSpi1},
    };
    for (const Row& row : rows) {
        INFO(row.intid);
        g.gic.spi(row.intid - 32).set(true);
        CHECK(g.fiq() == row.fiq);
        CHECK(g.secure_group1() == row.secure);
        CHECK(g.nonsecure_group1() == row.nonsecure);
        CHECK_FALSE(g.irq());
        CHECK(g.as(g.kEl3, ICC_HPPIR0_EL1) == row.el3_0);
        CHECK(g.as(g.kEl3, ICC_HPPIR1_EL1) == row.el3_1);
        CHECK(g.as(g.kSecure, ICC_HPPIR0_EL1) == row.secure_0);
        CHECK(g.as(g.kSecure, ICC_HPPIR1_EL1) == row.secure_1);
        CHECK(g.as(g.kNonsecure, ICC_HPPIR0_EL1) == row.nonsecure_0);
        CHECK(g.as(g.kNonsecure, ICC_HPPIR1_EL1) == row.nonsecure_1);
        const bool by_0 = row.intid == kSpi0;
        const auto& owner = row.intid == kSpi1 ? g.kNonsecure : g.kSecure;
        const auto& other = row.intid == kSpi1 ? g.kSecure : g.kNonsecure;
        CHECK(g.as(other, by_0 ? ICC_IAR0_EL1 : ICC_IAR1_EL1) == kNone);
        CHECK(g.as(owner, by_0 ? ICC_IAR0_EL1 : ICC_IAR1_EL1) == row.intid);
        g.gic.spi(row.intid - 32).set(false);
        g.as(other, by_0 ? ICC_EOIR0_EL1 : ICC_EOIR1_EL1, row.intid); // not its to end
        CHECK(g.as(g.kEl3, ICC_RPR_EL1) != 0xff);
        g.as(owner, by_0 ? ICC_EOIR0_EL1 : ICC_EOIR1_EL1, row.intid);
        CHECK(g.as(g.kEl3, ICC_RPR_EL1) == 0xff);
        CHECK(g.dist_read(0x304) == 0);
    }
}

TEST_CASE("priorities look halved to Non-secure software", "[gicv3][security]") {
    SecureGic g;
    g.as(g.kEl3, ICC_PMR_EL1, 0xc8);
    CHECK(g.as(g.kNonsecure, ICC_PMR_EL1) == 0x90);
    CHECK(g.as({}, ICC_PMR_EL1) == 0xc8); // which has FIQs itself
    g.as(g.kNonsecure, ICC_PMR_EL1, 0x40);
    CHECK(g.as(g.kEl3, ICC_PMR_EL1) == 0xa0);
    g.as(g.kEl3, ICC_PMR_EL1, 0x78);
    CHECK(g.as(g.kNonsecure, ICC_PMR_EL1) == 0);
    g.as(g.kNonsecure, ICC_PMR_EL1, 0xf0);
    CHECK(g.as(g.kEl3, ICC_PMR_EL1) == 0x78);
    g.as(g.kEl3, ICC_PMR_EL1, 0xff);
    CHECK(g.as(g.kNonsecure, ICC_RPR_EL1) == 0xff);
    g.gic.spi(10).set(true);
    CHECK(g.as(g.kNonsecure, ICC_IAR1_EL1) == kSpi1);
    CHECK(g.as(g.kNonsecure, ICC_RPR_EL1) == 0x80);
    CHECK(g.as(g.kEl3, ICC_RPR_EL1) == 0xc0);
    g.gic.spi(9).set(true); // preempts
    CHECK(g.as(g.kSecure, ICC_IAR1_EL1) == kSpiSecure1);
    CHECK(g.as(g.kNonsecure, ICC_RPR_EL1) == 0);
    CHECK(g.as(g.kEl3, ICC_AP1R0_EL1) == 1u << 10);
    CHECK(g.as(g.kEl3Ns, ICC_AP1R0_EL1) == 1u << 24);
    g.as(g.kNonsecure, ICC_AP1R0_EL1, ~0u); // never in the Secure half
    CHECK(g.as(g.kNonsecure, ICC_AP1R0_EL1) == 0xffff'0000);
}

TEST_CASE("registers of the CPU interface are banked", "[gicv3][security]") {
    SecureGic g;
    g.as(g.kEl3, ICC_BPR1_EL1, 5);
    g.as(g.kEl3Ns, ICC_BPR1_EL1, 6);
    CHECK(g.as(g.kSecure, ICC_BPR1_EL1) == 5);
    CHECK(g.as(g.kNonsecure, ICC_BPR1_EL1) == 6);
    g.as(g.kNonsecure, ICC_CTLR_EL1, 3);
    CHECK((g.as(g.kNonsecure, ICC_CTLR_EL1) & 3) == 2); // CBPR is EL3's
    CHECK((g.as(g.kSecure, ICC_CTLR_EL1) & 3) == 0);
    CHECK((g.as(g.kEl3, ICC_CTLR_EL3) & 0x1f) == 0x10);
    g.as(g.kEl3, ICC_BPR0_EL1, 4);
    g.as(g.kEl3, ICC_CTLR_EL3, 3);
    CHECK(g.as(g.kSecure, ICC_BPR1_EL1) == 4);
    CHECK(g.as(g.kNonsecure, ICC_BPR1_EL1) == 5);
    g.as(g.kSecure, ICC_BPR1_EL1, 3);
    g.as(g.kNonsecure, ICC_BPR1_EL1, 7); // ignored
    CHECK(g.as(g.kEl3, ICC_BPR0_EL1) == 3);
    CHECK(g.as(g.kEl3Ns, ICC_BPR1_EL1) == 6);
    g.as(g.kNonsecure, ICC_IGRPEN1_EL1, 0);
    CHECK(g.as(g.kEl3, ICC_IGRPEN1_EL3) == 2);
    CHECK(g.as(g.kSecure, ICC_IGRPEN1_EL1) == 1);
}

TEST_CASE("who may deactivate depends on state and routing", "[gicv3][security]") {
    SecureGic g;
    g.as(g.kEl3, ICC_CTLR_EL3, 0x1c); // all EOImodes
    const auto still_active = [&](u32 intid, const Gicv3::Accessor& who) {
        g.dist_write(0x304, 1u << (intid - 32));
        g.as(who, ICC_DIR_EL1, intid);
        const bool active = g.dist_read(0x304) != 0;
        g.dist_write(0x384, ~0u);
        return active;
    };
    const Gicv3::Accessor routed{
        .secure = true, .secure_bank = true, .fiq_to_el3 = true, .irq_to_el3 = true};
    for (const u32 intid : {kSpi0, kSpiSecure1, kSpi1}) {
        CHECK_FALSE(still_active(intid, g.kEl3));
        CHECK_FALSE(still_active(intid, g.kSecure));
        CHECK(still_active(intid, routed));
        CHECK(still_active(intid, g.kNonsecure) == (intid != kSpi1));
    }
    CHECK(still_active(kSpi1, {.irq_to_el3 = true}));
}

TEST_CASE("SGIs keep to their groups, and GICR_NSACR opens Secure ones", "[gicv3][security]") {
    SecureGic g;
    const auto sent = [&](const Gicv3::Accessor& who, u32 encoding) {
        for (u64 sgi = 0; sgi < 3; ++sgi) {
            g.as(who, encoding, sgi << 24 | 1);
        }
        const u32 pending = g.redist_read(0, 0x10200);
        g.redist_write(0, 0x10280, ~0u);
        return pending;
    };
    CHECK(sent(g.kSecure, ICC_SGI0R_EL1) == 1);
    CHECK(sent(g.kSecure, ICC_SGI1R_EL1) == 3);
    CHECK(sent(g.kSecure, ICC_ASGI1R_EL1) == 4);
    const u32 open_to[][3] = {{0, 4, 0}, {1, 4, 1}, {1, 4, 3}, {1, 4, 3}};
    for (u32 degree = 0; degree < 4; ++degree) {
        INFO(degree);
        g.redist_write(0, 0x10e00, 0x5555'5555 * degree);
        CHECK(sent(g.kNonsecure, ICC_SGI0R_EL1) == open_to[degree][0]);
        CHECK(sent(g.kNonsecure, ICC_SGI1R_EL1) == open_to[degree][1]);
        CHECK(sent(g.kNonsecure, ICC_ASGI1R_EL1) == open_to[degree][2]);
    }
}

TEST_CASE("GICD_CTLR.DS leaves one Security state until a reset", "[gicv3][security]") {
    SecureGic g;
    g.gic.spi(9).set(true);
    CHECK(g.secure_group1());
    g.secure = false;
    g.dist_write(0, 1 << 6 | 3); // not for Non-secure software
    CHECK(g.dist_read(0) == 0x12);
    g.secure = true;
    g.dist_write(0, 1 << 6 | 3);
    CHECK(g.dist_read(0) == 0x53);
    CHECK((g.dist_read(4) >> 10 & 1) == 0);
    CHECK_FALSE(g.secure_group1());
    CHECK(g.fiq()); // of group 0 now
    g.secure = false;
    CHECK(g.dist_read(0x84) == kSpi1Bit);
    CHECK(g.dist_read(0xd04) == 0);
    CHECK(g.as(g.kNonsecure, ICC_IAR0_EL1) == kSpiSecure1);
    g.gic.reset();
    g.secure = true;
    CHECK(g.dist_read(0) == 0x30);
}

TEST_CASE("without firmware all interrupts are the kernel's", "[gicv3][security]") {
    SecureGic g;
    g.gic.reset();
    g.gic.hand_to_nonsecure();
    g.secure = false;
    g.dist_write(0, 2);
    g.dist_write(0x104, ~0u);
    CHECK(g.dist_read(0x104) == ~0u);
    g.dist_write(0x428, 0xa0a0'a0a0);
    CHECK(g.dist_read(0x428) == 0xa0a0'a0a0);
    g.as({}, ICC_PMR_EL1, 0xf0);
    g.as({}, ICC_IGRPEN1_EL1, 1);
    g.gic.spi(8).set(true);
    CHECK(g.nonsecure_group1());
    CHECK(g.as({}, ICC_IAR1_EL1) == 40);
}

} // namespace
} // namespace ulna::devices
