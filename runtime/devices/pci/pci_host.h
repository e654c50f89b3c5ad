// A PCI Express host bridge as "pci-host-ecam-generic": configuration space by address (ECAM, PCI
// Express 4.0, section 7.2.2), windows of memory, and four interrupt lines. It has one bus.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "runtime/devices/pci/pci_function.h"

namespace ulna::devices::pci {

class PciHost final : public Device { // the ECAM window
  public:
    static constexpr unsigned kSlots = 32, kLines = 4;

    // `messages` is null for a machine without message-signalled interrupts.
    PciHost(const std::array<InterruptLine*, kLines>& lines, MsiTarget* messages);
    ~PciHost() override;

    // Slot 0 is the bridge's own. False when there is none left. The function lives as long as
    // this.
    [[nodiscard]] bool plug(PciFunction& function);

    [[nodiscard]] u64 read(u64 offset, unsigned bytes) override;
    void write(u64 offset, unsigned bytes, u64 value) override;
    void reset() override;
    void visit_state(StateVisitor& visit); // of the bridge; functions are visited by themselves

    // A device for addresses from `base` on, where functions' memory is found by their registers.
    [[nodiscard]] Device& window(PhysAddr base);

    struct Report {
        unsigned slot;
        PciFunction::Report function;
    };
    [[nodiscard]] std::vector<Report> report() const;

  private:
    class Bridge;
    class Window;
    class Pin;

    [[nodiscard]] PciFunction* function_at(u64 offset) const;

    struct Plugged {
        PciFunction* function = nullptr;
        std::unique_ptr<Pin> pin;
    };
    // A line is shared by the pins of every fourth slot.
    struct SharedLine {
        InterruptLine* line;
        u32 asserted = 0; // by slot
    };

    std::unique_ptr<Bridge> bridge_;
    std::array<Plugged, kSlots> slots_;
    std::array<SharedLine, kLines> lines_;
    MsiTarget* messages_;
    std::vector<std::unique_ptr<Window>> windows_;
};

} // namespace ulna::devices::pci
