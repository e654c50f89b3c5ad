// A GICv3 whose outputs can be seen, and its registers in short.
#pragma once

#include <memory>
#include <vector>

#include "runtime/devices/gicv3_registers.h"
#include "tests/system/seen_line.h"

#include "tests/support/catch.h"

namespace ulna::devices {

struct GicUnderTest {
    explicit GicUnderTest(unsigned cpus,
                          unsigned spis = 288,
                          gic::AccessesSecurely accesses_securely = {})
        : gic(cpus, spis, std::move(accesses_securely)) {
        for (unsigned n = 0; n < cpus; ++n) {
            lines.push_back(std::make_unique<Lines>());
            Lines& l = *lines.back();
            gic.connect(n, {&l.irq, &l.fiq, &l.virq, &l.vfiq, &l.nonsecure, &l.secure});
        }
    }

    // Everything enabled and in group 1, as an operating system has it; priorities 0xa0.
    void enable_all() {
        dist_write(0, 0x13);
        for (unsigned i = 1; i < 10; ++i) {
            dist_write(0x80 + 4 * i, 0xffff'ffff);
            dist_write(0x100 + 4 * i, 0xffff'ffff);
        }
        for (unsigned i = 8; i < 80; ++i) {
            dist_write(0x400 + 4 * i, 0xa0a0'a0a0);
        }
        for (unsigned cpu = 0; cpu < lines.size(); ++cpu) {
            redist_write(cpu, 0x14, 0);
            redist_write(cpu, 0x10080, 0xffff'ffff);
            redist_write(cpu, 0x10100, 0xffff'ffff);
            for (unsigned i = 0; i < 8; ++i) {
                redist_write(cpu, 0x10400 + 4 * i, 0xa0a0'a0a0);
            }
            set(cpu, gicv3::ICC_PMR_EL1, 0xff);
            set(cpu, gicv3::ICC_IGRPEN0_EL1, 1);
            set(cpu, gicv3::ICC_IGRPEN1_EL1, 1);
        }
    }

    u32 dist_read(u64 offset) { return static_cast<u32>(gic.distributor().read(offset, 4)); }
    void dist_write(u64 offset, u32 value) { gic.distributor().write(offset, 4, value); }
    u32 redist_read(unsigned cpu, u64 offset) {
        return static_cast<u32>(gic.redistributors().read(cpu * 0x20000 + offset, 4));
    }
    void redist_write(unsigned cpu, u64 offset, u32 value) {
        gic.redistributors().write(cpu * 0x20000 + offset, 4, value);
    }
    void set_priority(u32 intid, u8 priority, unsigned cpu = 0) {
        if (intid < 32) {
            gic.redistributors().write(cpu * 0x20000 + 0x10400 + intid, 1, priority);
        } else {
            gic.distributor().write(0x400 + intid, 1, priority);
        }
    }
    u64 get(unsigned cpu, u32 encoding) {
        u64 value = 0;
        REQUIRE(gic.read_register(cpu, encoding, value));
        return value;
    }
    void set(unsigned cpu, u32 encoding, u64 value) {
        REQUIRE(gic.write_register(cpu, encoding, value));
    }
    u64 vget(unsigned cpu, u32 encoding) {
        u64 value = 0;
        REQUIRE(gic.read_virtual_register(cpu, encoding, value));
        return value;
    }
    void vset(unsigned cpu, u32 encoding, u64 value) {
        REQUIRE(gic.write_virtual_register(cpu, encoding, value));
    }
    u64 ack(unsigned cpu = 0) { return get(cpu, gicv3::ICC_IAR1_EL1); }
    void end(u64 intid, unsigned cpu = 0) { set(cpu, gicv3::ICC_EOIR1_EL1, intid); }
    bool irq(unsigned cpu = 0) const { return lines[cpu]->irq.on; }
    bool fiq(unsigned cpu = 0) const { return lines[cpu]->fiq.on; }
    bool virq(unsigned cpu = 0) const { return lines[cpu]->virq.on; }
    bool vfiq(unsigned cpu = 0) const { return lines[cpu]->vfiq.on; }

    struct Lines {
        SeenLine irq, fiq, virq, vfiq, nonsecure, secure;
    };
    Gicv3 gic;
    std::vector<std::unique_ptr<Lines>> lines;
};

} // namespace ulna::devices
