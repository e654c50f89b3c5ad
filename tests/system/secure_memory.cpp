// Secure and Non-secure accesses: how translation makes them, what they find, and which of a GIC's
// signals the state of a CPU makes an IRQ.
#include "tests/system/cpu_fixture.h"
#include "tests/system/page_tables.h"

#include "runtime/system/walk_registers.h"
#include "tests/support/catch.h"

namespace ulna::system {
namespace {

using namespace test;
using devices::Space;

constexpr u64 kNs = 1 << 5, kNsTable = u64{1} << 63;

// Of EL3: 4 KiB pages, 39 bits.
struct El3 : PageTables {
    PhysAddr l1 = table(), l2 = table(), l3 = table();
    RegimeRegisters regime;

    El3() {
        regime.el = 3;
        regime.secure = true;
        regime.sctlr = 1;
        regime.tcr = 25 | u64{5} << 16;
        regime.ttbr0 = l1;
        set(l1, 0, l2 | kTable);
        set(l2, 0, l3 | kTable);
    }
    Translation go(u64 leaf) {
        set(l3, 0, 0x5000'0000 | kPage | kAf | leaf);
        return mapped(walk(regime, memory, 0, kRead));
    }
};

TEST_CASE("NS and NSTable make addresses Non-secure", "[mmu][security]") {
    El3 t;
    CHECK(t.go(0).space == Space::Secure);
    CHECK((par_of(t.go(0)) & 1 << 9) == 0);
    CHECK(t.go(kNs).space == Space::NonSecure);
    CHECK((par_of(t.go(kNs)) & 1 << 9) != 0);
    for (const PhysAddr table : {t.l1, t.l2}) {
        const u64 descriptor = t.get(table, 0);
        t.set(table, 0, descriptor | kNsTable);
        CHECK(t.go(0).space == Space::NonSecure);
        t.set(table, 0, descriptor);
    }
    t.regime.secure = false; // NS is RES0 there
    CHECK(t.go(0).space == Space::NonSecure);
    t.regime.sctlr = 0;
    CHECK(t.go(0).space == Space::NonSecure);
    t.regime.secure = true;
    CHECK(t.go(kNs).space == Space::Secure);
}

TEST_CASE("EL3 and, without SCR_EL3.NS, EL1 have Secure regimes", "[mmu][security]") {
    CpuFixture f{3, true, true};
    for (const bool ns : {false, true}) {
        f.cpu.reg(SysReg::SCR_EL3) = ns ? 0x401 : 0x400;
        CHECK(walk_registers(f.cpu, Regime::El3).secure);
        CHECK(walk_registers(f.cpu, Regime::El10).secure == !ns);
        CHECK_FALSE(walk_registers(f.cpu, Regime::El2).secure);
    }
    CpuFixture without{1};
    CHECK_FALSE(walk_registers(without.cpu, Regime::El10).secure);
}

class Register : public devices::Device {
  public:
    explicit Register(const devices::PhysicalMemory& memory) : memory_{memory} {}
    u64 read(u64, unsigned) override {
        by = memory_.accessed_by();
        return 5;
    }
    void write(u64, unsigned, u64) override { by = memory_.accessed_by(); }
    Space by = Space::Secure;

  private:
    const devices::PhysicalMemory& memory_;
};

TEST_CASE("Non-secure accesses do not find what is Secure", "[devices][security]") {
    devices::PhysicalMemory memory;
    using Kind = devices::PhysicalMemory::RamKind;
    std::string why_not;
    REQUIRE(memory.add_ram(kRam, 0x10000, why_not) != nullptr);
    REQUIRE(memory.add_ram(0xe00'0000, 0x10000, why_not, Kind::Private, Space::Secure) != nullptr);
    Register open{memory}, secure{memory};
    memory.add_device(0x900'0000, 0x1000, open);
    memory.add_device(0x904'0000, 0x1000, secure, Space::Secure);
    u64 value = 0;
    for (const PhysAddr at :
         {kRam, PhysAddr{0xe00'0000}, PhysAddr{0x900'0000}, PhysAddr{0x904'0000}}) {
        INFO(std::hex << at);
        const bool is_open = at == kRam || at == 0x900'0000;
        CHECK(memory.write(at, 4, 5, Space::Secure));
        CHECK(memory.read(at, 4, value, Space::Secure));
        CHECK(value == 5);
        CHECK(memory.read(at, 4, value, Space::NonSecure) == is_open);
        CHECK(memory.write(at, 4, 6, Space::NonSecure) == is_open);
    }
    CHECK(open.by == Space::NonSecure);
    CHECK(secure.by == Space::Secure);
    CHECK(memory.readable(0xe00'0000, 8, Space::NonSecure) == nullptr);
    CHECK(memory.readable(0xe00'0000, 8) != nullptr);
}

TEST_CASE("group 1 is IRQ in its own state below EL3, and else FIQ", "[interrupts][security]") {
    CpuFixture f{3, true, true};
    const auto signal = [&](u8 el, bool ns, u32 line) {
        f.cpu.pstate.el = el;
        f.cpu.reg(SysReg::SCR_EL3) = ns ? 0x401 : 0x400;
        f.cpu.lines = line;
        return signalled_lines(f.cpu) & (line::kIrq | line::kFiq);
    };
    for (const u8 el : {u8{0}, u8{1}}) {
        CHECK(signal(el, false, line::kSecureGroup1) == line::kIrq);
        CHECK(signal(el, true, line::kSecureGroup1) == line::kFiq);
        CHECK(signal(el, false, line::kNonsecureGroup1) == line::kFiq);
        CHECK(signal(el, true, line::kNonsecureGroup1) == line::kIrq);
    }
    CHECK(signal(2, true, line::kNonsecureGroup1) == line::kIrq);
    CHECK(signal(2, true, line::kSecureGroup1) == line::kFiq);
    for (const bool ns : {false, true}) {
        CHECK(signal(3, ns, line::kSecureGroup1) == line::kFiq);
        CHECK(signal(3, ns, line::kNonsecureGroup1) == line::kFiq);
    }
    CHECK(signal(3, false, line::kIrq) == line::kIrq);
}

} // namespace
} // namespace ulna::system
