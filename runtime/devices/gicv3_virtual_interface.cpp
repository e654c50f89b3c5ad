// ICH_* and ICV_*: what a hypervisor's guest sees instead of ICC_* (IHI 0069 12.4, 6). The
// hypervisor puts interrupts into list registers, the guest acknowledges and ends them there.
#include <algorithm>

#include "runtime/devices/gicv3_registers.h"

namespace ulna::devices {

using namespace gicv3;

namespace {
// Fields of a list register.
constexpr u64 kPending = u64{1} << 62, kActive = u64{1} << 63, kHardware = u64{1} << 61;
constexpr u64 kStates = kPending | kActive, kGroup1 = u64{1} << 60, kWantsEoi = u64{1} << 41;
constexpr u64 kListFields = 0xf0f8'1fff'ffff'ffff;
u32 virtual_id(u64 list) { return static_cast<u32>(list); }
u32 physical_id(u64 list) { return static_cast<u32>(list >> 32 & 0x1fff); }
unsigned group_of(u64 list) { return (list & kGroup1) != 0 ? 1 : 0; }
u32 priority_of(u64 list) { return static_cast<u32>(list >> 48) & kPriorityMask; }

// ICH_HCR_EL2. Each of the enables in bits 1 to 7 goes with the bit of ICH_MISR_EL2 in its place.
constexpr u64 kEn = 1 << 0, kUnderflow = 1 << 1, kEntryNotPresent = 1 << 2, kNoPending = 1 << 3,
              kGroup0Enabled = 1 << 4, kGroup0Disabled = 1 << 5, kGroup1Enabled = 1 << 6,
              kGroup1Disabled = 1 << 7, kTrapCommon = 1 << 10, kTrapGroup0 = 1 << 11,
              kTrapGroup1 = 1 << 12, kTrapDir = 1 << 14;
constexpr u64 kEoiCount = u64{31} << 27, kOneEoi = u64{1} << 27;
constexpr u64 kControlFields =
    kEoiCount | kTrapDir | kTrapGroup1 | kTrapGroup0 | kTrapCommon | 0xff;
constexpr u64 kMisrEoi = 1 << 0;

// ICH_VMCR_EL2
constexpr u64 kVeng0 = 1 << 0, kVeng1 = 1 << 1, kVfiqEn = 1 << 3, kVcbpr = 1 << 4, kVeoim = 1 << 9;
constexpr unsigned kVbpr1Shift = 18, kVbpr0Shift = 21, kVpmrShift = 24;

constexpr u64 kIntidMask = 0xff'ffff;

// Whose registers they are for HCR_EL2 and ICH_HCR_EL2.
enum class Class : u8 { None, Group0, Group1, Common, Sgi };
Class class_of(u32 encoding) {
    switch (encoding) {
    case ICC_IAR0_EL1:
    case ICC_EOIR0_EL1:
    case ICC_HPPIR0_EL1:
    case ICC_BPR0_EL1:
    case ICC_AP0R0_EL1:
    case ICC_IGRPEN0_EL1:
        return Class::Group0;
    case ICC_IAR1_EL1:
    case ICC_EOIR1_EL1:
    case ICC_HPPIR1_EL1:
    case ICC_BPR1_EL1:
    case ICC_AP1R0_EL1:
    case ICC_IGRPEN1_EL1:
        return Class::Group1;
    case ICC_PMR_EL1:
    case ICC_DIR_EL1:
    case ICC_RPR_EL1:
    case ICC_CTLR_EL1:
        return Class::Common;
    case ICC_SGI0R_EL1:
    case ICC_SGI1R_EL1:
    case ICC_ASGI1R_EL1:
        return Class::Sgi;
    default:
        return Class::None;
    }
}
} // namespace

bool Gicv3::is_virtual(u32 encoding, bool imo, bool fmo) {
    switch (class_of(encoding)) {
    case Class::Group0:
        return fmo;
    case Class::Group1:
        return imo;
    case Class::Common:
        return imo || fmo;
    default:
        return false;
    }
}

bool Gicv3::traps_to_el2(unsigned cpu, u32 encoding, bool imo, bool fmo) const {
    const u64 control = cpus_[cpu].guest.control;
    switch (class_of(encoding)) {
    case Class::Group0:
        return (control & kTrapGroup0) != 0;
    case Class::Group1:
        return (control & kTrapGroup1) != 0;
    case Class::Common:
        return (control & kTrapCommon) != 0 ||
               (encoding == ICC_DIR_EL1 && (control & kTrapDir) != 0);
    case Class::Sgi:
        return (control & kTrapCommon) != 0 || imo || fmo;
    case Class::None:
        break;
    }
    return false;
}

// --- list registers

// The most urgent pending interrupt of an enabled group; -1: none. ICH_HCR_EL2.En does not count:
// without it HPPIR still shows what is pending.
int Gicv3::VirtualInterface::best() const {
    int found = -1;
    u32 best = kIdlePriority;
    for (unsigned i = 0; i < kListRegisters; ++i) {
        const bool offered = (list[i] & kStates) == kPending && group_enabled[group_of(list[i])];
        if (offered && priority_of(list[i]) < best) {
            best = priority_of(list[i]);
            found = static_cast<int>(i);
        }
    }
    return found;
}

namespace {
Candidate candidate_of(u64 list) { return {priority_of(list), virtual_id(list), group_of(list)}; }
// An interrupt that was ended tells the hypervisor so.
bool has_ended(u64 list) { return (list & (kStates | kHardware | kWantsEoi)) == kWantsEoi; }
} // namespace

u64 Gicv3::VirtualInterface::ended() const { // ICH_EISR_EL2
    u64 bits = 0;
    for (unsigned i = 0; i < kListRegisters; ++i) {
        bits |= u64{has_ended(list[i])} << i;
    }
    return bits;
}

u64 Gicv3::VirtualInterface::empty() const { // ICH_ELRSR_EL2
    u64 bits = 0;
    for (unsigned i = 0; i < kListRegisters; ++i) {
        const bool free =
            (list[i] & kStates) == 0 && ((list[i] & kHardware) != 0 || (list[i] & kWantsEoi) == 0);
        bits |= u64{free} << i;
    }
    return bits;
}

u64 Gicv3::VirtualInterface::maintenance() const { // ICH_MISR_EL2
    unsigned valid = 0, pending = 0;
    for (const u64 entry : list) {
        valid += (entry & kStates) != 0;
        pending += (entry & kStates) == kPending;
    }
    const u64 conditions =
        (valid <= 1 ? kUnderflow : 0) | ((control & kEoiCount) != 0 ? kEntryNotPresent : 0) |
        (pending == 0 ? kNoPending : 0) | (group_enabled[0] ? kGroup0Enabled : kGroup0Disabled) |
        (group_enabled[1] ? kGroup1Enabled : kGroup1Disabled);
    return (conditions & control) | (ended() != 0 ? kMisrEoi : 0);
}

void Gicv3::update_virtual(Cpu& cpu) {
    VirtualInterface& guest = cpu.guest;
    const int best = guest.best();
    const bool passes = best >= 0 && (guest.control & kEn) != 0 &&
                        guest.priorities.passes(candidate_of(guest.list[best]));
    const bool group1 = passes && group_of(guest.list[best]) == 1;
    drive_output(cpu.outputs.virtual_irq, guest.irq, passes && group1);
    drive_output(cpu.outputs.virtual_fiq, guest.fiq, passes && !group1);
    set_line(&cpu, kMaintenancePpi, (guest.control & kEn) != 0 && guest.maintenance() != 0);
}

u32 Gicv3::VirtualInterface::acknowledge(unsigned group) {
    const int found = best();
    if (found < 0 || (control & kEn) == 0 || group_of(list[found]) != group ||
        !priorities.passes(candidate_of(list[found]))) {
        return kSpurious;
    }
    u64& entry = list[found];
    priorities.activate(candidate_of(entry));
    entry &= ~kPending;
    if (virtual_id(entry) < kFirstLpi) {
        entry |= kActive;
    }
    return virtual_id(entry);
}

u32 Gicv3::VirtualInterface::highest_pending(unsigned group) const {
    const int found = best();
    return found >= 0 && group_of(list[found]) == group ? virtual_id(list[found]) : kSpurious;
}

u64* Gicv3::VirtualInterface::find_active(u32 intid) {
    const auto found = std::find_if(list.begin(), list.end(), [&](u64 entry) {
        return virtual_id(entry) == intid && (entry & kActive) != 0;
    });
    return found == list.end() ? nullptr : &*found;
}

// The physical interrupt behind a list register is deactivated with it (HW = 1). If none has it,
// the hypervisor took it out, and counts on hearing of this.
void Gicv3::deactivate_virtual(Cpu& cpu, u64* entry) {
    u64& control = cpu.guest.control;
    if (entry == nullptr) {
        control += (control & kEoiCount) != kEoiCount ? kOneEoi : 0;
        return;
    }
    *entry &= ~kActive;
    if ((*entry & kHardware) != 0 && physical_id(*entry) < kFirstSpecial) {
        deactivate(cpu, physical_id(*entry));
    }
}

// VirtualWriteEOIR0 and 1: the most urgent active priority is dropped, of whichever group; what is
// deactivated must fit it.
void Gicv3::end_virtual(Cpu& cpu, unsigned group, u32 intid) {
    Priorities& p = cpu.guest.priorities;
    const u32 ended = p.running();
    if ((intid >= kFirstSpecial && intid < kFirstLpi) || ended == kIdlePriority) {
        return;
    }
    p.drop(p.running_group());
    if (p.eoi_drops_only || intid >= kFirstLpi) {
        return;
    }
    u64* const entry = cpu.guest.find_active(intid);
    if (entry == nullptr ||
        (group_of(*entry) == group && p.group_priority(priority_of(*entry), group) == ended)) {
        deactivate_virtual(cpu, entry);
    }
}

// --- ICV_*

bool Gicv3::read_virtual_register(unsigned cpu_number, u32 encoding, u64& value) {
    Cpu& cpu = cpus_[cpu_number];
    VirtualInterface& guest = cpu.guest;
    switch (encoding) {
    case ICC_IAR0_EL1:
    case ICC_IAR1_EL1:
        value = guest.acknowledge(encoding == ICC_IAR1_EL1 ? 1 : 0);
        update_virtual(cpu);
        return true;
    case ICC_HPPIR0_EL1:
        value = guest.highest_pending(0);
        return true;
    case ICC_HPPIR1_EL1:
        value = guest.highest_pending(1);
        return true;
    case ICC_IGRPEN0_EL1:
        value = guest.group_enabled[0];
        return true;
    case ICC_IGRPEN1_EL1:
        value = guest.group_enabled[1];
        return true;
    default:
        return read_priorities(guest.priorities, encoding, value);
    }
}

bool Gicv3::write_virtual_register(unsigned cpu_number, u32 encoding, u64 value) {
    Cpu& cpu = cpus_[cpu_number];
    VirtualInterface& guest = cpu.guest;
    const u32 intid = static_cast<u32>(value & kIntidMask);
    switch (encoding) {
    case ICC_EOIR0_EL1:
        end_virtual(cpu, 0, intid);
        break;
    case ICC_EOIR1_EL1:
        end_virtual(cpu, 1, intid);
        break;
    case ICC_DIR_EL1:
        if (guest.priorities.eoi_drops_only) {
            deactivate_virtual(cpu, guest.find_active(intid));
        }
        break;
    case ICC_IGRPEN0_EL1:
        guest.group_enabled[0] = (value & 1) != 0;
        break;
    case ICC_IGRPEN1_EL1:
        guest.group_enabled[1] = (value & 1) != 0;
        break;
    default:
        if (!write_priorities(guest.priorities, encoding, value)) {
            return false;
        }
        break;
    }
    update_virtual(cpu);
    return true;
}

// --- ICH_*

u64 Gicv3::VirtualInterface::machine_control() const {
    return (group_enabled[0] ? kVeng0 : 0) | (group_enabled[1] ? kVeng1 : 0) | kVfiqEn |
           (priorities.common_bpr ? kVcbpr : 0) | (priorities.eoi_drops_only ? kVeoim : 0) |
           u64{priorities.bpr[1]} << kVbpr1Shift | u64{priorities.bpr[0]} << kVbpr0Shift |
           u64{priorities.mask} << kVpmrShift;
}

// VAckCtl and VFIQEn are fixed: they are of legacy operation.
void Gicv3::VirtualInterface::set_machine_control(u64 value) {
    group_enabled = {(value & kVeng0) != 0, (value & kVeng1) != 0};
    priorities.set_bpr(0, value >> kVbpr0Shift);
    priorities.set_bpr(1, value >> kVbpr1Shift);
    priorities.common_bpr = (value & kVcbpr) != 0;
    priorities.eoi_drops_only = (value & kVeoim) != 0;
    priorities.mask = value >> kVpmrShift & kPriorityMask;
}

bool Gicv3::read_hypervisor_register(Cpu& cpu, u32 encoding, u64& value) {
    VirtualInterface& guest = cpu.guest;
    switch (encoding) {
    case ICH_AP0R0_EL2:
        value = guest.priorities.active[0];
        return true;
    case ICH_AP1R0_EL2:
        value = guest.priorities.active[1];
        return true;
    case ICH_HCR_EL2:
        value = guest.control;
        return true;
    case ICH_VTR_EL2:
        // PRIbits, PREbits, IDbits, A3V, nV4, TDS
        value = u64{kPriorityBits - 1} << 29 | (kPriorityBits - 1) << 26 | 1 << 23 | 1 << 21 |
                1 << 20 | 1 << 19 | (kListRegisters - 1);
        return true;
    case ICH_MISR_EL2:
        value = guest.maintenance();
        return true;
    case ICH_EISR_EL2:
        value = guest.ended();
        return true;
    case ICH_ELRSR_EL2:
        value = guest.empty();
        return true;
    case ICH_VMCR_EL2:
        value = guest.machine_control();
        return true;
    default:
        if (encoding - ICH_LR0_EL2 < kListRegisters) {
            value = guest.list[encoding - ICH_LR0_EL2];
            return true;
        }
        return false;
    }
}

bool Gicv3::write_hypervisor_register(Cpu& cpu, u32 encoding, u64 value) {
    VirtualInterface& guest = cpu.guest;
    switch (encoding) {
    case ICH_AP0R0_EL2:
        guest.priorities.active[0] = static_cast<u32>(value);
        break;
    case ICH_AP1R0_EL2:
        guest.priorities.active[1] = static_cast<u32>(value);
        break;
    case ICH_HCR_EL2:
        guest.control = value & kControlFields;
        break;
    case ICH_VMCR_EL2:
        guest.set_machine_control(value);
        break;
    default:
        if (encoding - ICH_LR0_EL2 >= kListRegisters) {
            return false;
        }
        guest.list[encoding - ICH_LR0_EL2] = value & kListFields;
        break;
    }
    update_virtual(cpu);
    return true;
}

} // namespace ulna::devices
