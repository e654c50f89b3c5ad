// A GICv2 with Security Extensions: what each state sees and may change.
#include "runtime/devices/gicv2.h"

#include "tests/system/seen_line.h"

#include "tests/support/catch.h"

namespace ulna::devices {
namespace {

constexpr u64 kCtlr = 0, kPmr = 4, kBpr = 8, kIar = 0xc, kEoir = 0x10, kRpr = 0x14, kHppir = 0x18,
              kAbpr = 0x1c, kAiar = 0x20, kNsapr = 0xe0, kDir = 0x1000;

// INTIDs 40 and 41 are of group 0 and 1; so are SGIs 0 and 1.
struct SecureGicv2 {
    SecureGicv2()
        : gic(
              2, 288, [this] { return cpu; }, [this] { return secure; }) {
        gic.connect(0, {&irq, &fiq});
        dist(0, 3);
        dist(0x80, 2);
        dist(0x84, 2 << 8);
        dist(0x104, 3 << 8);
        dist(0x400, 0xc040);
        dist(0x428, 0xc040);
        dist(0x828, 0x0101);
        face(kPmr, 0xff);
        face(kCtlr, 0xb);
    }
    u32 dist(u64 at) { return static_cast<u32>(gic.distributor().read(at, 4)); }
    void dist(u64 at, u32 value) { gic.distributor().write(at, 4, value); }
    u32 face(u64 at) { return static_cast<u32>(gic.cpu_interface().read(at, 4)); }
    void face(u64 at, u32 value) { gic.cpu_interface().write(at, 4, value); }

    bool secure = true;
    unsigned cpu = 0;
    SeenLine irq, fiq;
    Gicv2 gic;
};

TEST_CASE("GICv2: Non-secure accesses see group 1 alone", "[gicv2][security]") {
    SecureGicv2 g;
    struct Row {
        u64 at;
        u32 secure, nonsecure, written, then;
    };
    const Row rows[] = {
        {0x000, 3, 1, 0, 1},             // CTLR
        {0x004, 0x429, 0x429, 0, 0x429}, // TYPER
        {0x080, 2, 0, ~0u, 2},           // IGROUPR
        {0x084, 2 << 8, 0, 0, 2 << 8},
        {0x104, 3 << 8, 2 << 8, 0, 3 << 8},           // ISENABLER
        {0x184, 3 << 8, 2 << 8, ~0u, 1 << 8},         // ICENABLER
        {0x204, 0, 0, ~0u, 2 << 8},                   // ISPENDR
        {0x284, 2 << 8, 2 << 8, ~0u, 0},              // ICPENDR
        {0x304, 0, 0, ~0u, 2 << 8},                   // ISACTIVER
        {0x400, 0xc040, 0x8000, 0x2020'2020, 0x9040}, // IPRIORITYR
        {0x428, 0xc040, 0x8000, 0x4040'4040, 0xa040},
        {0x828, 0x0101, 0x0100, 0x0202'0202, 0x0201}, // ITARGETSR
        {0xc08, 0, 0, 0xff'0000, 0x8'0000},           // ICFGR
        {0xd04, 0, 0, ~0u, 0},                        // what GICv3 has there
        {0xf20, 0, 0, 0x0101'0101, 0x0100},           // SPENDSGIR
    };
    for (const Row& row : rows) {
        INFO(std::hex << row.at);
        g.secure = true;
        CHECK(g.dist(row.at) == row.secure);
        g.secure = false;
        CHECK(g.dist(row.at) == row.nonsecure);
        g.dist(row.at, row.written);
        g.secure = true;
        CHECK(g.dist(row.at) == row.then);
    }
}

TEST_CASE("GICv2: each state has its view of the CPU interface", "[gicv2][security]") {
    SecureGicv2 g;
    g.secure = false;
    CHECK(g.face(kCtlr) == 1);
    g.face(kCtlr, ~0u);
    CHECK(g.face(kCtlr) == 0x201);
    CHECK(g.face(kPmr) == 0xf0);
    g.face(kPmr, 0x40);
    g.face(kBpr, 5);
    g.face(kAbpr, 7);
    CHECK(g.face(kAbpr) == 0);
    CHECK(g.face(kAiar) == 0);
    g.secure = true;
    CHECK(g.face(kCtlr) == 0x40b);
    CHECK(g.face(kPmr) == 0xa0);
    CHECK(g.face(kBpr) == 2);
    CHECK(g.face(kAbpr) == 5);
    g.face(kPmr, 0x70);
    g.face(kCtlr, 0x1b); // CBPR
    g.secure = false;
    CHECK(g.face(kPmr) == 0);
    g.face(kPmr, 0xff);
    CHECK(g.face(kPmr) == 0);
    g.face(kBpr, 7);
    CHECK(g.face(kBpr) == 3);
}

TEST_CASE("GICv2: interrupts are the state's that they are for", "[gicv2][security]") {
    SecureGicv2 g;
    g.gic.spi(8).set(true);
    CHECK((g.fiq.on && !g.irq.on));
    g.secure = false;
    CHECK(g.face(kHppir) == 1023);
    CHECK(g.face(kIar) == 1023);
    g.secure = true;
    CHECK(g.face(kIar) == 40);
    g.gic.spi(8).set(false);
    g.secure = false;
    CHECK(g.face(kRpr) == 0);
    g.face(kEoir, 40); // not its to end
    g.secure = true;
    CHECK(g.face(kRpr) == 0x40);
    g.face(kEoir, 40);
    CHECK(g.face(kRpr) == 0xff);
    g.gic.spi(9).set(true);
    CHECK((!g.fiq.on && g.irq.on));
    CHECK(g.face(kHppir) == 1022);
    CHECK(g.face(kIar) == 1022);
    g.secure = false;
    g.face(kCtlr, 0x201); // EOImodeNS
    CHECK(g.face(kIar) == 41);
    CHECK(g.face(kRpr) == 0x80);
    g.secure = true;
    CHECK(g.face(kNsapr) == 1u << 24);
    g.secure = false;
    CHECK(g.face(0xd0) == 1u << 8);
    g.gic.spi(9).set(false);
    g.face(kEoir, 41);
    CHECK(g.dist(0x304) == 2 << 8);
    g.face(kDir, 41);
    CHECK(g.dist(0x304) == 0);
    g.secure = true;
    g.dist(0x304, 1 << 8);
    g.secure = false;
    g.face(kDir, 40);
    g.secure = true;
    CHECK(g.dist(0x304) == 1 << 8);
}

TEST_CASE("GICv2: SGIs keep to the group that is named", "[gicv2][security]") {
    SecureGicv2 g;
    constexpr u32 kSelf = 2 << 24, kNsatt = 1 << 15;
    const auto sent = [&](u32 flags) {
        for (u32 sgi = 0; sgi < 2; ++sgi) {
            g.dist(0xf00, kSelf | flags | sgi);
        }
        const bool secure = g.secure;
        g.secure = true;
        const u32 pending = g.dist(0x200);
        g.dist(0xf10, ~0u);
        g.secure = secure;
        return pending;
    };
    CHECK(sent(0) == 1);
    CHECK(sent(kNsatt) == 2);
    g.secure = false;
    CHECK(sent(0) == 2);
    CHECK(sent(kNsatt) == 2);
}

TEST_CASE("GICv2: without firmware all interrupts are the kernel's", "[gicv2][security]") {
    SecureGicv2 g;
    g.gic.reset();
    g.gic.hand_to_nonsecure();
    g.secure = false;
    g.dist(0, 1);
    g.dist(0x104, ~0u);
    g.dist(0x828, 0x0101'0101);
    CHECK(g.dist(0x428) == 0);
    g.dist(0x428, 0xa0a0'a0a0);
    CHECK(g.dist(0x428) == 0xa0a0'a0a0);
    g.face(kPmr, 0xf0);
    CHECK(g.face(kPmr) == 0xf0);
    g.face(kCtlr, 1);
    g.gic.spi(8).set(true);
    CHECK(g.irq.on);
    CHECK(g.face(kIar) == 40);
}

} // namespace
} // namespace ulna::devices
