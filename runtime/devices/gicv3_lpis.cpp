// LPIs (IHI 0069 5.1, 6): interrupts that are messages. Which are pending is kept here, and in the
// guest's pending tables only while LPIs are off; how urgent they are, and whether enabled, is a
// byte each in a table of the guest's, read when one becomes pending and when the ITS is told to.
#include "runtime/devices/gicv3_frames.h"

#include "runtime/devices/physical_memory.h"

namespace ulna::devices {

using namespace gicv3;

namespace {
constexpr u32 kLpiEnd = 1u << kInterruptIdBits;
constexpr u64 kTableAddress = 0x000f'ffff'ffff'f000, kPendingTableAddress = 0x000f'ffff'ffff'0000;
constexpr u8 kEnabled = 1;
constexpr u64 kPendingTableBytes = kLpiEnd / 8, kFirstByte = kFirstLpi / 8;
} // namespace

void Gicv3::enable_lpis(PhysicalMemory& memory) { memory_ = &memory; }

bool Gicv3::is_lpi(u32 intid) { return intid >= kFirstLpi && intid < kLpiEnd; }

// The configuration that the guest gave an LPI; what it has no byte for is disabled.
u8 Gicv3::lpi_configuration(const Cpu& cpu, u32 intid) const {
    const u64 end = u64{2} << (cpu.property_base & 31); // IDbits
    u8 byte = 0;
    const PhysAddr at = (cpu.property_base & kTableAddress) + (intid - kFirstLpi);
    return intid < end && memory_->read_ram(at, &byte, 1) ? byte : 0;
}

// LPIs are of group 1: with two Security states the guest's byte says how urgent they are to the
// Non-secure one.
u8 Gicv3::lpi_priority(u8 configuration) const {
    return (two_states_ ? from_nonsecure_priority(configuration) : configuration) & kPriorityMask;
}

void Gicv3::reload(Cpu& cpu, u32 intid) {
    const auto found = cpu.pending_lpis.find(intid);
    if (found == cpu.pending_lpis.end()) {
        return;
    }
    cpu.lpis.erase({lpi_priority(found->second), intid});
    found->second = lpi_configuration(cpu, intid);
    if ((found->second & kEnabled) != 0) {
        cpu.lpis.emplace(lpi_priority(found->second), intid);
    }
}

void Gicv3::add_pending(Cpu& cpu, u32 intid) {
    cpu.pending_lpis.emplace(intid, 0);
    reload(cpu, intid);
}

void Gicv3::remove_pending(Cpu& cpu, u32 intid) {
    const auto found = cpu.pending_lpis.find(intid);
    if (found != cpu.pending_lpis.end()) {
        cpu.lpis.erase({lpi_priority(found->second), intid});
        cpu.pending_lpis.erase(found);
    }
}

void Gicv3::set_lpi(unsigned cpu_number, u32 intid, bool pending) {
    Cpu& cpu = cpus_[cpu_number];
    if ((cpu.control & kEnableLpis) == 0) {
        return;
    }
    if (pending) {
        add_pending(cpu, intid);
    } else {
        remove_pending(cpu, intid);
    }
    look_for_best(cpu);
}

void Gicv3::reload_lpi(unsigned cpu, u32 intid) {
    reload(cpus_[cpu], intid);
    look_for_best(cpus_[cpu]);
}

void Gicv3::reload_lpis(unsigned cpu_number) {
    Cpu& cpu = cpus_[cpu_number];
    for (const auto& [intid, configuration] : cpu.pending_lpis) {
        reload(cpu, intid);
    }
    look_for_best(cpu);
}

void Gicv3::move_lpi(unsigned from, unsigned to, u32 intid) {
    if (from != to && cpus_[from].pending_lpis.contains(intid)) {
        set_lpi(from, intid, false);
        set_lpi(to, intid, true);
    }
}

void Gicv3::move_all_lpis(unsigned from, unsigned to) {
    if (from == to) {
        return;
    }
    const auto moved = std::move(cpus_[from].pending_lpis);
    cpus_[from].pending_lpis.clear();
    cpus_[from].lpis.clear();
    look_for_best(cpus_[from]);
    for (const auto& [intid, configuration] : moved) {
        set_lpi(to, intid, true);
    }
}

// Those that are enabled, anew.
void Gicv3::sort_lpis(Cpu& cpu) {
    cpu.lpis.clear();
    for (const auto& [intid, configuration] : cpu.pending_lpis) {
        if ((configuration & kEnabled) != 0) {
            cpu.lpis.emplace(lpi_priority(configuration), intid);
        }
    }
}

// GICR_CTLR.EnableLPIs: the pending table is the guest's while it is 0.
void Gicv3::set_lpis_enabled(Cpu& cpu, bool on) {
    if (memory_ == nullptr || on == ((cpu.control & kEnableLpis) != 0)) {
        return;
    }
    const PhysAddr table = cpu.pending_base & kPendingTableAddress;
    std::vector<u8> bits(kPendingTableBytes - kFirstByte);
    if (on) {
        cpu.control |= kEnableLpis;
        const bool known = (cpu.pending_base & kPendingTableIsZero) == 0 &&
                           memory_->read_ram(table + kFirstByte, bits.data(), bits.size());
        for (u32 i = 0; known && i < bits.size() * 8; ++i) {
            if ((bits[i / 8] >> i % 8 & 1) != 0) {
                add_pending(cpu, kFirstLpi + i);
            }
        }
    } else {
        cpu.control &= ~kEnableLpis;
        for (const auto& [intid, configuration] : cpu.pending_lpis) {
            bits[(intid - kFirstLpi) / 8] |= static_cast<u8>(1 << intid % 8);
        }
        cpu.pending_lpis.clear();
        cpu.lpis.clear();
        // Where there is no memory they are lost.
        (void)memory_->write_ram(table + kFirstByte, bits.data(), bits.size());
    }
    look_for_best(cpu);
}

} // namespace ulna::devices
