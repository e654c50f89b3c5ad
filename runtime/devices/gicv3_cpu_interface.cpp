// ICC_*: the physical CPU interface (IHI 0069 12.2).
#include "runtime/devices/gicv3_registers.h"

namespace ulna::devices {

using namespace gicv3;

namespace {
constexpr u64 kSre = 1 << 0, kDfb = 1 << 1, kDib = 1 << 2, kSreEnable = 1 << 3;
constexpr u64 kIntidMask = 0xff'ffff;
constexpr u64 kCtlrEl3Ns = 1 << 1, kCtlrEl3EoiNs = 1 << 4; // CBPR_EL1NS, EOImode_EL1NS

// ICC_CTLR_EL3 has the fields of ICC_CTLR_EL1 in other places; EOImode_EL3 is not apart.
u64 el3_control(const Priorities& p) {
    return (p.common_bpr ? kCtlrEl3Ns : 0) | (p.eoi_drops_only ? kCtlrEl3EoiNs : 0) |
           kControlCapabilities;
}
} // namespace

bool Gicv3::signals(const Cpu& cpu) const {
    return cpu.best.exists() && cpu.priorities.passes(cpu.best);
}

u32 Gicv3::acknowledge(Cpu& cpu, unsigned group) {
    if (!signals(cpu) || cpu.best.group != group) {
        return kSpurious;
    }
    const u32 intid = cpu.best.intid;
    cpu.priorities.activate(cpu.best);
    if (InterruptWord* const word = word_of(cpu, intid)) {
        const u32 bit = 1u << intid % 32;
        word->active |= bit;
        word->latched &= ~bit;
        refresh_word_of(cpu, intid);
    } else { // an LPI
        remove_pending(cpu, intid);
        look_for_best(cpu);
    }
    return intid;
}

u32 Gicv3::highest_pending(const Cpu& cpu, unsigned group) const {
    return cpu.best.group == group ? cpu.best.intid : kSpurious;
}

void Gicv3::end_interrupt(Cpu& cpu, unsigned group, u32 intid) {
    if (intid >= kFirstSpecial && intid < kFirstLpi) {
        return;
    }
    if (!cpu.priorities.drop(group)) {
        return;
    }
    if (!cpu.priorities.eoi_drops_only) {
        deactivate(cpu, intid);
    }
    update_output(cpu);
}

void Gicv3::deactivate(Cpu& cpu, u32 intid) {
    if (InterruptWord* const word = word_of(cpu, intid)) {
        word->active &= ~(1u << intid % 32);
        refresh_word_of(cpu, intid);
    }
}

void Gicv3::enable_group(Cpu& cpu, unsigned group, bool on) {
    cpu.group_enabled[group] = on;
    look_for_best(cpu);
    route_again();
}

// ICC_SGIxR_EL1. An SGI goes only to CPUs that have it in the group of the register (IHI 0069
// 12.1.10); with one Security state ICC_ASGI1R_EL1 is for group 0.
void Gicv3::send_sgi(Cpu& sender, u64 value, unsigned group) {
    const u32 bit = 1u << (value >> 24 & 15);
    const bool all_others = (value >> 40 & 1) != 0;
    const unsigned first = static_cast<unsigned>(value >> 44 & 15) * 16; // RS
    const u64 upper =
        (value >> 48 & 0xff) << 32 | (value >> 32 & 0xff) << 16 | (value >> 16 & 0xff) << 8;
    for (Cpu& cpu : cpus_) {
        const u64 affinity = gicv3_affinity(cpu.number);
        const u64 place = (affinity & 0xff) - first;
        const bool listed = (affinity & ~u64{0xff}) == upper && place < 16 && (value >> place & 1);
        const bool meant = all_others ? &cpu != &sender : listed;
        if (meant && ((cpu.own.group & bit) != 0) == (group == 1)) {
            cpu.own.latched |= bit;
            refresh_own(cpu);
        }
    }
}

bool Gicv3::read_register(unsigned cpu_number, u32 encoding, u64& value) {
    Cpu& cpu = cpus_[cpu_number];
    const Priorities& p = cpu.priorities;
    switch (encoding) {
    case ICC_IAR0_EL1:
        value = acknowledge(cpu, 0);
        return true;
    case ICC_IAR1_EL1:
        value = acknowledge(cpu, 1);
        return true;
    case ICC_HPPIR0_EL1:
        value = highest_pending(cpu, 0);
        return true;
    case ICC_HPPIR1_EL1:
        value = highest_pending(cpu, 1);
        return true;
    case ICC_CTLR_EL3:
        value = el3_control(p);
        return true;
    case ICC_SRE_EL1:
        value = kSre | kDfb | kDib;
        return true;
    case ICC_SRE_EL2:
    case ICC_SRE_EL3:
        value = kSre | kDfb | kDib | kSreEnable;
        return true;
    case ICC_IGRPEN0_EL1:
        value = cpu.group_enabled[0];
        return true;
    case ICC_IGRPEN1_EL1:
    case ICC_IGRPEN1_EL3:
        value = cpu.group_enabled[1];
        return true;
    default:
        return read_priorities(p, encoding, value) ||
               read_hypervisor_register(cpu, encoding, value);
    }
}

bool Gicv3::write_register(unsigned cpu_number, u32 encoding, u64 value) {
    Cpu& cpu = cpus_[cpu_number];
    Priorities& p = cpu.priorities;
    switch (encoding) {
    case ICC_EOIR0_EL1:
        end_interrupt(cpu, 0, static_cast<u32>(value & kIntidMask));
        return true;
    case ICC_EOIR1_EL1:
        end_interrupt(cpu, 1, static_cast<u32>(value & kIntidMask));
        return true;
    case ICC_DIR_EL1:
        if (p.eoi_drops_only) { // else the write is ignored
            deactivate(cpu, static_cast<u32>(value & kIntidMask));
        }
        return true;
    case ICC_SGI0R_EL1:
    case ICC_ASGI1R_EL1:
        send_sgi(cpu, value, 0);
        return true;
    case ICC_SGI1R_EL1:
        send_sgi(cpu, value, 1);
        return true;
    case ICC_CTLR_EL3:
        p.common_bpr = (value & kCtlrEl3Ns) != 0;
        p.eoi_drops_only = (value & kCtlrEl3EoiNs) != 0;
        break;
    case ICC_SRE_EL1:
    case ICC_SRE_EL2:
    case ICC_SRE_EL3:
        return true; // all fields are fixed: there is nothing but system registers
    case ICC_IGRPEN0_EL1:
        enable_group(cpu, 0, (value & 1) != 0);
        return true;
    case ICC_IGRPEN1_EL1:
    case ICC_IGRPEN1_EL3:
        enable_group(cpu, 1, (value & 1) != 0);
        return true;
    default:
        if (!write_priorities(p, encoding, value)) {
            return write_hypervisor_register(cpu, encoding, value);
        }
        break;
    }
    update_output(cpu);
    return true;
}

} // namespace ulna::devices
