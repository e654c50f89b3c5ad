// GICv3, its virtual interface and the ITS, as the peer's.
#include "runtime/devices/gicv3_its.h"
#include "runtime/devices/gicv3_registers.h"
#include "runtime/devices/virt_map.h"
#include "tests/system/peer/peer_machine.h"
#include "tests/system/seen_line.h"

#include "tests/support/catch.h"

namespace ulna::devices {
namespace {

using namespace gicv3;
using test::Record;
using test::Script;

constexpr u64 kDist = virt::kGicDistributor.base, kRedist = virt::kGicRedistributors.base,
              kIts = virt::kGicIts.base;
constexpr const char* kMachine = "gic-version=3,virtualization=on -smp 2";

// Of the two CPUs, CPU 0 executes.
class Model {
  public:
    Model() {
        std::string why_not;
        REQUIRE(memory_.add_ram(test::kFreeRam, test::kFreeRamBytes, why_not) != nullptr);
        memory_.add_device(kDist, virt::kGicDistributor.bytes, gic_.distributor());
        memory_.add_device(kRedist, virt::kGicRedistributors.bytes, gic_.redistributors());
        memory_.add_device(kIts, virt::kGicIts.bytes, its_);
        gic_.connect(0, {&irq_, &fiq_});
    }

    u64 operator()(const Record& record) {
        if (!record.is_sysreg()) {
            return test::run_access(memory_, record);
        }
        if (record.kind == Record::kSysregEl1 && (irq_.on || fiq_.on)) {
            return irq_.on ? test::kGotIrq : test::kGotFiq;
        }
        u64 value = record.value;
        return run(record, value) ? value : test::kUndefined;
    }

  private:
    bool run(const Record& record, u64& value) {
        const u32 encoding = record.encoding();
        if (record.kind == Record::kSysregEl1 && Gicv3::is_virtual(encoding, true, true)) {
            return record.is_mrs() ? gic_.read_virtual_register(0, encoding, value)
                                   : gic_.write_virtual_register(0, encoding, value);
        }
        return record.is_mrs() ? gic_.read_register(0, encoding, value)
                               : gic_.write_register(0, encoding, value);
    }

    PhysicalMemory memory_;
    Gicv3 gic_{2, virt::kSpis};
    Gicv3Its its_{gic_, memory_};
    SeenLine irq_, fiq_;
};

void enable(Script& s) {
    s.write(kDist, 3);
    s.set(ICC_PMR_EL1, 0xff);
    s.set(ICC_IGRPEN0_EL1, 1);
    s.set(ICC_IGRPEN1_EL1, 1);
}

constexpr u64 kBitRegisters[] = {0x80, 0x100, 0x100, 0x180, 0x200, 0x200, 0x280, 0x300, 0x380};

void random_distributor(Script& s) {
    switch (s.random(8)) {
    case 0:
        s.write(kDist, s.random(4));
        s.read(kDist);
        return;
    case 1: {
        const u64 at = kDist + 0x400 + 32 + s.random(64);
        s.write(at, s.random(32) * 8, 1); // the peer's distributor has all eight bits
        s.read(at & ~u64{3});
        return;
    }
    case 2: {
        const u64 at = kDist + 0xc08 + 4 * s.random(4);
        s.write(at, s.bits());
        s.read(at);
        return;
    }
    case 3: {
        const u64 at = kDist + 0x6000 + 8 * (32 + s.random(64));
        s.write(at, s.random(3), 8); // there is no CPU 2
        s.read(at, 8);
        return;
    }
    default: {
        const u64 at = kDist + kBitRegisters[s.random(9)] + 4 + 4 * s.random(2);
        s.write(at, s.bits() & s.bits());
        s.read(at);
        s.read(kDist + 0x204);
    }
    }
}

void random_redistributor(Script& s) {
    const u64 base = kRedist + s.random(2) * Gicv3::kRedistributorBytes + 0x1'0000;
    switch (s.random(4)) {
    case 0: {
        const u64 at = base + 0x400 + s.random(32);
        s.write(at, s.random(32) * 8, 1);
        s.read(at & ~u64{3});
        return;
    }
    case 1:
        s.write(base + 0xc04, s.bits());
        s.read(base + 0xc04);
        return;
    default: {
        const u64 at = base + kBitRegisters[s.random(9)];
        s.write(at, s.bits() & s.bits());
        s.read(at);
        s.read(base + 0x200);
    }
    }
}

void random_control(Script& s, Record::Kind kind) {
    constexpr u32 kRegisters[] = {ICC_PMR_EL1,   ICC_PMR_EL1,     ICC_BPR0_EL1,
                                  ICC_BPR1_EL1,  ICC_CTLR_EL1,    ICC_AP0R0_EL1,
                                  ICC_AP1R0_EL1, ICC_IGRPEN0_EL1, ICC_IGRPEN1_EL1};
    // With the peer, what is pending of a group that ICC_IGRPEN disables hides the other group.
    const u32 which = kRegisters[s.random(kind == Record::kSysreg ? 7 : 9)];
    u64 value = s.bits() & 0xff;
    if (which == ICC_PMR_EL1 && s.random(2) != 0) {
        value = 0xff;
    } else if (which == ICC_BPR0_EL1 || which == ICC_BPR1_EL1) {
        value = 3 + s.random(5); // on lower ones the peer fails
    }
    s.set(which, value, kind);
    s.get(which, kind);
}

void random_interface(Script& s, Record::Kind kind) {
    switch (s.random(6)) {
    case 0:
        random_control(s, kind);
        break;
    case 1:
        s.get(ICC_IAR0_EL1, kind);
        break;
    case 2:
        s.get(ICC_IAR1_EL1, kind);
        break;
    case 3:
        s.set(s.random(2) != 0 ? ICC_EOIR0_EL1 : ICC_EOIR1_EL1, s.random(96), kind);
        break;
    case 4:
        s.set(ICC_DIR_EL1, s.random(96), kind);
        break;
    default:
        if (kind == Record::kSysreg) {
            s.set(s.random(2) != 0 ? ICC_SGI0R_EL1 : ICC_SGI1R_EL1,
                  u64{s.random(16)} << 24 | u64{s.random(2)} << 40 | s.random(4));
        }
    }
    for (const u32 which :
         {ICC_HPPIR0_EL1, ICC_HPPIR1_EL1, ICC_RPR_EL1, ICC_AP0R0_EL1, ICC_AP1R0_EL1}) {
        s.get(which, kind);
    }
}

// With EOImode 1 the peer counts in ICH_HCR_EL2.EOIcount also EOIs, though DIR deactivates: so that
// is not looked at, nor LRENPIE set. For VGrp0DIE it looks at group 1.
constexpr u64 kEoiCount = u64{31} << 27, kEnables = 0xda;

void random_hypervisor(Script& s) {
    switch (s.random(4)) {
    case 0:
        s.set(ICH_HCR_EL2, (s.bits() & kEnables) | (s.random(4) != 0));
        break;
    case 1:
        // On binary points below the lowest the peer fails; it keeps all bits of VPMR.
        s.set(ICH_VMCR_EL2,
              (s.bits() & 0xf800'0213) | (2 + s.random(6)) << 21 | (3 + s.random(5)) << 18);
        s.get(ICH_VMCR_EL2);
        break;
    default: {
        const u32 which = ICH_LR0_EL2 + s.random(4);
        const u64 hardware = u64{1} << 61 | u64{16 + s.random(60)} << 32;
        s.set(which, (s.bits() & 0xd0ff'0000'0000'0000) | s.random(96) |
                         (s.random(2) != 0 ? hardware : u64{s.random(2)} << 41));
        s.get(which);
    }
    }
    for (const u32 which :
         {ICH_MISR_EL2, ICH_EISR_EL2, ICH_ELRSR_EL2, ICH_HCR_EL2, ICH_AP0R0_EL2, ICH_AP1R0_EL2}) {
        s.get(which);
    }
}

TEST_CASE("a GICv3 does what the peer's does", "[peer]") {
    if (test::no_peer()) {
        return;
    }
    const unsigned seed = GENERATE(range(0u, 3u));
    CAPTURE(seed);
    Script s(seed);
    enable(s);
    for (int i = 0; i < 4000; ++i) {
        switch (s.random(8)) {
        case 0:
        case 1:
            random_distributor(s);
            break;
        case 2:
            random_redistributor(s);
            break;
        case 3:
            random_hypervisor(s);
            break;
        case 4:
        case 5:
            random_interface(s, Record::kSysregEl1);
            break;
        default:
            random_interface(s, Record::kSysreg);
        }
    }
    Model model;
    test::compare_with_peer(s, kMachine, [&](Record record) {
        const u64 ours = model(record);
        const bool counts = record.is_sysreg() && record.encoding() == ICH_HCR_EL2;
        return counts ? (ours & ~kEoiCount) | (record.result & kEoiCount) : ours;
    });
}

// --- the ITS

constexpr u64 kQueue = test::kFreeRam, kDeviceTable = kQueue + 0x1'0000,
              kCollectionTable = kQueue + 0x2'0000, kConfiguration = kQueue + 0x3'0000,
              kPending = kQueue + 0x4'0000, kEvents = kQueue + 0x6'0000;
constexpr u64 kValid = u64{1} << 63;
constexpr u32 kLpis = 32, kDevices = 3;

class ItsScript : public Script {
  public:
    explicit ItsScript(unsigned seed) : Script(seed) {
        enable(*this);
        for (unsigned cpu = 0; cpu < 2; ++cpu) {
            const u64 base = kRedist + cpu * Gicv3::kRedistributorBytes;
            write(base + 0x70, kConfiguration | 15, 8);
            write(base + 0x78, (kPending + cpu * 0x1'0000) | u64{1} << 62, 8);
            write(base, 1);
        }
        write(kIts + 0x100, kValid | kDeviceTable | 15, 8);
        write(kIts + 0x108, kValid | kCollectionTable | 15, 8);
        write(kIts + 0x80, kValid | kQueue | 15, 8);
        write(kIts, 1);
        for (u64 collection = 0; collection < 2; ++collection) {
            command(9, 0, kValid | collection << 16 | collection); // MAPC
        }
    }
    void command(u64 first, u64 second = 0, u64 third = 0, u64 fourth = 0) {
        const u64 words[] = {first, second, third, fourth};
        for (unsigned i = 0; i < 4; ++i) {
            write(kQueue + at_ + 8 * i, words[i], 8);
        }
        at_ = (at_ + 32) % 0x1'0000;
        write(kIts + 0x88, at_, 8);
        read(kIts + 0x90, 8);
    }
    // A device that is mapped, and one that is not.
    u64 device() { return u64{random(kDevices + 1)} << 32; }
    u64 lpi() { return kFirstLpi + random(kLpis); }

  private:
    u64 at_ = 0;
};

void random_command(ItsScript& s) {
    const u64 event = s.random(34), collection = s.random(4), device = s.device();
    switch (s.random(12)) {
    case 0: // MAPD
        s.command(8 | device, 4, (s.random(8) != 0 ? kValid : 0) | (kEvents + (device >> 16)));
        break;
    case 1: // MAPC, of collections that nothing else relies on
        s.command(9, 0,
                  (s.random(4) != 0 ? kValid : 0) | u64{s.random(3)} << 16 | (2 + collection / 2));
        break;
    case 2:
    case 3:
    case 4: // MAPTI
        s.command(10 | device, event | s.lpi() << 32, collection);
        break;
    case 5: // MOVI
        s.command(1 | device, event, collection);
        break;
    case 6: // MOVALL
        s.command(14, 0, u64{s.random(3)} << 16, u64{s.random(2)} << 16);
        break;
    case 7: // DISCARD
        s.command(15 | device, event);
        break;
    case 8: // CLEAR
        s.command(4 | device, event);
        break;
    case 9: // a configuration, and INVALL of both CPUs: the peer needs none
        s.write(kConfiguration + s.random(kLpis), s.random(31) * 8 | 2 | (s.random(4) != 0), 1);
        s.command(13, 0, 0);
        s.command(13, 0, 1);
        break;
    default: // INT
        s.command(3 | device, event);
    }
}

TEST_CASE("an ITS does what the peer's does", "[peer]") {
    if (test::no_peer()) {
        return;
    }
    const unsigned seed = GENERATE(range(0u, 3u));
    CAPTURE(seed);
    ItsScript s(seed);
    for (int i = 0; i < 3000; ++i) {
        if (s.random(3) != 0) {
            random_command(s);
        } else {
            s.get(ICC_IAR1_EL1);
            s.set(ICC_EOIR1_EL1, s.lpi());
        }
        s.get(ICC_HPPIR1_EL1);
        s.get(ICC_RPR_EL1);
    }
    Model model;
    test::compare_with_peer(s, kMachine, [&](const Record& record) { return model(record); });
}

} // namespace
} // namespace ulna::devices
