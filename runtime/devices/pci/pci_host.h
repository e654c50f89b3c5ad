// A PCI Express host bridge as "pci-host-ecam-generic": configuration space by address (ECAM, PCI
// Express 4.0, section 7.2.2), windows of memory, and four interrupt lines. It has one bus, and
// those behind its root ports.
#pragma once

#include <array>
#include <bitset>
#include <memory>
#include <vector>

#include "runtime/devices/pci/root_port.h"

namespace ulna::devices::pci {

class PciHost final : public Device { // the ECAM window
  public:
    static constexpr unsigned kSlots = 32, kFunctions = 8 /* of a slot */, kLines = 4;
    struct Place {
        unsigned slot = 0, function = 0;
    };

    // `messages` is null for a machine without message-signalled interrupts.
    PciHost(const std::array<InterruptLine*, kLines>& lines, MsiTarget* messages);
    ~PciHost() override;

    // On the first bus, at a place or in the next slot that is free; slot 0 is the bridge's own.
    // False when it is taken, or there is none left. The function lives as long as this.
    [[nodiscard]] bool plug(PciFunction& function, std::optional<Place> place = {});
    [[nodiscard]] bool plug_port(RootPort& port, std::optional<Place> place);

    [[nodiscard]] u64 read(u64 offset, unsigned bytes) override;
    void write(u64 offset, unsigned bytes, u64 value) override;
    void reset() override;
    void visit_state(StateVisitor& visit); // of the bridge; functions are visited by themselves

    // A device for addresses from `base` on, where functions' memory is found by their registers.
    [[nodiscard]] Device& window(PhysAddr base);

    struct Report {
        unsigned bus, slot, function_number;
        PciFunction::Report function;
        std::optional<RootPort::Bus> port; // it is one; who is behind it follows
        bool is_on_root;                   // on the first bus
        const PciFunction* which;
    };
    [[nodiscard]] std::vector<Report> report() const;

  private:
    class Bridge;
    class Window;
    class Pin;

    [[nodiscard]] PciFunction* function_at(u64 offset) const;
    [[nodiscard]] PciFunction* find(PhysAddr at, unsigned bytes, PciFunction::Hit& hit) const;
    [[nodiscard]] std::optional<unsigned> number_of(std::optional<Place> place) const;
    [[nodiscard]] PciFunction::Slot slot_of(unsigned number, std::unique_ptr<Pin>& pin, bool below);

    struct Plugged {
        PciFunction* function = nullptr;
        RootPort* port = nullptr; // the same, if it is one
        std::unique_ptr<Pin> pin, pin_below;
    };
    static constexpr unsigned kNumbers = kSlots * kFunctions;
    [[nodiscard]] Plugged& put(unsigned number, PciFunction& function);
    // A line is shared by the pins of every fourth slot.
    struct SharedLine {
        InterruptLine* line;
        std::bitset<2 * kNumbers> asserted; // by functions, and those behind them
    };

    std::unique_ptr<Bridge> bridge_;
    std::array<Plugged, kNumbers> plugged_; // by slot and function
    std::vector<const Plugged*> present_;   // of those
    std::array<SharedLine, kLines> lines_;
    MsiTarget* messages_;
    std::vector<std::unique_ptr<Window>> windows_;
};

} // namespace ulna::devices::pci
