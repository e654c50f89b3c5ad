// The slot of a root port, by which a guest's driver learns that a device came or is to go, and
// says when it may (PCI Express 4.0, sections 6.7.1 and 7.5.3.9 to 7.5.3.11): an attention button,
// a power controller, presence. No retention latch, no interlock. Called with the machine's lock
// held.
#pragma once

#include "runtime/devices/state_visitor.h"

namespace ulna::devices::pci {

struct RootPortOptions {
    u16 slot = 0; // its number, of 13 bits
    u8 port = 0;
    bool hot_plug = true; // devices come and go while a machine runs
};

class PortSlot {
  public:
    explicit PortSlot(const RootPortOptions& options) : options_{options} {}

    // Registers of the port's capability.
    [[nodiscard]] u32 capabilities() const;
    [[nodiscard]] u16 control() const { return control_; }
    [[nodiscard]] u16 status() const;
    void clear_events(u16 status);
    enum class Answer : u8 { None, LetGo /* of the device */, Refusal };
    [[nodiscard]] Answer set_control(u16 value);

    [[nodiscard]] bool is_hot_plug() const { return options_.hot_plug; }
    [[nodiscard]] bool is_powered() const;
    [[nodiscard]] bool interrupts() const; // the level
    void fill(bool is_filled) { is_filled_ = is_filled; }
    void tell_of_arrival();
    void tell_of_departure(); // that has happened
    // The guest is to let go. False: it may not be asked, as it is at work on the last request.
    [[nodiscard]] bool ask_to_let_go();
    // Neither power nor light: nobody uses what is there, so nobody need be asked.
    [[nodiscard]] bool is_off() const;

    void reset(); // what is there has power
    void visit_state(StateVisitor& visit);

  private:
    const RootPortOptions options_;
    u16 control_ = 0, events_ = 0;
    bool is_filled_ = false;
    bool is_asked_ = false; // to let go
};

} // namespace ulna::devices::pci
