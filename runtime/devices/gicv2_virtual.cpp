// GICH_* and GICV_*: the virtual CPU interface of a GICv2 (IHI 0048 5.3, 5.5).
#include "runtime/devices/gicv2.h"

#include "runtime/devices/guest_error.h"

namespace ulna::devices {

using namespace gic;

namespace {
// clang-format off
namespace gich {
constexpr u64 kHcr = 0x00, kVtr = 0x04, kVmcr = 0x08, kMisr = 0x10, kEisr0 = 0x20, kEisr1 = 0x24,
              kElrsr0 = 0x30, kElrsr1 = 0x34, kApr = 0xf0, kLr0 = 0x100,
              kLrEnd = kLr0 + 4 * VirtualInterface::kListRegisters;
constexpr u32 kControlFields = 0xf800'00ff;
} // namespace gich
namespace gicv {
constexpr u64 kCtlr = 0x00, kPmr = 0x04, kBpr = 0x08, kIar = 0x0c, kEoir = 0x10, kRpr = 0x14,
              kHppir = 0x18, kAbpr = 0x1c, kAiar = 0x20, kAeoir = 0x24, kAhppir = 0x28,
              kApr0 = 0xd0, kIidr = 0xfc, kDir = 0x1000;
} // namespace gicv
// Bits that GICV_CTLR and GICH_VMCR share, and those of GICV's that are elsewhere there.
constexpr u32 kAckCtl = 1 << 2, kFiqEn = 1 << 3, kControl = 0x21f;
// clang-format on
constexpr u32 kOtherGroup = 1022;
constexpr u32 kIdMask = 0x1fff; // with the CPU that sent an SGI

// GICH_LR's fields in GICv3's places. Of an SGI the number of its sender is part of what the guest
// sees, and has to say at its end.
constexpr unsigned kPhysicalIdShift = 10, kPriorityShift = 23, kStateShift = 28, kGroupShift = 30,
                   kHardwareShift = 31;

u64 from_list_register(u32 lr) {
    const u32 id = lr & 0x3ff;
    const bool hardware = (lr >> kHardwareShift & 1) != 0;
    const u32 sender = hardware || id >= 16 ? 0 : lr >> 10 & 7;
    return u64{lr >> kStateShift & 3} << 62 | u64{hardware} << 61 |
           u64{lr >> kGroupShift & 1} << 60 |
           u64{lr >> kPriorityShift & 0x1f} << (list_register::kPriorityShift + 3) |
           u64{lr >> kPhysicalIdShift & 0x3ff} << list_register::kPhysicalShift | sender << 10 | id;
}

u32 to_list_register(u64 list) {
    return static_cast<u32>((list >> 62 & 3) << kStateShift | (list >> 61 & 1) << kHardwareShift |
                            (list >> 60 & 1) << kGroupShift |
                            (list >> (list_register::kPriorityShift + 3) & 0x1f) << kPriorityShift |
                            (list >> list_register::kPhysicalShift & 0x3ff) << kPhysicalIdShift |
                            (list & 0x3ff));
}
} // namespace

void Gicv2::update_virtual(Cpu& cpu) {
    VirtualInterface& guest = cpu.guest;
    cpu.virtual_output.drive(guest.signals(), guest.best().group == 0 && guest.fiq_enabled);
    set_line(cpu, virt::ppi::kGicMaintenance, guest.interrupts());
}

void Gicv2::set_virtual_control(VirtualInterface& guest, u32 value) {
    guest.set_machine_control(value);
    guest.ack_control = (value & kAckCtl) != 0;
    guest.fiq_enabled = (value & kFiqEn) != 0;
}

// --- GICH, for the hypervisor

u64 Gicv2::read_hypervisor(Cpu& cpu, u64 offset, unsigned bytes) {
    const VirtualInterface& guest = cpu.guest;
    if (bytes == 4 && offset >= gich::kLr0 && offset < gich::kLrEnd) {
        return to_list_register(guest.list[(offset - gich::kLr0) / 4]);
    }
    switch (bytes == 4 ? offset : ~u64{0}) {
    case gich::kHcr:
        return guest.control;
    case gich::kVtr: // PRIbits, PREbits, ListRegs
        return u64{kPriorityBits - 1} << 29 | (kPriorityBits - 1) << 26 |
               (VirtualInterface::kListRegisters - 1);
    case gich::kVmcr:
        return guest.machine_control();
    case gich::kMisr:
        return guest.maintenance();
    case gich::kEisr0:
        return guest.ended();
    case gich::kElrsr0:
        return guest.empty();
    case gich::kEisr1:
    case gich::kElrsr1:
        return 0; // of list registers that do not exist
    case gich::kApr:
        return guest.priorities.active[0] | guest.priorities.active[1];
    default:
        log_bad_access("gicv2 hypervisor interface", Direction::Read, offset, bytes);
        return 0;
    }
}

void Gicv2::write_hypervisor(Cpu& cpu, u64 offset, unsigned bytes, u32 value) {
    VirtualInterface& guest = cpu.guest;
    if (bytes == 4 && offset >= gich::kLr0 && offset < gich::kLrEnd) {
        guest.list[(offset - gich::kLr0) / 4] = from_list_register(value);
    } else if (bytes == 4 && offset == gich::kHcr) {
        guest.set_control(value & gich::kControlFields);
    } else if (bytes == 4 && offset == gich::kVmcr) {
        set_virtual_control(guest, value);
    } else if (bytes == 4 && offset == gich::kApr) {
        guest.priorities.active = {value, 0}; // it does not say of which group
    } else {
        log_bad_access("gicv2 hypervisor interface", Direction::Write, offset, bytes);
    }
    update_virtual(cpu);
}

// --- GICV, for its guest

u32 Gicv2::visible_virtual(const Cpu& cpu, bool alias) const {
    const Candidate best = cpu.guest.best();
    if (!best.exists() || (alias && best.group == 0)) {
        return kSpurious;
    }
    return alias || best.group == 0 || cpu.guest.ack_control ? best.intid : kOtherGroup;
}

u32 Gicv2::acknowledge_virtual(Cpu& cpu, bool alias) {
    if (!cpu.guest.signals()) {
        return kSpurious;
    }
    const u32 visible = visible_virtual(cpu, alias);
    if (visible == kOtherGroup || visible == kSpurious) {
        return visible;
    }
    cpu.guest.acknowledge_best();
    update_virtual(cpu);
    return visible;
}

// Unlike GICv3's, an EOI deactivates whatever the priorities are.
void Gicv2::end_virtual(Cpu& cpu, u32 value) {
    Priorities& p = cpu.guest.priorities;
    if ((value & 0x3ff) < kFirstSpecial) {
        p.drop(p.running_group());
        if (!p.eoi_drops_only) {
            deactivate_virtual(cpu, value);
        }
    }
}

void Gicv2::deactivate_virtual(Cpu& cpu, u32 value) {
    const auto ended = cpu.guest.deactivate(value & kIdMask);
    if (ended.physical) {
        deactivate(cpu, *ended.physical);
    }
}

u64 Gicv2::read_virtual_interface(Cpu& cpu, u64 offset, unsigned bytes) {
    const Priorities& p = cpu.guest.priorities;
    switch (bytes == 4 ? offset : ~u64{0}) {
    case gicv::kCtlr:
        return cpu.guest.machine_control() & kControl;
    case gicv::kPmr:
        return p.mask;
    case gicv::kBpr:
        return p.bpr[0];
    case gicv::kAbpr:
        return p.bpr[1];
    case gicv::kIar:
    case gicv::kAiar:
        return acknowledge_virtual(cpu, offset == gicv::kAiar);
    case gicv::kHppir:
    case gicv::kAhppir:
        return visible_virtual(cpu, offset == gicv::kAhppir);
    case gicv::kRpr:
        return p.running() == kIdlePriority ? 0xff : p.running();
    case gicv::kApr0:
        return p.active[0] | p.active[1];
    case gicv::kIidr:
        return 0x2'043b; // as GICC_IIDR
    default:
        log_bad_access("gicv2 virtual interface", Direction::Read, offset, bytes);
        return 0;
    }
}

void Gicv2::write_virtual_interface(Cpu& cpu, u64 offset, unsigned bytes, u32 value) {
    VirtualInterface& guest = cpu.guest;
    switch (bytes == 4 ? offset : ~u64{0}) {
    case gicv::kCtlr:
        set_virtual_control(guest, (static_cast<u32>(guest.machine_control()) & ~kControl) |
                                       (value & kControl));
        break;
    case gicv::kPmr:
        guest.priorities.mask = value & kPriorityMask;
        break;
    case gicv::kBpr:
    case gicv::kAbpr:
        guest.priorities.set_bpr(offset == gicv::kAbpr ? 1 : 0, value);
        break;
    case gicv::kEoir:
    case gicv::kAeoir:
        end_virtual(cpu, value);
        break;
    case gicv::kDir:
        if (guest.priorities.eoi_drops_only) {
            deactivate_virtual(cpu, value);
        }
        break;
    case gicv::kApr0:
        guest.priorities.active = {value, 0};
        break;
    default:
        log_bad_access("gicv2 virtual interface", Direction::Write, offset, bytes);
    }
    update_virtual(cpu);
}

} // namespace ulna::devices
