// A PCI Express root port (PCI Express 4.0, section 7.5.1.3): a bridge to a bus of its own, which
// has one device. It has no windows of I/O, and nothing comes or goes behind it while a machine
// runs. Called with the machine's lock held.
#pragma once

#include "runtime/devices/pci/pci_function.h"

namespace ulna::devices::pci {

class RootPort final : public PciFunction {
  public:
    RootPort();

    // Who is behind it gets `below`, with the requester's number that follows from the bus.
    void connect(const Slot& below);
    // False: somebody is there already. The function lives as long as this.
    [[nodiscard]] bool plug(PciFunction& function);
    [[nodiscard]] PciFunction* behind() const { return behind_; }

    struct Bus {
        u8 primary, secondary, subordinate;
        PhysAddr base, limit;                           // of memory; base > limit: none
        PhysAddr prefetchable_base, prefetchable_limit; // likewise
    };
    [[nodiscard]] Bus bus() const;
    [[nodiscard]] bool forwards(PhysAddr at) const;

    void write_config(u32 offset, unsigned bytes, u32 value) override;
    void reset() override;
    void visit_state(StateVisitor& visit) override;

  private:
    u64 read_bar(unsigned, u64, unsigned) override { return 0; }
    void write_bar(unsigned, u64, unsigned, u64) override {}
    void tell_requester();

    Slot below_;
    PciFunction* behind_ = nullptr;
};

} // namespace ulna::devices::pci
