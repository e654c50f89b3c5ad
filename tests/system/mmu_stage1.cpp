#include "ir/support/bits.h"
#include "tests/system/page_tables.h"

#include "tests/support/catch.h"

namespace ulna::system {
namespace {

using namespace test;

// EL1&0 with 4 KiB pages and 48-bit addresses in both ranges: L0 -> L1 -> L2 -> L3.
struct El1 : PageTables {
    PhysAddr l0 = table(), l1 = table(), l2 = table(), l3 = table();
    RegimeRegisters regime;
    static constexpr u64 kMair = 0xff'44'00; // Device, Non-cacheable, Write-Back
    static constexpr u64 kLeaf = kAf | kInner | attr(2);

    El1() {
        regime.sctlr = 1;
        regime.mair = kMair;
        regime.tcr = 16 | 16 << 16 | u64{2} << 30 /* TG1 */ | u64{5} << 32 /* IPS: 48 */;
        regime.ttbr0 = regime.ttbr1 = l0;
        set(l0, 0, l1 | kTable);
        set(l1, 0, l2 | kTable);
        set(l2, 0, l3 | kTable);
    }
    void page(u64 index, u64 bits) { set(l3, index, 0x5000'0000 | index << 12 | kPage | bits); }
    TranslationResult go(GuestAddr va, const Access& access = kRead) const {
        return walk(regime, memory, va, access);
    }
};

TEST_CASE("pages and blocks of every level are found", "[mmu]") {
    El1 t;
    t.page(3, t.kLeaf | kNg | kAp1);
    t.set(t.l2, 1, 0x6020'0000 | kBlock | t.kLeaf);
    t.set(t.l1, 1, 0x1'8000'0000 | kBlock | t.kLeaf);
    const Translation page = mapped(t.go(0x3abc));
    CHECK(page.page == 0x5000'3000);
    CHECK(page.page_log2 == 12);
    CHECK(page.attributes == 0xff);
    CHECK(page.shareability == 3);
    CHECK(page.normal);
    CHECK_FALSE(page.global);
    const Translation block2 = mapped(t.go(0x32'1000));
    CHECK(block2.page == 0x6032'1000);
    CHECK(block2.page_log2 == 21);
    CHECK(block2.global);
    const Translation block1 = mapped(t.go(0x4000'0000 + 0x1234'5678));
    CHECK(block1.page == 0x1'9234'5000);
    CHECK(block1.page_log2 == 30);
    // The upper range has its own register.
    CHECK(mapped(t.go(0xffff'0000'0000'3008)).page == 0x5000'3000);
    t.regime.ttbr1 = t.table();
    CHECK(met(t.go(0xffff'0000'0000'3008)) == Met{FaultKind::Translation, 0});
}

TEST_CASE("MAIR's 0xf0 is write-back memory with allocation tags", "[mmu]") {
    El1 t;
    t.regime.mair = 0xf0'ff'44'00;
    t.regime.sctlr |= 1 << 2; // C
    t.page(3, t.kLeaf);
    t.page(4, (t.kLeaf & ~attr(7)) | attr(3));
    CHECK_FALSE(mapped(t.go(0x4000)).tagged); // without FEAT_MTE2
    CHECK(mapped(t.go(0x4000)).attributes == 0xff);
    t.regime.features.mte = true;
    CHECK_FALSE(mapped(t.go(0x3000)).tagged);
    CHECK(mapped(t.go(0x4000)).tagged);
    CHECK(mapped(t.go(0x4000)).attributes == 0xf0); // as PAR_EL1 shows it
    t.regime.sctlr &= ~u64{1 << 2};
    CHECK_FALSE(mapped(t.go(0x4000)).tagged);
}

TEST_CASE("a contiguous run is one mapping", "[mmu]") {
    El1 t;
    t.page(16, t.kLeaf | kContiguous);
    t.set(t.l2, 16, 0x6000'0000 | kBlock | t.kLeaf | kContiguous);
    CHECK(mapped(t.go(0x10000)).page_log2 == 16);
    CHECK(mapped(t.go(0x10000)).page == 0x5001'0000);
    CHECK(mapped(t.go(16 << 21)).page_log2 == 25);
}

TEST_CASE("what is not mapped faults at its level", "[mmu]") {
    El1 t;
    CHECK(met(t.go(u64{1} << 39)) == Met{FaultKind::Translation, 0});
    CHECK(met(t.go(u64{1} << 30)) == Met{FaultKind::Translation, 1});
    CHECK(met(t.go(1 << 21)) == Met{FaultKind::Translation, 2});
    CHECK(met(t.go(1 << 12)) == Met{FaultKind::Translation, 3});
    t.set(t.l0, 1, kBlock | t.kLeaf); // no blocks at level 0
    CHECK(met(t.go(u64{1} << 39)) == Met{FaultKind::Translation, 0});
    t.set(t.l3, 1, kBlock | t.kLeaf); // and none at level 3
    CHECK(met(t.go(1 << 12)) == Met{FaultKind::Translation, 3});
    t.set(t.l3, 2, 0b10 | t.kLeaf);
    CHECK(met(t.go(2 << 12)) == Met{FaultKind::Translation, 3});
}

TEST_CASE("addresses outside of both ranges fault at level 0", "[mmu]") {
    El1 t;
    t.page(0, t.kLeaf);
    const Met out{FaultKind::Translation, 0};
    CHECK(met(t.go(u64{1} << 48)) == out);
    CHECK(met(t.go(0xfffe'ffff'ffff'f000)) == out);
    CHECK(met(t.go(u64{1} << 63)) == out);
    CHECK(met(t.go(0xff80'0000'0000'0000)) == out);
    t.regime.tcr += 1; // 47 bits
    CHECK(met(t.go(u64{1} << 47)) == out);
    CHECK(is_mapped(t.go(0)));
}

TEST_CASE("the top byte is ignored as TBI and TBID say", "[mmu]") {
    El1 t;
    t.page(0, t.kLeaf);
    const u64 lower = 0x5a00'0000'0000'0000, upper = 0x5aff'0000'0000'0000;
    CHECK_FALSE(is_mapped(t.go(lower)));
    t.regime.tcr |= u64{1} << 37;
    CHECK(is_mapped(t.go(lower)));
    CHECK(is_mapped(t.go(lower, kFetch)));
    CHECK_FALSE(is_mapped(t.go(upper)));
    t.regime.tcr |= u64{1} << 38;
    CHECK(is_mapped(t.go(upper)));
    t.regime.tcr |= u64{1} << 51; // TBID0
    CHECK(is_mapped(t.go(lower)));
    CHECK_FALSE(is_mapped(t.go(lower, kFetch)));
    CHECK(is_mapped(t.go(upper, kFetch)));
}

TEST_CASE("EPD and E0PD close a range", "[mmu]") {
    El1 t;
    t.page(0, t.kLeaf | kAp1);
    t.regime.tcr |= u64{1} << 55;
    CHECK(is_mapped(t.go(0)));
    CHECK(met(t.go(0, kReadEl0)) == Met{FaultKind::Translation, 0});
    CHECK(is_mapped(t.go(0xffff'0000'0000'0000, kReadEl0)));
    t.regime.tcr |= 1 << 7;
    CHECK(met(t.go(0)) == Met{FaultKind::Translation, 0});
    CHECK(is_mapped(t.go(0xffff'0000'0000'0000)));
    t.regime.tcr |= 1 << 23;
    CHECK(met(t.go(0xffff'0000'0000'0000)) == Met{FaultKind::Translation, 0});
}

TEST_CASE("TxSZ out of range faults, and small tables start at level 3", "[mmu]") {
    El1 t;
    t.page(0, t.kLeaf);
    t.regime.tcr = (t.regime.tcr & ~u64{63}) | 48; // 16 bits: only level 3
    t.regime.ttbr0 = t.l3;
    CHECK(mapped(t.go(0)).page == 0x5000'0000);
    CHECK(met(t.go(0x1000)) == Met{FaultKind::Translation, 3});
    t.regime.features.ttst = false;
    CHECK(met(t.go(0)) == Met{FaultKind::Translation, 0});
    t.regime.tcr = (t.regime.tcr & ~u64{63}) | 15;
    CHECK(met(t.go(0)) == Met{FaultKind::Translation, 0});
}

TEST_CASE("a first table that is not whole is aligned to its size", "[mmu]") {
    El1 t;
    t.regime.tcr = (t.regime.tcr & ~u64{63}) | 30; // 34 bits: level 1 with 16 entries
    const PhysAddr l1 = t.table();
    t.set(l1 + 128, 9, 0x6000'0000'0 | kBlock | t.kLeaf);
    t.regime.ttbr0 = l1 + 128 + 64;
    CHECK(mapped(t.go(u64{9} << 30)).page == 0x6000'0000'0);
}

TEST_CASE("AP, PXN and UXN give permissions", "[mmu]") {
    El1 t;
    struct Row {
        u64 bits;
        const char* el0; // rwx
        const char* el1;
    };
    const Row rows[] = {
        {0, "--x", "rwx"},           {kAp1, "rwx", "rw-"}, // what EL0 writes, EL1 does not execute
        {kAp2, "--x", "r-x"},        {kAp1 | kAp2, "r-x", "r-x"},
        {kPxn, "--x", "rw-"},        {kUxn, "---", "rwx"},
        {kAp1 | kUxn, "rw-", "rw-"}, {kAp1 | kAp2 | kPxn | kUxn, "r--", "r--"},
    };
    for (const Row& row : rows) {
        t.page(0, t.kLeaf | row.bits);
        INFO(std::hex << row.bits);
        const Access el0[] = {kReadEl0, kWriteEl0, kFetchEl0}, el1[] = {kRead, kWrite, kFetch};
        for (int i = 0; i < 3; ++i) {
            const TranslationResult at0 = t.go(0, el0[i]), at1 = t.go(0, el1[i]);
            CHECK(is_mapped(at0) == (row.el0[i] != '-'));
            CHECK(is_mapped(at1) == (row.el1[i] != '-'));
            if (!is_mapped(at0)) {
                CHECK(met(at0) == Met{FaultKind::Permission, 3});
                CHECK(fault_of(at0).write == (i == 1));
            }
            if (is_mapped(at1)) {
                for (int j = 0; j < 3; ++j) {
                    CHECK(mapped(at1).permits(el0[j], false) == (row.el0[j] != '-'));
                    CHECK(mapped(at1).permits(el1[j], false) == (row.el1[j] != '-'));
                }
            }
        }
    }
}

TEST_CASE("an atomic access reads and writes", "[mmu]") {
    El1 t;
    Access atomic = kWrite;
    atomic.atomic = true;
    t.page(0, t.kLeaf | kAp2);
    CHECK(fault_of(t.go(0, atomic)).write);
    atomic.unprivileged = true;
    CHECK(met(t.go(0, atomic)) == Met{FaultKind::Permission, 3});
    CHECK_FALSE(fault_of(t.go(0, atomic)).write); // reading alone would have faulted
    CHECK_FALSE(fault_of(t.go(0x1000, atomic)).write);
    CHECK(fault_of(t.go(0x1000, kWrite)).write);
}

TEST_CASE("WXN makes what is writable not executable", "[mmu]") {
    El1 t;
    t.regime.sctlr |= 1 << 19;
    t.page(0, t.kLeaf);
    t.page(1, t.kLeaf | kAp2);
    t.page(2, t.kLeaf | kAp1);
    CHECK_FALSE(is_mapped(t.go(0x0000, kFetch)));
    CHECK(is_mapped(t.go(0x0000, kFetchEl0)));
    CHECK(is_mapped(t.go(0x1000, kFetch)));
    CHECK_FALSE(is_mapped(t.go(0x2000, kFetchEl0)));
}

TEST_CASE("tables take permissions away unless HPD", "[mmu]") {
    El1 t;
    t.page(0, t.kLeaf | kAp1);
    t.set(t.l1, 0, t.l2 | kTable | kNoEl0Table);
    CHECK_FALSE(is_mapped(t.go(0, kReadEl0)));
    CHECK(is_mapped(t.go(0, kWrite)));
    CHECK(is_mapped(t.go(0, kFetch))); // no longer EL0's to write
    t.set(t.l1, 0, t.l2 | kTable | kReadOnlyTable);
    CHECK_FALSE(is_mapped(t.go(0, kWrite)));
    CHECK_FALSE(is_mapped(t.go(0, kWriteEl0)));
    CHECK(is_mapped(t.go(0, kReadEl0)));
    t.set(t.l1, 0, t.l2 | kTable | kReadOnlyTable | kPxnTable);
    t.set(t.l0, 0, t.l1 | kTable | kUxnTable);
    CHECK_FALSE(is_mapped(t.go(0, kFetch)));
    CHECK_FALSE(is_mapped(t.go(0, kFetchEl0)));
    t.regime.tcr |= u64{1} << 41;
    CHECK(is_mapped(t.go(0, kFetchEl0)));
    CHECK(is_mapped(t.go(0, kWriteEl0)));
    t.regime.features.hpds = false;
    CHECK_FALSE(is_mapped(t.go(0, kWriteEl0)));
}

TEST_CASE("PAN keeps EL1 off what EL0 may use", "[mmu]") {
    El1 t;
    t.page(0, t.kLeaf | kAp1 | kPxn);
    t.page(1, t.kLeaf);        // EL0 executes only
    t.page(2, t.kLeaf | kUxn); // EL1's alone
    t.regime.pan = true;
    CHECK(met(t.go(0)) == Met{FaultKind::Permission, 3});
    CHECK(met(t.go(0, kWrite)) == Met{FaultKind::Permission, 3});
    CHECK(is_mapped(t.go(0, kReadEl0))); // LDTR, too
    CHECK(is_mapped(t.go(0x1000)));
    CHECK(is_mapped(t.go(0x1000, kFetch)));
    CHECK(is_mapped(t.go(0x2000, kWrite)));
    t.regime.sctlr |= u64{1} << 57; // EPAN
    CHECK_FALSE(is_mapped(t.go(0x1000)));
    CHECK(is_mapped(t.go(0x1000, kFetch)));
    CHECK(is_mapped(t.go(0x2000)));
    t.regime.features.pan3 = false;
    CHECK(is_mapped(t.go(0x1000)));
    t.regime.pan = false;
    const Translation open = mapped(t.go(0));
    CHECK(open.permits(kRead, false));
    CHECK_FALSE(open.permits(kRead, true));
    CHECK(open.permits(kReadEl0, true));
}

TEST_CASE("the access flag is a fault, or hardware's", "[mmu]") {
    El1 t;
    t.page(0, t.kLeaf & ~kAf);
    CHECK(met(t.go(0)) == Met{FaultKind::AccessFlag, 3});
    t.set(t.l2, 1, 0x6000'0000 | kBlock | (t.kLeaf & ~kAf));
    CHECK(met(t.go(1 << 21)) == Met{FaultKind::AccessFlag, 2});
    t.regime.tcr |= u64{1} << 39;
    Access debugger = kRead;
    debugger.updates = TableUpdates::None;
    CHECK(is_mapped(t.go(0, debugger)));
    CHECK_FALSE(bit(t.get(t.l3, 0), 10));
    CHECK(met(t.go(0, kReadEl0)) == Met{FaultKind::Permission, 3});
    CHECK_FALSE(bit(t.get(t.l3, 0), 10)); // a fault leaves no trace
    CHECK(is_mapped(t.go(0)));
    CHECK(bit(t.get(t.l3, 0), 10));
    t.regime.features.hafdbs = false;
    CHECK(met(t.go(1 << 21)) == Met{FaultKind::AccessFlag, 2});
}

TEST_CASE("hardware notes the first write to a clean page", "[mmu]") {
    El1 t;
    t.regime.tcr |= u64{3} << 39;
    t.page(0, t.kLeaf | kAp2 | kDbm);
    const Translation clean = mapped(t.go(0));
    CHECK(clean.writable_el1);
    CHECK(clean.writable_needs_dirty);
    CHECK(bit(t.get(t.l3, 0), 7));
    Access at = kWrite;
    at.updates = TableUpdates::AccessFlag;
    CHECK(is_mapped(t.go(0, at)));
    CHECK(bit(t.get(t.l3, 0), 7));
    CHECK_FALSE(mapped(t.go(0, kWrite)).writable_needs_dirty);
    CHECK_FALSE(bit(t.get(t.l3, 0), 7));
    CHECK_FALSE(mapped(t.go(0)).writable_needs_dirty);
    // A table that is read-only wins, and without HD so does AP[2].
    t.page(0, t.kLeaf | kAp2 | kDbm);
    t.set(t.l2, 0, t.l3 | kTable | kReadOnlyTable);
    CHECK_FALSE(is_mapped(t.go(0, kWrite)));
    t.set(t.l2, 0, t.l3 | kTable);
    t.regime.tcr &= ~(u64{1} << 40);
    CHECK_FALSE(is_mapped(t.go(0, kWrite)));
}

TEST_CASE("addresses beyond IPS are address size faults", "[mmu]") {
    El1 t;
    t.regime.tcr &= ~(u64{7} << 32); // 32 bits
    t.page(0, t.kLeaf | u64{1} << 32);
    CHECK(met(t.go(0)) == Met{FaultKind::AddressSize, 3});
    t.set(t.l2, 1, u64{1} << 36 | kBlock | t.kLeaf);
    CHECK(met(t.go(1 << 21)) == Met{FaultKind::AddressSize, 2});
    t.set(t.l1, 1, u64{1} << 40 | kTable);
    CHECK(met(t.go(1 << 30)) == Met{FaultKind::AddressSize, 1});
    t.regime.ttbr0 |= u64{1} << 33;
    CHECK(met(t.go(0)) == Met{FaultKind::AddressSize, 0});
    // The CPU's own size is a limit, too; the access flag comes after.
    t.regime.ttbr0 = t.l0;
    t.regime.tcr |= u64{5} << 32;
    t.regime.pa_bits = 40;
    t.page(0, u64{1} << 40);
    CHECK(met(t.go(0)) == Met{FaultKind::AddressSize, 3});
}

TEST_CASE("tables outside of memory are external aborts", "[mmu]") {
    El1 t;
    t.set(t.l1, 0, 0x900'0000 | kTable);
    CHECK(met(t.go(0)) == Met{FaultKind::ExternalAbortOnWalk, 2});
    t.regime.ttbr0 = 0x1000;
    CHECK(met(t.go(0)) == Met{FaultKind::ExternalAbortOnWalk, 0});
}

class Rom : public devices::Device {
  public:
    u64 read(u64, unsigned) override { return 0; }
    void write(u64, unsigned, u64) override {}
    const u8* rom(u64 offset, u64) const override {
        return reinterpret_cast<const u8*>(words) + offset;
    }
    u64 words[512] = {};
};

TEST_CASE("tables may be in ROM, but hardware cannot note an access there", "[mmu]") {
    El1 t;
    Rom rom;
    t.memory.add_device(0x1000, sizeof rom.words, rom);
    t.set(t.l2, 0, 0x1000 | kTable);
    rom.words[0] = 0x5000'0000 | kPage | t.kLeaf;
    rom.words[1] = 0x5000'1000 | kPage | (t.kLeaf & ~kAf);
    t.regime.tcr |= u64{1} << 39;
    CHECK(mapped(t.go(0)).page == 0x5000'0000);
    CHECK(met(t.go(0x1000)) == Met{FaultKind::UnsupportedAtomic, 3});
}

TEST_CASE("big-endian tables", "[mmu]") {
    El1 t;
    t.regime.sctlr |= 1 << 25;
    t.regime.tcr |= u64{1} << 39;
    for (const PhysAddr at : {t.l0, t.l1, t.l2}) {
        t.set(at, 0, __builtin_bswap64(t.get(at, 0)));
    }
    t.set(t.l3, 0, __builtin_bswap64(0x5000'0000 | kPage | (t.kLeaf & ~kAf)));
    CHECK(mapped(t.go(0)).page == 0x5000'0000);
    CHECK(bit(__builtin_bswap64(t.get(t.l3, 0)), 10));
}

TEST_CASE("misaligned accesses to Device memory fault before permissions", "[mmu]") {
    El1 t;
    t.page(0, (t.kLeaf & ~attr(7)) | attr(0) | kAp2);
    Access access = kWrite;
    access.misaligned = true;
    CHECK(met(t.go(0, access)) == Met{FaultKind::Alignment, 3});
    CHECK(met(t.go(0, kWrite)) == Met{FaultKind::Permission, 3});
    t.page(0, t.kLeaf);
    CHECK(is_mapped(t.go(0, access)));
}

TEST_CASE("memory types come from MAIR", "[mmu]") {
    El1 t;
    t.regime.mair = 0xf0'00'44'0c'08'04'bb'ff;
    const u8 expected[] = {0xff, 0xbb, 0x04, 0x08, 0x0c, 0x44, 0x00, 0xff};
    for (unsigned i = 0; i < 8; ++i) {
        t.page(i, kAf | kInner | attr(i));
        const Translation to = mapped(t.go(i << 12));
        CHECK(to.attributes == expected[i]);
        CHECK(to.normal == ((expected[i] & 0xf0) != 0));
        // Device and Non-cacheable memory is outer shareable.
        CHECK(to.shareability == (to.normal && expected[i] != 0x44 ? 3 : 2));
    }
}

TEST_CASE("guarded pages", "[mmu]") {
    El1 t;
    t.page(0, t.kLeaf | kGp);
    CHECK(mapped(t.go(0)).guarded);
    t.regime.features.bti = false;
    CHECK_FALSE(mapped(t.go(0)).guarded);
}

TEST_CASE("without the MMU addresses are physical", "[mmu]") {
    El1 t;
    t.regime.sctlr = 0;
    const Translation data = mapped(t.go(0x1234'5678));
    CHECK(data.page == 0x1234'5000);
    CHECK_FALSE(data.normal);
    CHECK_FALSE(data.guarded);
    CHECK(data.permits(kFetchEl0, true));
    CHECK(mapped(t.go(0, kFetch)).attributes == 0x44);
    t.regime.sctlr = 1 << 12;
    CHECK(mapped(t.go(0, kFetch)).attributes == 0xaa);
    CHECK(met(t.go(u64{1} << 48)) == Met{FaultKind::AddressSize, 0});
    CHECK(met(t.go(0xffff'0000'0000'0000)) == Met{FaultKind::AddressSize, 0});
    t.regime.tcr |= u64{1} << 37;
    CHECK(mapped(t.go(0x5a00'0000'1234'5678)).page == 0x1234'5000);
    Access access = kRead;
    access.misaligned = true;
    CHECK(met(t.go(0, access)) == Met{FaultKind::Alignment, 0});
}

TEST_CASE("EL2 and EL3 have one range and one privilege", "[mmu]") {
    El1 t;
    for (const u8 el : {u8{2}, u8{3}}) {
        t.regime.el = el;
        t.regime.tcr = 16 | u64{5} << 16;
        t.page(0, t.kLeaf | kAp1 | kPxn | kNg);
        const Translation to = mapped(t.go(0, kFetch)); // PXN means nothing
        CHECK(to.global);
        CHECK(to.writable_el1);
        CHECK(is_mapped(t.go(0, kWriteEl0))); // LDTR is LDR
        t.page(0, t.kLeaf | kUxn | kAp2);
        CHECK_FALSE(is_mapped(t.go(0, kFetch)));
        CHECK_FALSE(is_mapped(t.go(0, kWrite)));
        CHECK(met(t.go(0xffff'0000'0000'0000)) == Met{FaultKind::Translation, 0});
        t.regime.pan = true;
        t.page(0, t.kLeaf | kAp1);
        CHECK(is_mapped(t.go(0)));
        t.regime.tcr |= 1 << 20;
        CHECK(is_mapped(t.go(0xff00'0000'0000'0000)));
        t.regime.tcr |= 1 << 29;
        CHECK_FALSE(is_mapped(t.go(0xff00'0000'0000'0000, kFetch)));
        // With E2H, EL2's registers are EL1's shape.
        t.regime.hcr = u64{1} << 34;
        t.regime.tcr = 16 | 16 << 16 | u64{2} << 30 | u64{5} << 32;
        CHECK(is_mapped(t.go(0xffff'0000'0000'0000, kReadEl0)) == (el == 2));
        t.regime.hcr = 0;
    }
}

TEST_CASE("16 KiB pages", "[mmu]") {
    El1 t;
    t.regime.tcr = 17 | 2 << 14 | u64{5} << 32; // 47 bits: level 1 has 2048 entries
    t.regime.ttbr0 = t.l1;
    t.set(t.l3, 5, 0x5001'4000 | kPage | t.kLeaf | kContiguous);
    t.set(t.l2, 1, 0x6200'0000 | kBlock | t.kLeaf);
    t.set(t.l1, 1, kBlock | t.kLeaf);
    CHECK(mapped(t.go(5 << 14 | 0x2345)).page == 0x5001'6000);
    CHECK(mapped(t.go(5 << 14)).page_log2 == 21);
    CHECK(mapped(t.go(1 << 25)).page == 0x6200'0000);
    CHECK(mapped(t.go(1 << 25)).page_log2 == 25);
    CHECK(met(t.go(u64{1} << 36)) == Met{FaultKind::Translation, 1});
    t.regime.tcr = 16 | 2 << 14 | u64{5} << 32; // 48 bits: level 0 has two entries
    t.set(t.l0, 1, t.l1 | kTable);
    t.regime.ttbr0 = t.l0;
    CHECK(mapped(t.go(u64{1} << 47 | 5 << 14)).page == 0x5001'4000);
}

TEST_CASE("64 KiB pages and 52 bits", "[mmu]") {
    El1 t;
    t.regime.pa_bits = 52;
    t.regime.tcr = 12 | 1 << 14 | u64{6} << 32; // level 1 with 1024 entries
    const PhysAddr l1 = t.table();
    t.regime.ttbr0 = l1;
    t.set(l1, 1023, t.l2 | kTable);
    t.set(t.l2, 3, t.l3 | kTable);
    t.set(t.l3, 7, 0x5007'0000 | 0xa << 12 | kPage | t.kLeaf | kContiguous);
    t.set(l1, 1, u64{1} << 45 | 0xb << 12 | kBlock | t.kLeaf);
    const u64 va = u64{1023} << 42 | u64{3} << 29 | 7 << 16 | 0x1234;
    CHECK(mapped(t.go(va)).page == 0xa'0000'5007'1000);
    CHECK(mapped(t.go(va)).page_log2 == 21);
    CHECK(mapped(t.go(u64{1} << 42)).page == (0xb'0000'0000'0000 | u64{1} << 45));
    // Bits 51:48 of the tables' own addresses.
    t.regime.ttbr0 = l1 | 1 << 2;
    CHECK(met(t.go(va)) == Met{FaultKind::ExternalAbortOnWalk, 1});
    t.regime.ttbr0 = l1;
    t.set(l1, 1023, t.l2 | 1 << 12 | kTable);
    CHECK(met(t.go(va)) == Met{FaultKind::ExternalAbortOnWalk, 2});
    t.regime.tcr = 12 | 1 << 14 | u64{5} << 32;
    CHECK(met(t.go(va)) == Met{FaultKind::AddressSize, 1});
    // Without FEAT_LPA the bits are ignored, and there are no blocks at level 1.
    t.regime.features.lpa = false;
    CHECK(mapped(t.go(va)).page == 0x5007'1000);
    CHECK(met(t.go(u64{1} << 42)) == Met{FaultKind::Translation, 1});
    t.regime.features.lva = false;
    CHECK(met(t.go(va)) == Met{FaultKind::Translation, 0});
}

TEST_CASE("52 bits with 4 KiB pages start at level -1", "[mmu]") {
    El1 t;
    t.regime.pa_bits = 52;
    t.regime.tcr = 12 | 2 << 12 /* SH0 */ | u64{6} << 32 | u64{1} << 59;
    const PhysAddr first = t.table();
    t.regime.ttbr0 = first;
    t.set(first, 15, t.l0 | kTable);
    t.set(t.l3, 1, 0x5000'1000 | u64{3} << 48 | 0x2 << 8 | kPage | kAf | attr(2));
    t.set(t.l0, 1, u64{1} << 39 | kBlock | kAf);
    const u64 va = u64{15} << 48 | 1 << 12;
    const Translation to = mapped(t.go(va));
    CHECK(to.page == (u64{2} << 50 | u64{3} << 48 | 0x5000'1000));
    CHECK(to.shareability == 2); // TCR's, as descriptors have none
    CHECK(mapped(t.go(u64{15} << 48 | u64{1} << 39)).page_log2 == 39);
    CHECK(met(t.go(u64{14} << 48)) == Met{FaultKind::Translation, -1});
    CHECK(fault_status_code(fault_of(t.go(u64{14} << 48))) == 0b101011);
    t.regime.ttbr0 = 0x1000;
    CHECK(met(t.go(va)) == Met{FaultKind::ExternalAbortOnWalk, -1});
    t.regime.features.lpa2 = false;
    CHECK(met(t.go(va)) == Met{FaultKind::Translation, 0});
}

TEST_CASE("status codes and PAR_EL1", "[mmu]") {
    CHECK(fault_status_code({.kind = FaultKind::AddressSize, .level = 2}) == 0b000010);
    CHECK(fault_status_code({.kind = FaultKind::AddressSize, .level = -1}) == 0b101001);
    CHECK(fault_status_code({.kind = FaultKind::Translation, .level = 3}) == 0b000111);
    CHECK(fault_status_code({.kind = FaultKind::AccessFlag, .level = 1}) == 0b001001);
    CHECK(fault_status_code({.kind = FaultKind::Permission, .level = 3}) == 0b001111);
    CHECK(fault_status_code({.kind = FaultKind::ExternalAbortOnWalk, .level = 2}) == 0b010110);
    CHECK(fault_status_code({.kind = FaultKind::ExternalAbortOnWalk, .level = -1}) == 0b010011);
    CHECK(fault_status_code({.kind = FaultKind::ExternalAbort}) == 0b010000);
    CHECK(fault_status_code({.kind = FaultKind::Alignment}) == 0b100001);
    CHECK(fault_status_code({.kind = FaultKind::UnsupportedAtomic}) == 0b110001);
    El1 t;
    t.page(0, t.kLeaf);
    CHECK(par_of(t.go(0x123)) == 0xff00'0000'5000'0b80);
    CHECK(par_of(t.go(0x1000)) == (1 | 0b000111 << 1 | 1 << 11));
    CHECK(par_of(Fault{.level = 1, .stage2 = true, .s1ptw = true}) ==
          (1 | 0b000101 << 1 | 1 << 8 | 1 << 9 | 1 << 11));
}

} // namespace
} // namespace ulna::system
