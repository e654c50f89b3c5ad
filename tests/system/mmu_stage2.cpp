#include <atomic>
#include <thread>

#include "ir/support/bits.h"
#include "tests/system/page_tables.h"

#include "tests/support/catch.h"

namespace ulna::system {
namespace {

using namespace test;

constexpr u64 kVm = 1, kDc = 1 << 12, kTge = 1 << 27, kPtw = 1 << 2, kFwb = u64{1} << 46;

// Stage 2 of 4 KiB pages and 40 bits, started at level 1 with two concatenated tables, below a
// stage 1 that is off at first. Guest "physical" addresses 0.. are at kRam + 8 MiB.
struct Guest : PageTables {
    static constexpr u64 kOffset = kRam + (8 << 20);
    static constexpr u64 kLeaf = kAf | kInner | kS2Normal | kS2Read | kS2Write;
    PhysAddr l1 = table(), l2 = table(), l3 = table();
    RegimeRegisters regime;

    Guest() {
        regime.el2_enabled = true;
        regime.hcr = kVm;
        regime.vtcr = 24 | 1 << 6 | u64{2} << 16; // 40 bits in, SL0 = level 1, 40 bits out
        regime.vttbr = l1;
        set(l1, 0, l2 | kTable);
        set(l2, 0, l3 | kTable);
        for (u64 i = 0; i < 512; ++i) {
            page(i, kLeaf);
        }
    }
    void page(u64 index, u64 bits) { set(l3, index, (kOffset + (index << 12)) | kPage | bits); }
    // Stage 1 with tables at intermediate addresses 0x1000 (L1), 0x2000 (L2) and 0x3000 (L3).
    void enable_stage1() {
        regime.sctlr = 1;
        regime.mair = 0xff;
        regime.tcr = 25 | 25 << 16 | u64{2} << 30 | u64{2} << 32;
        regime.ttbr0 = 0x1000;
        set(kOffset + 0x1000, 0, 0x2000 | kTable);
        set(kOffset + 0x2000, 0, 0x3000 | kTable);
        set(kOffset + 0x3000, 0, 0x8000 | kPage | kAf | kInner);
    }
    TranslationResult go(GuestAddr va, const Access& access = kRead) const {
        return walk(regime, memory, va, access);
    }
};

TEST_CASE("stage 2 leads on from where stage 1 ends", "[mmu]") {
    Guest g;
    const Translation flat = mapped(g.go(0x5123));
    CHECK(flat.page == g.kOffset + 0x5000);
    CHECK(flat.ipa == 0x5000);
    CHECK_FALSE(flat.normal); // stage 1 is off: Device wins
    g.enable_stage1();
    const Translation to = mapped(g.go(0x10));
    CHECK(to.page == g.kOffset + 0x8000);
    CHECK(to.ipa == 0x8000);
    CHECK(to.normal);
    CHECK(to.attributes == 0xff);
    CHECK(to.shareability == 3);
    Access stage1 = kRead;
    stage1.stage1_only = true;
    CHECK(mapped(g.go(0x10, stage1)).page == 0x8000);
    g.regime.hcr = 0;
    CHECK(met(g.go(0x10)) == Met{FaultKind::ExternalAbortOnWalk, 1});
    g.regime.el2_enabled = false;
    g.regime.hcr = kVm | kTge;
    CHECK(met(g.go(0x10)) == Met{FaultKind::ExternalAbortOnWalk, 1});
}

TEST_CASE("concatenated tables", "[mmu]") {
    Guest g;
    g.set(g.l1, 512 + 3, 0x4000'0000 | kBlock | g.kLeaf);
    CHECK(mapped(g.go(u64{515} << 30 | 0x1000)).page == 0x4000'1000);
    CHECK(met(g.go(u64{1} << 40)) == Met{FaultKind::Translation, 0});
    g.regime.vtcr = (g.regime.vtcr & ~u64{63}) | 20; // 44 bits would be 32 tables
    CHECK(met(g.go(0)) == Met{FaultKind::Translation, 0});
    g.regime.pa_bits = 48;
    g.regime.vtcr = (g.regime.vtcr & ~u64{63}) | 21; // 43 bits: 16 tables
    g.regime.vttbr = g.table(0x10000);
    g.set(g.regime.vttbr, 8191, 0x4000'0000 | kBlock | g.kLeaf);
    CHECK(mapped(g.go(u64{8191} << 30)).page == 0x4000'0000);
    g.regime.vtcr = (g.regime.vtcr & ~u64{63}) | 34; // 30 bits: nothing for level 1
    CHECK(met(g.go(0)) == Met{FaultKind::Translation, 0});
    g.regime.pa_bits = 36; // more input than the CPU has physical addresses
    g.regime.vtcr = (g.regime.vtcr & ~u64{63}) | 24;
    CHECK(met(g.go(0)) == Met{FaultKind::Translation, 0});
}

TEST_CASE("start levels of each granule", "[mmu]") {
    Guest g;
    const auto start = [&g](u64 vtcr) {
        g.regime.vtcr = vtcr | u64{5} << 16;
        g.regime.vttbr = 0; // nothing there: the fault names the level
        return fault_of(g.go(0)).level;
    };
    const u64 k64 = 1 << 14, k16 = 2 << 14;
    CHECK(start(16 | 2 << 6) == 0);
    CHECK(start(30 | 0 << 6) == 2);
    CHECK(start(43 | 3 << 6) == 3);
    CHECK(start(22 | k64 | 1 << 6) == 2);
    CHECK(start(16 | k64 | 2 << 6) == 1);
    CHECK(met(g.go(0)).kind == FaultKind::ExternalAbortOnWalk);
    CHECK(start(16 | k64 | 3 << 6) == 0);
    CHECK(met(g.go(0)) == Met{FaultKind::Translation, 0});
    CHECK(start(24 | k16 | 1 << 6) == 2);
    CHECK(start(17 | k16 | 2 << 6) == 1);
    CHECK(start(17 | k16 | 3 << 6) == 0);
    CHECK(met(g.go(0)) == Met{FaultKind::Translation, 0});
    g.regime.pa_bits = 52;
    CHECK(start(12 | k16 | 3 << 6 | u64{1} << 32) == 0);
    CHECK(met(g.go(0)).kind == FaultKind::ExternalAbortOnWalk);
    CHECK(start(12 | u64{1} << 32 | u64{1} << 33) == -1);
    g.regime.features.ttst = false;
    CHECK(start(39 | 3 << 6) == 0);
    CHECK(met(g.go(0)) == Met{FaultKind::Translation, 0});
}

TEST_CASE("faults of stage 2 name the intermediate address", "[mmu]") {
    Guest g;
    g.set(g.l3, 9, 0);
    const Fault fault = fault_of(g.go(0x9abc, kWrite));
    CHECK(fault.kind == FaultKind::Translation);
    CHECK(fault.level == 3);
    CHECK(fault.stage2);
    CHECK_FALSE(fault.s1ptw);
    CHECK(fault.write);
    CHECK(fault.ipa == 0x9abc);
    g.page(9, g.kLeaf & ~kAf);
    CHECK(met(g.go(0x9000)) == Met{FaultKind::AccessFlag, 3});
    g.set(g.l3, 9, u64{1} << 41 | kPage | g.kLeaf);
    CHECK(met(g.go(0x9000)) == Met{FaultKind::AddressSize, 3});
    CHECK(par_of(fault) == (1 | 0b000111 << 1 | 1 << 9 | 1 << 11));
}

TEST_CASE("S2AP and XN", "[mmu]") {
    Guest g;
    const Access el0[] = {kReadEl0, kWriteEl0, kFetchEl0}, el1[] = {kRead, kWrite, kFetch};
    struct Row {
        u64 bits;
        const char* el0;
        const char* el1;
    };
    const u64 xn1 = u64{2} << 53, xn0 = u64{1} << 53;
    const Row rows[] = {{0, "--x", "--x"},
                        {kS2Read, "r-x", "r-x"},
                        {kS2Write, "-wx", "-wx"},
                        {kS2Read | kS2Write, "rwx", "rwx"},
                        {kS2Read | xn1, "r--", "r--"},
                        {kS2Read | xn0, "r-x", "r--"},
                        {kS2Read | xn1 | xn0, "r--", "r-x"}};
    for (const Row& row : rows) {
        g.page(0, kAf | kS2Normal | row.bits);
        INFO(std::hex << row.bits);
        for (int i = 0; i < 3; ++i) {
            CHECK(is_mapped(g.go(0, el0[i])) == (row.el0[i] != '-'));
            CHECK(is_mapped(g.go(0, el1[i])) == (row.el1[i] != '-'));
        }
    }
    g.regime.features.xnx = false;
    g.page(0, g.kLeaf | xn0);
    CHECK(is_mapped(g.go(0, kFetch)));
    g.page(0, g.kLeaf | xn1 | xn0);
    CHECK_FALSE(is_mapped(g.go(0, kFetch)));
    // What both stages grant is granted.
    g.enable_stage1();
    g.page(8, kAf | kS2Normal | kS2Read);
    CHECK_FALSE(mapped(g.go(0)).writable_el1);
    CHECK_FALSE(mapped(g.go(0)).readable_el0);
    const Fault fault = fault_of(g.go(0, kWrite));
    CHECK(fault.kind == FaultKind::Permission);
    CHECK(fault.stage2);
    CHECK(fault.ipa == 0x8000);
}

TEST_CASE("a walk of stage 1 faults in stage 2", "[mmu]") {
    Guest g;
    g.enable_stage1();
    g.set(g.l3, 2, 0);
    const Fault fault = fault_of(g.go(0x10, kWrite));
    CHECK(fault.kind == FaultKind::Translation);
    CHECK(fault.level == 3);
    CHECK(fault.stage2);
    CHECK(fault.s1ptw);
    CHECK_FALSE(fault.write); // the walk only reads
    CHECK(fault.ipa == 0x2000);
    g.page(2, kAf | kS2Normal | kS2Write);
    CHECK(met(g.go(0)) == Met{FaultKind::Permission, 3});
    // No tables in Device memory with PTW.
    g.page(2, kAf | kS2Read);
    CHECK(is_mapped(g.go(0)));
    g.regime.hcr |= kPtw;
    CHECK(met(g.go(0)) == Met{FaultKind::Permission, 3});
    CHECK(fault_of(g.go(0)).s1ptw);
}

TEST_CASE("noting an access in stage 1's table writes through stage 2", "[mmu]") {
    Guest g;
    g.enable_stage1();
    g.regime.tcr |= u64{3} << 39;
    const PhysAddr s1_l3 = g.kOffset + 0x3000;
    g.set(s1_l3, 0, 0x8000 | kPage | kInner);
    g.page(3, kAf | kS2Normal | kS2Read); // the table is read-only for the guest
    const Fault fault = fault_of(g.go(0));
    CHECK(fault.kind == FaultKind::Permission);
    CHECK(fault.s1ptw);
    CHECK(fault.write);
    CHECK(fault.ipa == 0x3000);
    g.page(3, g.kLeaf);
    CHECK(is_mapped(g.go(0)));
    CHECK(bit(g.get(s1_l3, 0), 10));
}

TEST_CASE("stage 2's own access flag and dirty state", "[mmu]") {
    Guest g;
    g.regime.vtcr |= 3 << 21;
    g.page(5, kS2Normal | kS2Read | kDbm);
    const Translation clean = mapped(g.go(0x5000));
    CHECK(clean.writable_el1);
    CHECK(clean.writable_needs_dirty);
    CHECK(bit(g.get(g.l3, 5), 10));
    CHECK_FALSE(bit(g.get(g.l3, 5), 7));
    CHECK_FALSE(mapped(g.go(0x5000, kWrite)).writable_needs_dirty);
    CHECK(bit(g.get(g.l3, 5), 7));
    g.page(5, kAf | kS2Normal | kS2Read);
    CHECK_FALSE(is_mapped(g.go(0x5000, kWrite)));
    // The table that stage 1's update writes becomes dirty, too.
    g.enable_stage1();
    g.regime.tcr |= u64{1} << 39;
    g.page(3, kAf | kS2Normal | kS2Read | kDbm);
    g.set(g.kOffset + 0x3000, 0, 0x8000 | kPage | kInner);
    CHECK(is_mapped(g.go(0)));
    CHECK(bit(g.get(g.l3, 3), 7));
}

TEST_CASE("memory has tags as long as stage 2 leaves it write-back", "[mmu]") {
    Guest g;
    g.enable_stage1();
    g.regime.features.mte = true;
    g.regime.sctlr |= 1 << 2; // C
    struct Row {
        u8 stage1;
        unsigned mem_attr;
        u64 hcr;
        bool tagged;
    };
    const Row rows[] = {
        {0xf0, 0b1111, kVm, true},         {0xf0, 0b1010, kVm, false},
        {0xf0, 0b0101, kVm, false},        {0xf0, 0b0001, kVm, false},
        {0xff, 0b1111, kVm, false},        {0xf0, 0b0110, kVm | kFwb, true},
        {0xf0, 0b0111, kVm | kFwb, true},  {0xf0, 0b0101, kVm | kFwb, false},
        {0x04, 0b0110, kVm | kFwb, false},
    };
    for (const Row& row : rows) {
        INFO(std::hex << int{row.stage1} << " " << row.mem_attr << " " << row.hcr);
        g.regime.mair = row.stage1;
        g.page(8, (g.kLeaf & ~kS2Normal) | u64{row.mem_attr} << 2);
        g.regime.hcr = row.hcr;
        CHECK(mapped(g.go(0)).tagged == row.tagged);
    }
    // HCR_EL2.DC instead of stage 1: by DCT.
    constexpr u64 kDc = u64{1} << 12, kDct = u64{1} << 57;
    g.regime.sctlr = 0;
    g.page(0, (g.kLeaf & ~kS2Normal) | u64{0b1111} << 2);
    g.regime.hcr = kVm | kDc;
    CHECK_FALSE(mapped(g.go(0)).tagged);
    g.regime.hcr = kVm | kDc | kDct;
    CHECK(mapped(g.go(0)).tagged);
}

TEST_CASE("types of both stages combine to the weaker", "[mmu]") {
    Guest g;
    g.enable_stage1();
    struct Row {
        u8 stage1;
        unsigned mem_attr;
        u8 both, with_fwb;
    };
    const Row rows[] = {
        {0xff, 0b1111, 0xff, 0xff}, {0xff, 0b1010, 0xbb, 0x08}, {0xff, 0b0101, 0x44, 0x44},
        {0xff, 0b0111, 0x4f, 0xff}, {0xbb, 0b1111, 0xbb, 0xbb}, {0x44, 0b0110, 0x44, 0xff},
        {0x04, 0b0110, 0x04, 0xff}, {0x04, 0b0101, 0x04, 0x04}, {0x0c, 0b0001, 0x04, 0x04},
        {0xff, 0b0010, 0x08, 0x08}, {0x00, 0b1111, 0x00, 0x00},
    };
    for (const Row& row : rows) {
        INFO(std::hex << int{row.stage1} << " " << row.mem_attr);
        g.regime.mair = row.stage1;
        g.page(8, (g.kLeaf & ~kS2Normal) | u64{row.mem_attr} << 2);
        g.regime.hcr = kVm;
        CHECK(int{mapped(g.go(0)).attributes} == row.both);
        g.regime.hcr = kVm | kFwb;
        const Translation forced = mapped(g.go(0));
        CHECK(int{forced.attributes} == row.with_fwb);
        const bool device = (row.stage1 & 0xf0) == 0 || (row.with_fwb & 0xf0) == 0;
        CHECK(forced.aligned_only == device); // also where stage 2 forces Normal memory
    }
    g.regime.features.s2fwb = false;
    g.page(8, (g.kLeaf & ~kS2Normal) | 0b0110 << 2);
    g.regime.mair = 0xff;
    CHECK(mapped(g.go(0)).attributes == 0x4b);
}

TEST_CASE("HCR_EL2.DC gives cacheable memory without stage 1", "[mmu]") {
    Guest g;
    g.enable_stage1();
    g.regime.hcr = kDc;
    const Translation to = mapped(g.go(0x8000));
    CHECK(to.page == g.kOffset + 0x8000); // DC implies VM
    CHECK(to.attributes == 0xff);
    CHECK(to.normal);
    g.regime.hcr = kTge; // neither stage
    CHECK(mapped(g.go(0x8000)).page == 0x8000);
    CHECK_FALSE(mapped(g.go(0x8000)).normal);
}

TEST_CASE("stage 2's tables have their own byte order", "[mmu]") {
    Guest g;
    g.regime.stage2_big_endian = true;
    CHECK_FALSE(is_mapped(g.go(0)));
    for (const PhysAddr at : {g.l1, g.l2, g.l3}) {
        g.set(at, 0, __builtin_bswap64(g.get(at, 0)));
    }
    CHECK(mapped(g.go(0)).page == g.kOffset);
}

TEST_CASE("descriptors change only by what hardware notes while others change them", "[mmu]") {
    Guest g;
    g.enable_stage1();
    g.regime.tcr |= u64{3} << 39;
    const PhysAddr s1_l3 = g.kOffset + 0x3000;
    u64* const entry = reinterpret_cast<u64*>(g.memory.ram(s1_l3, 8));
    const u64 clean = 0x8000 | kPage | kInner | kAp2 | kDbm;
    constexpr u64 kSoftware = u64{1} << 55;
    __atomic_store_n(entry, clean, __ATOMIC_SEQ_CST);
    std::atomic<bool> stop = false;
    u64 lost = 0;
    // A kernel that cleans the page again and again, and keeps a bit of its own.
    std::thread kernel([&] {
        u64 mine = 0;
        for (int i = 0; i < 20000; ++i) {
            const u64 old = __atomic_exchange_n(entry, clean | mine, __ATOMIC_SEQ_CST);
            lost += i != 0 && (old & kSoftware) != (mine ^ kSoftware);
            mine ^= kSoftware;
        }
        stop = true;
    });
    u64 failed = 0;
    while (!stop) {
        failed += !is_mapped(g.go(0, kWrite));
    }
    kernel.join();
    CHECK(failed == 0);
    CHECK(lost == 0);
}

} // namespace
} // namespace ulna::system
