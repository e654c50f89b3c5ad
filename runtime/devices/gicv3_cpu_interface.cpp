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

u32 Gicv3::acknowledge(Cpu& cpu, unsigned registers, const Accessor& by) {
    const u32 intid = signals(cpu) ? highest_pending(cpu, registers, by) : kSpurious;
    if (intid >= kFirstSpecial && intid < kFirstLpi) {
        return intid;
    }
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

// To EL3 the registers of group 0 also say of which state an interrupt of group 1 is (IHI 0069
// 4.2.2).
u32 Gicv3::highest_pending(const Cpu& cpu, unsigned registers, const Accessor& by) const {
    if (is_shown(cpu.best.group, registers, by)) {
        return cpu.best.intid;
    }
    if (registers == kGroup1 || !by.el3) {
        return kSpurious;
    }
    return cpu.best.group == kSecureGroup1 ? kOfSecureGroup1 : kOfGroup1;
}

void Gicv3::end_interrupt(Cpu& cpu, unsigned registers, u32 intid, const Accessor& by) {
    if (intid >= kFirstSpecial && intid < kFirstLpi) {
        return;
    }
    const unsigned group = cpu.priorities.running_group();
    if (!is_shown(group, registers, by) || !cpu.priorities.drop(group)) {
        return;
    }
    if (!drops_only(cpu, by)) {
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

// ICC_SGIxR_EL1.
void Gicv3::send_sgi(Cpu& sender, u64 value, u32 encoding, const Accessor& by) {
    const unsigned sgi = value >> 24 & 15;
    const bool all_others = (value >> 40 & 1) != 0;
    const unsigned first = static_cast<unsigned>(value >> 44 & 15) * 16; // RS
    const u64 upper =
        (value >> 48 & 0xff) << 32 | (value >> 32 & 0xff) << 16 | (value >> 16 & 0xff) << 8;
    for (Cpu& cpu : cpus_) {
        const u64 affinity = gicv3_affinity(cpu.number);
        const u64 place = (affinity & 0xff) - first;
        const bool listed = (affinity & ~u64{0xff}) == upper && place < 16 && (value >> place & 1);
        const bool meant = all_others ? &cpu != &sender : listed;
        if (meant && takes_sgi(cpu, sgi, encoding, by)) {
            cpu.own.latched |= 1u << sgi;
            refresh_own(cpu);
        }
    }
}

bool Gicv3::read_register(unsigned cpu_number, u32 encoding, u64& value, const Accessor& who) {
    Cpu& cpu = cpus_[cpu_number];
    const Priorities& p = cpu.priorities;
    const Accessor by = two_states_ ? who : Accessor{};
    if (two_states_ && read_banked(cpu, encoding, by, value)) {
        return true;
    }
    switch (encoding) {
    case ICC_IAR0_EL1:
    case ICC_IAR1_EL1:
        value = acknowledge(cpu, encoding == ICC_IAR1_EL1 ? kGroup1 : kGroup0, by);
        return true;
    case ICC_HPPIR0_EL1:
    case ICC_HPPIR1_EL1:
        value = highest_pending(cpu, encoding == ICC_HPPIR1_EL1 ? kGroup1 : kGroup0, by);
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

bool Gicv3::write_register(unsigned cpu_number, u32 encoding, u64 value, const Accessor& who) {
    Cpu& cpu = cpus_[cpu_number];
    Priorities& p = cpu.priorities;
    const Accessor by = two_states_ ? who : Accessor{};
    const u32 intid = static_cast<u32>(value & kIntidMask);
    if (two_states_ && write_banked(cpu, encoding, by, value)) {
        return true;
    }
    switch (encoding) {
    case ICC_EOIR0_EL1:
    case ICC_EOIR1_EL1:
        end_interrupt(cpu, encoding == ICC_EOIR1_EL1 ? kGroup1 : kGroup0, intid, by);
        return true;
    case ICC_DIR_EL1:
        if (drops_only(cpu, by) && may_deactivate(cpu, intid, by)) { // else the write is ignored
            deactivate(cpu, intid);
        }
        return true;
    case ICC_SGI0R_EL1:
    case ICC_ASGI1R_EL1:
    case ICC_SGI1R_EL1:
        send_sgi(cpu, value, encoding, by);
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
