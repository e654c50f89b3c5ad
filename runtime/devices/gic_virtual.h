// The virtual CPU interface of one CPU: a hypervisor puts interrupts into list registers, its guest
// acknowledges and ends them there (IHI 0069 6, IHI 0048 5). Registers are as GICv3 has them
// (ICH_*_EL2); GICv2's say the same in other places.
#pragma once

#include <optional>

#include "runtime/devices/gic_priorities.h"

namespace ulna::devices::gic {

// Fields of a list register, ICH_LR<n>_EL2.
namespace list_register {
inline constexpr u64 kPending = u64{1} << 62, kActive = u64{1} << 63, kStates = kPending | kActive,
                     kHardware = u64{1} << 61, kInGroup1 = u64{1} << 60;
inline constexpr unsigned kPriorityShift = 48, kPhysicalShift = 32;
inline constexpr u64 kWantsEoi = u64{1} << 41; // of one that is not kHardware
inline constexpr u64 kFields = 0xf0f8'1fff'ffff'ffff;
} // namespace list_register

struct VirtualInterface {
    static constexpr unsigned kListRegisters = 4;

    u64 control = 0; // ICH_HCR_EL2, GICH_HCR
    std::array<u64, kListRegisters> list{};
    Priorities priorities;
    GroupSet group_enabled{};
    // Of GICv2; GICv3's are fixed like this.
    bool ack_control = false; // GICV_IAR acknowledges group 1, too
    bool fiq_enabled = true;  // group 0 is FIQ

    // The most urgent pending interrupt of an enabled group. The global enable does not count:
    // without it HPPIR still shows what is pending.
    [[nodiscard]] Candidate best() const;
    [[nodiscard]] bool signals() const;
    [[nodiscard]] u64 ended() const;           // EISR
    [[nodiscard]] u64 empty() const;           // ELRSR
    [[nodiscard]] u64 maintenance() const;     // MISR
    [[nodiscard]] bool interrupts() const;     // level of the maintenance interrupt
    [[nodiscard]] u64 machine_control() const; // VMCR
    void set_control(u64 value);
    void set_machine_control(u64 value);

    // The best one, which signals().
    u32 acknowledge_best();
    // What the hypervisor has to hear of an interrupt that its guest ended.
    struct Ended {
        std::optional<u32> physical; // the one behind it, to be deactivated
    };
    // EOIR: drops a priority and, with EOImode 0, deactivates.
    Ended end(unsigned group, u32 virtual_id);
    Ended deactivate(u32 virtual_id); // DIR
    void visit_state(StateVisitor& visit);

  private:
    [[nodiscard]] u64* find_active(u32 virtual_id);
    Ended deactivate(u64* entry);
};

// ICH_HCR_EL2's traps, which GICv2 does not have.
inline constexpr u64 kTrapCommon = 1 << 10, kTrapGroup0 = 1 << 11, kTrapGroup1 = 1 << 12,
                     kTrapDir = 1 << 14;

} // namespace ulna::devices::gic
