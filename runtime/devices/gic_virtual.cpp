#include "runtime/devices/gic_virtual.h"

namespace ulna::devices::gic {

using namespace list_register;

namespace {
u32 virtual_id_of(u64 list) { return static_cast<u32>(list); }
u32 physical_id_of(u64 list) { return static_cast<u32>(list >> kPhysicalShift & 0x1fff); }
unsigned group_of(u64 list) { return (list & kInGroup1) != 0 ? 1 : 0; }
u32 priority_of(u64 list) { return static_cast<u32>(list >> kPriorityShift) & kPriorityMask; }

// ICH_HCR_EL2. Each of the enables in bits 1 to 7 goes with the bit of ICH_MISR_EL2 in its place.
constexpr u64 kEn = 1 << 0, kUnderflow = 1 << 1, kEntryNotPresent = 1 << 2, kNoPending = 1 << 3,
              kGroup0Enabled = 1 << 4, kGroup0Disabled = 1 << 5, kGroup1Enabled = 1 << 6,
              kGroup1Disabled = 1 << 7;
constexpr u64 kEoiCount = u64{31} << 27, kOneEoi = u64{1} << 27;
constexpr u64 kControlFields =
    kEoiCount | kTrapDir | kTrapGroup1 | kTrapGroup0 | kTrapCommon | 0xff;
constexpr u64 kMisrEoi = 1 << 0;

// ICH_VMCR_EL2
constexpr u64 kVeng0 = 1 << 0, kVeng1 = 1 << 1, kVackCtl = 1 << 2, kVfiqEn = 1 << 3,
              kVcbpr = 1 << 4, kVeoim = 1 << 9;
constexpr unsigned kVbpr1Shift = 18, kVbpr0Shift = 21, kVpmrShift = 24;

// An interrupt that was ended tells the hypervisor so.
bool has_ended(u64 list) { return (list & (kStates | kHardware | kWantsEoi)) == kWantsEoi; }

bool is_empty(u64 list) {
    return (list & kStates) == 0 && ((list & kHardware) != 0 || (list & kWantsEoi) == 0);
}
} // namespace

Candidate VirtualInterface::best() const {
    Candidate best;
    for (const u64 entry : list) {
        const bool offered = (entry & kStates) == kPending && group_enabled[group_of(entry)];
        if (offered && priority_of(entry) < best.priority) {
            best = {priority_of(entry), virtual_id_of(entry), group_of(entry)};
        }
    }
    return best;
}

bool VirtualInterface::signals() const {
    const Candidate candidate = best();
    return (control & kEn) != 0 && candidate.exists() && priorities.passes(candidate);
}

u64 VirtualInterface::ended() const {
    u64 bits = 0;
    for (unsigned i = 0; i < kListRegisters; ++i) {
        bits |= u64{has_ended(list[i])} << i;
    }
    return bits;
}

u64 VirtualInterface::empty() const {
    u64 bits = 0;
    for (unsigned i = 0; i < kListRegisters; ++i) {
        bits |= u64{is_empty(list[i])} << i;
    }
    return bits;
}

u64 VirtualInterface::maintenance() const {
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

bool VirtualInterface::interrupts() const { return (control & kEn) != 0 && maintenance() != 0; }

void VirtualInterface::set_control(u64 value) { control = value & kControlFields; }

u64 VirtualInterface::machine_control() const {
    return (group_enabled[0] ? kVeng0 : 0) | (group_enabled[1] ? kVeng1 : 0) |
           (ack_control ? kVackCtl : 0) | (fiq_enabled ? kVfiqEn : 0) |
           (priorities.common_bpr ? kVcbpr : 0) | (priorities.eoi_drops_only ? kVeoim : 0) |
           u64{priorities.bpr[1]} << kVbpr1Shift | u64{priorities.bpr[0]} << kVbpr0Shift |
           u64{priorities.mask} << kVpmrShift;
}

void VirtualInterface::set_machine_control(u64 value) {
    group_enabled = {(value & kVeng0) != 0, (value & kVeng1) != 0};
    priorities.set_bpr(0, value >> kVbpr0Shift);
    priorities.set_bpr(1, value >> kVbpr1Shift);
    priorities.common_bpr = (value & kVcbpr) != 0;
    priorities.eoi_drops_only = (value & kVeoim) != 0;
    priorities.mask = value >> kVpmrShift & kPriorityMask;
}

u32 VirtualInterface::acknowledge_best() {
    const Candidate candidate = best();
    const auto entry = std::find_if(list.begin(), list.end(), [&](u64 e) {
        return (e & kStates) == kPending && virtual_id_of(e) == candidate.intid &&
               group_of(e) == candidate.group && priority_of(e) == candidate.priority;
    });
    priorities.activate(candidate);
    *entry &= ~kPending;
    if (candidate.intid < kFirstLpi) { // LPIs have no active state
        *entry |= kActive;
    }
    return candidate.intid;
}

u64* VirtualInterface::find_active(u32 virtual_id) {
    const auto found = std::find_if(list.begin(), list.end(), [&](u64 entry) {
        return virtual_id_of(entry) == virtual_id && (entry & kActive) != 0;
    });
    return found == list.end() ? nullptr : &*found;
}

// If none has it, the hypervisor took it out, and counts on hearing of this.
VirtualInterface::Ended VirtualInterface::deactivate(u64* entry) {
    if (entry == nullptr) {
        control += (control & kEoiCount) != kEoiCount ? kOneEoi : 0;
        return {};
    }
    *entry &= ~kActive;
    const bool physical = (*entry & kHardware) != 0 && physical_id_of(*entry) < kFirstSpecial;
    return {physical ? std::optional{physical_id_of(*entry)} : std::nullopt};
}

VirtualInterface::Ended VirtualInterface::deactivate(u32 virtual_id) {
    return deactivate(find_active(virtual_id));
}

// VirtualWriteEOIR0 and 1: the most urgent active priority is dropped, of whichever group; what is
// deactivated must fit it.
VirtualInterface::Ended VirtualInterface::end(unsigned group, u32 virtual_id) {
    const u32 dropped = priorities.running();
    if (dropped == kIdlePriority) {
        return {};
    }
    priorities.drop(priorities.running_group());
    if (priorities.eoi_drops_only || virtual_id >= kFirstLpi) {
        return {};
    }
    u64* const entry = find_active(virtual_id);
    if (entry != nullptr && (group_of(*entry) != group ||
                             priorities.group_priority(priority_of(*entry), group) != dropped)) {
        return {};
    }
    return deactivate(entry);
}

} // namespace ulna::devices::gic
