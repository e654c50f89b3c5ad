#include "tests/system/gicv3_fixture.h"

namespace ulna::devices {
namespace {

using namespace gicv3;

constexpr u64 kPending = u64{1} << 62, kActive = u64{1} << 63, kHardware = u64{1} << 61,
              kGroup1 = u64{1} << 60, kWantsEoi = u64{1} << 41;

u64 priority(u64 p) { return p << 48; }

struct Hypervisor : GicUnderTest {
    Hypervisor() : GicUnderTest(2) {
        enable_all();
        set(0, ICH_HCR_EL2, 1);
        set(0, ICH_VMCR_EL2, u64{0xf8} << 24 | 3);
    }
    u64 list(unsigned n) { return get(0, ICH_LR0_EL2 + n); }
    void set_list(unsigned n, u64 value) { set(0, ICH_LR0_EL2 + n, value); }
    u64 status() { return get(0, ICH_MISR_EL2); }
    bool maintenance() { return (redist_read(0, 0x10200) >> virt::ppi::kGicMaintenance & 1) != 0; }
};

TEST_CASE("a guest acknowledges and ends what is in list registers", "[gicv3]") {
    Hypervisor h;
    CHECK((h.get(0, ICH_VTR_EL2) & 0x1f) == 3);
    CHECK(h.get(0, ICH_ELRSR_EL2) == 0xf);
    h.set_list(1, kPending | kGroup1 | priority(0xa0) | 40);
    h.set_list(2, kPending | kGroup1 | priority(0x40) | 41);
    CHECK(h.virq());
    CHECK_FALSE(h.vfiq());
    CHECK_FALSE(h.irq()); // the physical interface has nothing
    CHECK(h.get(0, ICH_ELRSR_EL2) == 0b1001);
    CHECK(h.vget(0, ICC_HPPIR1_EL1) == 41);
    CHECK(h.vget(0, ICC_IAR0_EL1) == kSpurious);
    CHECK(h.vget(0, ICC_IAR1_EL1) == 41);
    CHECK(h.list(2) == (kActive | kGroup1 | priority(0x40) | 41));
    CHECK(h.vget(0, ICC_RPR_EL1) == 0x40);
    CHECK(h.get(0, ICH_AP1R0_EL2) == 1 << 8);
    CHECK_FALSE(h.virq());
    h.vset(0, ICC_EOIR1_EL1, 41);
    CHECK(h.list(2) == (kGroup1 | priority(0x40) | 41));
    CHECK(h.vget(0, ICC_IAR1_EL1) == 40);
    h.vset(0, ICC_EOIR1_EL1, 40);
    CHECK(h.vget(0, ICC_IAR1_EL1) == kSpurious);
}

TEST_CASE("group 0 of a guest is a virtual FIQ", "[gicv3]") {
    Hypervisor h;
    h.set_list(0, kPending | priority(0x80) | 16);
    CHECK(h.vfiq());
    CHECK_FALSE(h.virq());
    h.vset(0, ICC_IGRPEN0_EL1, 0);
    CHECK_FALSE(h.vfiq());
    CHECK((h.get(0, ICH_VMCR_EL2) & 3) == 2);
    h.vset(0, ICC_IGRPEN0_EL1, 1);
    h.vset(0, ICC_PMR_EL1, 0x80);
    CHECK_FALSE(h.vfiq());
    CHECK(h.get(0, ICH_VMCR_EL2) >> 24 == 0x80);
    h.vset(0, ICC_PMR_EL1, 0xff);
    CHECK(h.vget(0, ICC_IAR0_EL1) == 16);
    h.set(0, ICH_HCR_EL2, 0);
    h.set_list(1, kPending | priority(0) | 17);
    CHECK_FALSE(h.vfiq());
}

TEST_CASE("the end of a guest's interrupt deactivates the physical one behind it", "[gicv3]") {
    Hypervisor h;
    h.gic.ppi(0, 27).set(true);
    CHECK(h.ack() == 27);
    h.set(0, ICC_CTLR_EL1, 2); // the hypervisor only drops the priority
    h.end(27);
    h.gic.ppi(0, 27).set(false);
    h.set_list(0, kPending | kHardware | kGroup1 | priority(0xa0) | u64{27} << 32 | 27);
    CHECK(h.redist_read(0, 0x10300) == 1 << 27);
    CHECK(h.vget(0, ICC_IAR1_EL1) == 27);
    h.vset(0, ICC_EOIR1_EL1, 27);
    CHECK(h.redist_read(0, 0x10300) == 0);
    CHECK((h.list(0) & (kPending | kActive)) == 0);
}

TEST_CASE("a guest's EOImode 1 deactivates by DIR", "[gicv3]") {
    Hypervisor h;
    h.vset(0, ICC_CTLR_EL1, 2);
    CHECK((h.get(0, ICH_VMCR_EL2) & 1 << 9) != 0);
    h.set_list(0, kPending | kGroup1 | priority(0xa0) | 50);
    CHECK(h.vget(0, ICC_IAR1_EL1) == 50);
    h.vset(0, ICC_EOIR1_EL1, 50);
    CHECK((h.list(0) & kActive) != 0);
    CHECK(h.vget(0, ICC_RPR_EL1) == 0xff);
    h.vset(0, ICC_DIR_EL1, 50);
    CHECK((h.list(0) & kActive) == 0);
}

TEST_CASE("the maintenance interrupt tells what the hypervisor asked for", "[gicv3]") {
    Hypervisor h;
    CHECK(h.status() == 0);
    h.set(0, ICH_HCR_EL2, 1 | 1 << 1); // underflow
    CHECK(h.status() == 1 << 1);
    CHECK(h.maintenance());
    CHECK(h.irq());
    h.set_list(0, kPending | kGroup1 | priority(0xa0) | 50);
    CHECK(h.status() == 1 << 1);
    h.set_list(1, kPending | kGroup1 | priority(0xa0) | 51 | kWantsEoi);
    CHECK(h.status() == 0);
    CHECK_FALSE(h.maintenance());
    h.set(0, ICH_HCR_EL2, 1 | 1 << 3); // no pending
    CHECK(h.status() == 0);
    CHECK(h.vget(0, ICC_IAR1_EL1) == 50);
    h.vset(0, ICC_EOIR1_EL1, 50);
    CHECK(h.vget(0, ICC_IAR1_EL1) == 51);
    CHECK(h.status() == 1 << 3);
    h.set(0, ICH_HCR_EL2, 1);
    h.vset(0, ICC_EOIR1_EL1, 51);
    CHECK(h.status() == 1); // EOI
    CHECK(h.get(0, ICH_EISR_EL2) == 2);
    CHECK(h.get(0, ICH_ELRSR_EL2) == 0b1101);
    h.set_list(1, 0);
    CHECK(h.status() == 0);
    h.set(0, ICH_HCR_EL2, 1 | 1 << 4 | 1 << 7);
    CHECK(h.status() == 1 << 4); // group 0 is enabled
    h.vset(0, ICC_IGRPEN0_EL1, 0);
    h.vset(0, ICC_IGRPEN1_EL1, 0);
    CHECK(h.status() == 1 << 7);
    h.set(0, ICH_HCR_EL2, 0);
    CHECK_FALSE(h.maintenance());
}

TEST_CASE("ends without a list register are counted", "[gicv3]") {
    Hypervisor h;
    h.set(0, ICH_HCR_EL2, 1 | 1 << 2);
    h.vset(0, ICC_EOIR1_EL1, 60); // no active priority: nothing
    CHECK(h.get(0, ICH_HCR_EL2) == (1 | 1 << 2));
    h.set_list(0, kPending | kGroup1 | priority(0xa0) | 50);
    CHECK(h.vget(0, ICC_IAR1_EL1) == 50);
    h.set_list(0, 0);
    h.vset(0, ICC_EOIR1_EL1, 50);
    CHECK(h.get(0, ICH_HCR_EL2) == (u64{1} << 27 | 1 | 1 << 2));
    CHECK(h.status() == 1 << 2);
}

TEST_CASE("whose registers a guest's accesses mean", "[gicv3]") {
    Hypervisor h;
    CHECK(Gicv3::is_virtual(ICC_IAR1_EL1, true, false));
    CHECK_FALSE(Gicv3::is_virtual(ICC_IAR1_EL1, false, true));
    CHECK(Gicv3::is_virtual(ICC_EOIR0_EL1, false, true));
    CHECK_FALSE(Gicv3::is_virtual(ICC_BPR0_EL1, true, false));
    CHECK(Gicv3::is_virtual(ICC_PMR_EL1, true, false));
    CHECK(Gicv3::is_virtual(ICC_DIR_EL1, false, true));
    CHECK_FALSE(Gicv3::is_virtual(ICC_SGI1R_EL1, true, true));
    CHECK_FALSE(Gicv3::is_virtual(ICC_SRE_EL1, true, true));
    CHECK(h.gic.traps_to_el2(0, ICC_SGI1R_EL1, true, false));
    CHECK_FALSE(h.gic.traps_to_el2(0, ICC_SGI1R_EL1, false, false));
    CHECK_FALSE(h.gic.traps_to_el2(0, ICC_IAR1_EL1, true, true));
    h.set(0, ICH_HCR_EL2, 1 << 12);
    CHECK(h.gic.traps_to_el2(0, ICC_IAR1_EL1, true, true));
    CHECK_FALSE(h.gic.traps_to_el2(0, ICC_DIR_EL1, true, true));
    h.set(0, ICH_HCR_EL2, 1 << 14);
    CHECK(h.gic.traps_to_el2(0, ICC_DIR_EL1, true, true));
    CHECK_FALSE(h.gic.traps_to_el2(0, ICC_PMR_EL1, true, true));
    h.set(0, ICH_HCR_EL2, 1 << 10 | 1 << 11);
    CHECK(h.gic.traps_to_el2(0, ICC_PMR_EL1, true, true));
    CHECK(h.gic.traps_to_el2(0, ICC_BPR0_EL1, true, true));
    u64 value;
    CHECK_FALSE(h.gic.read_virtual_register(0, ICC_SRE_EL1, value));
}

} // namespace
} // namespace ulna::devices
