// A PCI Express root port (PCI Express 4.0, section 7.5.1.3): a bridge to a bus of its own, which
// has one device in a slot. It has no windows of I/O. Called with the machine's lock held.
#pragma once

#include <functional>

#include "runtime/devices/pci/pci_function.h"
#include "runtime/devices/pci/port_slot.h"

namespace ulna::devices::pci {

class RootPort final : public PciFunction {
  public:
    explicit RootPort(const RootPortOptions& options = {});

    // Who is behind it gets `below`, with the requester's number that follows from the bus.
    void connect(const Slot& below);
    // Before the guest runs. False: somebody is there already. The function lives as long as this,
    // or until it is taken out.
    [[nodiscard]] bool plug(PciFunction& function);
    // While it runs: the guest is told, and sees the function once it has given it power.
    [[nodiscard]] bool plug_in(PciFunction& function);
    // Asks the guest to let go of what is there; or says why that cannot be, in a line.
    [[nodiscard]] std::string ask_to_let_go();
    // What the guest answers: it has let go, and nothing is there any more; or it does not want to.
    using Answer = std::function<void(PciFunction& function, bool lets_go)>;
    void on_answer(Answer answer) { on_answer_ = std::move(answer); }
    [[nodiscard]] PciFunction* plugged() const { return plugged_; }
    // Who is seen behind it.
    [[nodiscard]] PciFunction* behind() const { return slot_.is_powered() ? plugged_ : nullptr; }
    [[nodiscard]] bool is_hot_plug() const { return slot_.is_hot_plug(); }

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
    [[nodiscard]] bool put_in(PciFunction& function, void (PortSlot::*tell)());
    void add_express(const RootPortOptions& options);
    void write_slot(u32 offset, unsigned bytes, u32 value);
    void set_control(u16 value);
    void let_go();
    void show_registers();
    void show_slot(); // and by an interrupt

    Slot below_;
    PortSlot slot_;
    PciFunction* plugged_ = nullptr;
    Answer on_answer_;
    u32 express_ = 0; // where the capability is
    bool interrupts_ = false;
};

} // namespace ulna::devices::pci
