// ICH_* and ICV_*: what a hypervisor's guest sees instead of ICC_* (IHI 0069 12.3, 12.4).
#include "runtime/devices/gicv3_registers.h"

namespace ulna::devices {

using namespace gicv3;

namespace {
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

// --- ICV_*

void Gicv3::update_virtual(Cpu& cpu) {
    gic::VirtualInterface& guest = cpu.guest;
    cpu.virtual_output.drive(guest.signals(), guest.best().group == 0 && guest.fiq_enabled);
    set_line(cpu, virt::ppi::kGicMaintenance, guest.interrupts());
}

void Gicv3::deactivate_physical(Cpu& cpu, const gic::VirtualInterface::Ended& ended) {
    if (ended.physical) {
        deactivate(cpu, *ended.physical);
    }
}

bool Gicv3::read_virtual_register(unsigned cpu_number, u32 encoding, u64& value) {
    Cpu& cpu = cpus_[cpu_number];
    gic::VirtualInterface& guest = cpu.guest;
    const Candidate best = guest.best();
    switch (encoding) {
    case ICC_IAR0_EL1:
    case ICC_IAR1_EL1: {
        const bool mine = best.group == (encoding == ICC_IAR1_EL1 ? 1 : 0);
        value = mine && guest.signals() ? guest.acknowledge_best() : kSpurious;
        update_virtual(cpu);
        return true;
    }
    case ICC_HPPIR0_EL1:
    case ICC_HPPIR1_EL1:
        value = best.group == (encoding == ICC_HPPIR1_EL1 ? 1 : 0) ? best.intid : kSpurious;
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
    gic::VirtualInterface& guest = cpu.guest;
    const u32 intid = static_cast<u32>(value & kIntidMask);
    const bool special = intid >= kFirstSpecial && intid < kFirstLpi;
    switch (encoding) {
    case ICC_EOIR0_EL1:
    case ICC_EOIR1_EL1:
        if (!special) {
            deactivate_physical(cpu, guest.end(encoding == ICC_EOIR1_EL1 ? 1 : 0, intid));
        }
        break;
    case ICC_DIR_EL1:
        if (guest.priorities.eoi_drops_only) {
            deactivate_physical(cpu, guest.deactivate(intid));
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

bool Gicv3::read_hypervisor_register(Cpu& cpu, u32 encoding, u64& value) {
    gic::VirtualInterface& guest = cpu.guest;
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
                1 << 20 | 1 << 19 | (gic::VirtualInterface::kListRegisters - 1);
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
        if (encoding - ICH_LR0_EL2 < gic::VirtualInterface::kListRegisters) {
            value = guest.list[encoding - ICH_LR0_EL2];
            return true;
        }
        return false;
    }
}

bool Gicv3::write_hypervisor_register(Cpu& cpu, u32 encoding, u64 value) {
    gic::VirtualInterface& guest = cpu.guest;
    switch (encoding) {
    case ICH_AP0R0_EL2:
        guest.priorities.active[0] = static_cast<u32>(value);
        break;
    case ICH_AP1R0_EL2:
        guest.priorities.active[1] = static_cast<u32>(value);
        break;
    case ICH_HCR_EL2:
        guest.set_control(value);
        break;
    case ICH_VMCR_EL2:
        guest.set_machine_control(value);
        break;
    default:
        if (encoding - ICH_LR0_EL2 >= gic::VirtualInterface::kListRegisters) {
            return false;
        }
        guest.list[encoding - ICH_LR0_EL2] = value & gic::list_register::kFields;
        break;
    }
    update_virtual(cpu);
    return true;
}

} // namespace ulna::devices
