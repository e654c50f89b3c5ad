#include "runtime/devices/pci/port_slot.h"

namespace ulna::devices::pci {

namespace {

// Section 7.5.3.9.
constexpr u32 kHasButton = 1 << 0, kHasPowerController = 1 << 1, kHasAttentionLight = 1 << 3,
              kHasPowerLight = 1 << 4, kMaySurprise = 1 << 5, kIsHotPlug = 1 << 6,
              kNumberShift = 19, kMostNumber = 0x1fff;

// Section 7.5.3.10. Lights are two bits: on, blinking, off.
constexpr u16 kButtonEnable = 1 << 0, kPresenceEnable = 1 << 3, kCommandEnable = 1 << 4,
              kInterruptEnable = 1 << 5, kAttentionLight = 3 << 6, kPowerLight = 3 << 8,
              kPowerLightOn = 1 << 8, kPowerLightBlinks = 2 << 8, kPowerLightOff = 3 << 8,
              kPowerOff = 1 << 10;
constexpr u16 kControlBits = kButtonEnable | kPresenceEnable | kCommandEnable | kInterruptEnable |
                             kAttentionLight | kPowerLight | kPowerOff;

// Section 7.5.3.11; events have the places of what enables them.
constexpr u16 kButton = kButtonEnable, kPresence = kPresenceEnable, kCommandDone = kCommandEnable,
              kIsFilled = 1 << 6;
constexpr u16 kEvents = kButton | kPresence | kCommandDone;

} // namespace

u32 PortSlot::capabilities() const {
    return kHasButton | kHasPowerController | kHasAttentionLight | kHasPowerLight |
           (options_.hot_plug ? kMaySurprise | kIsHotPlug : 0) |
           (options_.slot & kMostNumber) << kNumberShift;
}

u16 PortSlot::status() const { return events_ | (is_filled_ ? kIsFilled : 0); }

bool PortSlot::is_powered() const { return (control_ & kPowerOff) == 0; }

bool PortSlot::is_off() const {
    return !is_powered() && (control_ & kPowerLight) == kPowerLightOff;
}

bool PortSlot::interrupts() const {
    return (control_ & kInterruptEnable) != 0 && (control_ & events_) != 0;
}

void PortSlot::clear_events(u16 status) { events_ &= static_cast<u16>(~status); }

// A driver that lets go blinks first, and ends with neither power nor light; one that does not want
// to ends with both.
PortSlot::Answer PortSlot::set_control(u16 value) {
    const bool was_off = is_off(), blinked = (control_ & kPowerLight) == kPowerLightBlinks;
    control_ = value & kControlBits;
    events_ |= kCommandDone;
    if (is_filled_ && is_off() && !was_off) {
        is_asked_ = false;
        return Answer::LetGo;
    }
    const bool refuses =
        is_asked_ && blinked && is_powered() && (control_ & kPowerLight) == kPowerLightOn;
    is_asked_ = is_asked_ && !refuses;
    return refuses ? Answer::Refusal : Answer::None;
}

void PortSlot::tell_of_arrival() { events_ |= kPresence | kButton; }

void PortSlot::tell_of_departure() { events_ |= kPresence; }

bool PortSlot::ask_to_let_go() {
    if ((control_ & kPowerLight) == kPowerLightBlinks) {
        return false;
    }
    is_asked_ = true;
    events_ |= kButton;
    return true;
}

void PortSlot::reset() {
    control_ = kAttentionLight | kPowerLightOff | (is_filled_ ? 0 : kPowerOff);
    events_ = 0;
    is_asked_ = false;
}

void PortSlot::visit_state(StateVisitor& visit) {
    visit.masked(control_, kControlBits, "a slot's control");
    visit.masked(events_, kEvents, "a slot's status");
    visit(is_asked_);
}

} // namespace ulna::devices::pci
