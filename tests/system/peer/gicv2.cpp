// GICv2, as the peer's, with one CPU: with more the peer keeps pending states for each target. The
// peer has all eight bits of priorities, no registers for group 1 apart, drops at the end of an
// interrupt that is not the most urgent one the priority of its group (so all are in group 0),
// looks at all of a priority to preempt, whatever GICC_BPR, and fails on CPENDSGIR and SPENDSGIR.
// With it, HPPIR shows nothing that GICC_PMR masks.
#include "runtime/devices/gicv2.h"
#include "runtime/devices/virt_map.h"
#include "tests/system/peer/peer_machine.h"

#include "tests/support/catch.h"

namespace ulna::devices {
namespace {

using test::Record;
using test::Script;

constexpr u64 kDist = virt::kGicDistributor.base, kCpu = virt::kGicCpuInterface.base,
              kHyp = virt::kGicHypervisor.base, kVirtual = virt::kGicVirtualCpu.base;

void random_distributor(Script& s) {
    constexpr u64 kBitRegisters[] = {0x100, 0x100, 0x100, 0x180, 0x200, 0x200, 0x280};
    switch (s.random(7)) {
    case 0:
        s.write(kDist, s.random(4) != 0 ? 3 : 0); // one group off hides nothing from the peer's IAR
        s.read(kDist);
        return;
    case 1: {
        const u64 at = kDist + 0x400 + s.random(96);
        s.write(at, s.random(31) * 8, 1);
        s.read(at & ~u64{3});
        return;
    }
    case 2: {
        const u64 at = kDist + 0x800 + 32 + s.random(64);
        s.write(at, s.random(4), 1);
        s.read(at & ~u64{3});
        return;
    }
    case 3: {
        const u64 at = kDist + 0xc08 + 4 * s.random(4);
        // Of the lower bit of each field the peer makes a model of GICv1.
        s.write(at, s.bits() & 0xaaaa'aaaa);
        s.read(at);
        return;
    }
    case 4:
        s.write(kDist + 0xf00, s.random(3) << 24 | s.random(2) << 16 | s.random(16));
        break;
    default: {
        const u64 at = kDist + kBitRegisters[s.random(7)] + 4 + 4 * s.random(2);
        s.write(at, s.bits() & s.bits());
        s.read(at);
    }
    }
    s.read(kDist + 0x200);
    s.read(kDist + 0x204);
}

void random_interface(Script& s, bool masked) {
    switch (s.random(5)) {
    case 0:
        s.write(kCpu + 0x4, masked ? s.random(32) * 8 : 0xf8);
        s.read(kCpu + 0x4);
        break;
    case 1:
        s.write(kCpu, 3 | (s.random(4) != 0 ? 4 : s.bits() & 0x21c));
        s.read(kCpu);
        break;
    case 2:
    case 3:
        s.read(kCpu + 0xc);
        break;
    default:
        s.write(kCpu + 0x10, s.random(96));
    }
    s.read(kCpu + 0x14);
    if (!masked) {
        s.read(kCpu + 0x18);
    }
}

void random_guest(Script& s) {
    switch (s.random(5)) {
    case 0: {
        const u32 n = s.random(4);
        const u64 at = kHyp + 0x100 + 4 * n;
        const u64 id = 16 + 4 * s.random(20) + n; // no two have the same
        const bool hardware = s.random(2) != 0;
        s.write(at, s.bits() % 4 << 28 | u64{s.random(31)} << 23 | id |
                        (hardware ? 1u << 31 | (16 + s.random(60)) << 10 : s.random(2) << 19));
        s.read(at);
        break;
    }
    case 1:
    case 2:
        s.read(kVirtual + 0xc);
        break;
    case 3:
        s.write(kVirtual + 0x10, 16 + s.random(80));
        s.write(kDist + 0x104, 0); // has the peer notice that a physical interrupt was deactivated
        break;
    default:
        s.write(kHyp, 1 | (s.bits() & 0xa));
        s.read(kHyp);
    }
    s.read(kVirtual + 0x14);
    s.read(kVirtual + 0x18);
    for (const u64 at : {0x10, 0x20, 0x30, 0xf0, 0x100, 0x104, 0x108, 0x10c}) {
        s.read(kHyp + at);
    }
}

TEST_CASE("a GICv2 does what the peer's does", "[peer]") {
    if (test::no_peer()) {
        return;
    }
    const unsigned seed = GENERATE(range(0u, 3u));
    CAPTURE(seed);
    Script s(seed);
    s.write(kDist, 3);
    s.write(kCpu, 3);
    s.write(kCpu + 4, 0xff);
    s.write(kHyp, 1);
    s.write(kHyp + 8, 0xf800'0003);
    for (int i = 0; i < 4000; ++i) {
        if (s.random(3) == 0) {
            random_guest(s);
        } else if (s.random(2) != 0) {
            random_distributor(s);
        } else {
            random_interface(s, seed % 2 != 0);
        }
    }
    PhysicalMemory memory;
    Gicv2 gic(1, virt::kSpis, [] { return 0u; });
    memory.add_device(kDist, virt::kGicDistributor.bytes, gic.distributor());
    memory.add_device(kCpu, virt::kGicCpuInterface.bytes, gic.cpu_interface());
    memory.add_device(kHyp, virt::kGicHypervisor.bytes, gic.hypervisor_interface());
    memory.add_device(kVirtual, virt::kGicVirtualCpu.bytes, gic.virtual_interface());
    test::compare_with_peer(s, "gic-version=2,virtualization=on -smp 1",
                            [&](const Record& record) { return test::run_access(memory, record); });
}

} // namespace
} // namespace ulna::devices
