// What two Security states make of the physical CPU interface (IHI 0069 4.6, 12.2): which
// interrupts a state sees, which copy of a register it has, how urgent priorities look to it.
#include "runtime/devices/gicv3_registers.h"

namespace ulna::devices {

using namespace gicv3;

namespace {
// ICC_CTLR_EL1, ICC_CTLR_EL3.
constexpr u64 kCbpr = 1 << 0, kEoiMode = 1 << 1;
constexpr u64 kCbprEl1S = 1 << 0, kCbprEl1Ns = 1 << 1, kEoiModeEl3 = 1 << 2, kEoiModeEl1S = 1 << 3,
              kEoiModeEl1Ns = 1 << 4;
constexpr u64 kIgrpen1El3Ns = 1 << 0, kIgrpen1El3S = 1 << 1;

unsigned group1_of(const Gicv3::Accessor& by) { return by.secure_bank ? kSecureGroup1 : kGroup1; }

// Priorities look halved to Non-secure software from which EL3 has taken group 0.
bool sees_half(const Gicv3::Accessor& by) { return !by.secure && by.fiq_to_el3; }

bool has_common_bpr(const Priorities& p, const Gicv3::Accessor& by) {
    return !by.el3 && (by.secure_bank ? p.secure_common_bpr : p.common_bpr);
}

u64 read_binary_point(const Priorities& p, const Gicv3::Accessor& by) {
    if (!has_common_bpr(p, by)) {
        return p.bpr[group1_of(by)];
    }
    return by.secure_bank ? p.bpr[kGroup0] : std::min<u8>(p.bpr[kGroup0] + 1, Priorities::kMaxBpr);
}

void write_binary_point(Priorities& p, const Gicv3::Accessor& by, u64 value) {
    if (!has_common_bpr(p, by)) {
        p.set_bpr(group1_of(by), value);
    } else if (by.secure_bank) {
        p.set_bpr(kGroup0, value);
    }
}
} // namespace

// Whether the registers of group 0, or those of group 1, show an interrupt to who asks.
bool Gicv3::is_shown(unsigned group, unsigned registers, const Accessor& by) const {
    if ((group == kGroup0) != (registers == kGroup0)) {
        return false;
    }
    return !two_states_ || (group == kGroup1 ? by.el3 || !by.secure : by.secure);
}

bool Gicv3::drops_only(const Cpu& cpu, const Accessor& by) const {
    return by.el3      ? cpu.el3_eoi_drops_only
           : by.secure ? cpu.secure_eoi_drops_only
                       : cpu.priorities.eoi_drops_only;
}

bool Gicv3::may_deactivate(Cpu& cpu, u32 intid, const Accessor& by) {
    const InterruptWord* const word = word_of(cpu, intid);
    if (!two_states_ || by.el3 || word == nullptr) {
        return true;
    }
    const unsigned group = word->group_of(intid % 32);
    if (group == kGroup0) {
        return by.secure && !by.fiq_to_el3;
    }
    return (by.secure || group == kGroup1) && !by.irq_to_el3;
}

// Whether an SGI reaches a CPU: its group there has to be the register's (IHI 0069 12.1.10), and
// Secure ones have to be open to Non-secure software. With one Security state ICC_ASGI1R_EL1 is for
// group 0, with two for group 1 of the other state; what is for the Secure group 1 is for group 0,
// too.
bool Gicv3::takes_sgi(const Cpu& target, unsigned sgi, u32 encoding, const Accessor& by) const {
    const unsigned group = target.own.group_of(sgi);
    if (!two_states_) {
        return group == (encoding == ICC_SGI1R_EL1 ? kGroup1 : kGroup0);
    }
    const unsigned meant = encoding == ICC_SGI0R_EL1                  ? kGroup0
                           : by.secure == (encoding == ICC_SGI1R_EL1) ? kSecureGroup1
                                                                      : kGroup1;
    const bool fits = group == meant || (group == kGroup0 && meant == kSecureGroup1);
    const u32 needed = group == kGroup0 ? 1 : group == kSecureGroup1 ? 2 : 0;
    return fits && (by.secure || (target.sgi_reach >> sgi * 2 & 3) >= needed);
}

u64 Gicv3::control_of_el1(const Cpu& cpu, const Accessor& by) {
    const Priorities& p = cpu.priorities;
    const bool common = by.secure_bank ? p.secure_common_bpr : p.common_bpr;
    const bool drops = by.secure_bank ? cpu.secure_eoi_drops_only : p.eoi_drops_only;
    return (common ? kCbpr : 0) | (drops ? kEoiMode : 0) | kControlCapabilities;
}

u64 Gicv3::control_of_el3(const Cpu& cpu) {
    const Priorities& p = cpu.priorities;
    return (p.secure_common_bpr ? kCbprEl1S : 0) | (p.common_bpr ? kCbprEl1Ns : 0) |
           (cpu.el3_eoi_drops_only ? kEoiModeEl3 : 0) |
           (cpu.secure_eoi_drops_only ? kEoiModeEl1S : 0) | (p.eoi_drops_only ? kEoiModeEl1Ns : 0) |
           kControlCapabilities;
}

void Gicv3::set_control_of_el3(Cpu& cpu, u64 value) {
    Priorities& p = cpu.priorities;
    p.secure_common_bpr = (value & kCbprEl1S) != 0;
    p.common_bpr = (value & kCbprEl1Ns) != 0;
    cpu.el3_eoi_drops_only = (value & kEoiModeEl3) != 0;
    cpu.secure_eoi_drops_only = (value & kEoiModeEl1S) != 0;
    p.eoi_drops_only = (value & kEoiModeEl1Ns) != 0;
}

bool Gicv3::read_banked(const Cpu& cpu, u32 encoding, const Accessor& by, u64& value) const {
    const Priorities& p = cpu.priorities;
    switch (encoding) {
    case ICC_PMR_EL1:
        value = sees_half(by) ? Priorities::nonsecure_view(p.mask) : p.mask;
        return true;
    case ICC_RPR_EL1:
        value = sees_half(by) ? Priorities::nonsecure_view(p.running()) : p.shown_running();
        return true;
    case ICC_BPR1_EL1:
        value = read_binary_point(p, by);
        return true;
    case ICC_AP1R0_EL1:
        value = p.active[group1_of(by)];
        return true;
    case ICC_CTLR_EL1:
        value = control_of_el1(cpu, by);
        return true;
    case ICC_CTLR_EL3:
        value = control_of_el3(cpu);
        return true;
    case ICC_IGRPEN1_EL1:
        value = cpu.group_enabled[group1_of(by)];
        return true;
    case ICC_IGRPEN1_EL3:
        value = (cpu.group_enabled[kGroup1] ? kIgrpen1El3Ns : 0) |
                (cpu.group_enabled[kSecureGroup1] ? kIgrpen1El3S : 0);
        return true;
    default:
        return false;
    }
}

bool Gicv3::write_banked(Cpu& cpu, u32 encoding, const Accessor& by, u64 value) {
    Priorities& p = cpu.priorities;
    switch (encoding) {
    case ICC_PMR_EL1:
        sees_half(by) ? p.write_nonsecure_mask(value) : p.write_mask(value);
        break;
    case ICC_BPR1_EL1:
        write_binary_point(p, by, value);
        break;
    case ICC_AP1R0_EL1:
        p.active[group1_of(by)] =
            static_cast<u32>(value) & (by.secure_bank ? ~u32{0} : Priorities::kNonsecureActive);
        break;
    case ICC_CTLR_EL1: // CBPR is EL3's to write
        (by.secure_bank ? cpu.secure_eoi_drops_only : p.eoi_drops_only) = (value & kEoiMode) != 0;
        break;
    case ICC_CTLR_EL3:
        set_control_of_el3(cpu, value);
        break;
    case ICC_IGRPEN1_EL1:
        enable_group(cpu, group1_of(by), (value & 1) != 0);
        return true;
    case ICC_IGRPEN1_EL3:
        cpu.group_enabled[kGroup1] = (value & kIgrpen1El3Ns) != 0;
        enable_group(cpu, kSecureGroup1, (value & kIgrpen1El3S) != 0);
        return true;
    default:
        return false;
    }
    update_output(cpu);
    return true;
}

} // namespace ulna::devices
