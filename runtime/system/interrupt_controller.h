// The interrupt controller of a machine, GICv2 or GICv3, as CPUs and devices see it. With the
// machine's lock held.
#pragma once

#include <functional>
#include <memory>

#include "runtime/devices/gicv2.h"
#include "runtime/devices/gicv2m.h"
#include "runtime/devices/gicv3.h"
#include "runtime/devices/gicv3_its.h"
#include "runtime/devices/pci/msix.h"
#include "runtime/devices/physical_memory.h"
#include "runtime/system/cpu.h"
#include "runtime/system/device_tree.h"

namespace ulna::system {

struct InterruptControllerConfig {
    GicVersion version = GicVersion::V3;
    bool has_its = true;       // of GICv2 the frame for messages
    bool has_security = false; // two Security states
    unsigned cpus = 1;
};

class InterruptController {
  public:
    // Adds its frames to `memory`. `accessing_cpu`: who makes the current access to one.
    InterruptController(const InterruptControllerConfig& config,
                        devices::PhysicalMemory& memory,
                        std::function<unsigned()> accessing_cpu);

    [[nodiscard]] devices::InterruptLine& spi(unsigned n);
    [[nodiscard]] devices::InterruptLine& ppi(unsigned cpu, unsigned intid);
    // Of PCI functions; null without ITS or frame.
    [[nodiscard]] devices::pci::MsiTarget* messages() { return messages_.get(); }
    void connect(unsigned cpu, const devices::gic::Outputs& outputs);
    // As firmware leaves it to Non-secure software that starts without any.
    void hand_to_nonsecure();
    void visit_state(devices::StateVisitor& visit);
    [[nodiscard]] bool has_registers() const { return v3_ != nullptr; }
    // ICC_*, ICV_*, ICH_*.
    [[nodiscard]] GicAccess read(const Cpu& cpu, u16 encoding, u64& value);
    [[nodiscard]] GicAccess write(const Cpu& cpu, u16 encoding, u64 value);

  private:
    // What HCR_EL2 and ICH_HCR_EL2 make of an access.
    enum class Route : u8 { Physical, Virtual, TrapToEl2 };
    [[nodiscard]] Route route_of(const Cpu& cpu, u16 encoding) const;
    template <typename Physical, typename InGuest> // calls of Gicv3
    [[nodiscard]] GicAccess
    access(const Cpu& cpu, u16 encoding, Physical physical, InGuest in_guest) const;

    std::unique_ptr<devices::Gicv2> v2_;
    std::unique_ptr<devices::Gicv2m> v2m_;
    std::unique_ptr<devices::Gicv3> v3_;
    std::unique_ptr<devices::Gicv3Its> its_;
    std::unique_ptr<devices::pci::MsiTarget> messages_;
};

} // namespace ulna::system
