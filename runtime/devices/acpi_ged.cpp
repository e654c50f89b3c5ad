#include "runtime/devices/acpi_ged.h"

#include "runtime/devices/guest_error.h"
#include "runtime/devices/state_visitor.h"

namespace ulna::devices {

// An edge for each, also when one before it has not been read: nobody may have been listening then.
void AcpiGed::raise(Event event) {
    events_ |= event;
    interrupt_.set(false);
    interrupt_.set(true);
}

u64 AcpiGed::read(u64 offset, unsigned bytes) {
    if (offset != 0 || bytes != kEventBytes) {
        log_bad_access("acpi-ged", Direction::Read, offset, bytes);
        return 0;
    }
    const u32 events = events_;
    reset();
    return events;
}

void AcpiGed::write(u64 offset, unsigned bytes, u64 /*value*/) {
    log_bad_access("acpi-ged", Direction::Write, offset, bytes);
}

void AcpiGed::reset() {
    events_ = 0;
    interrupt_.set(false);
}

void AcpiGed::visit_state(StateVisitor& visit) {
    visit.masked(events_, kPowerButton, "events");
    if (visit.loading()) {
        interrupt_.set(events_ != 0);
    }
}

} // namespace ulna::devices
