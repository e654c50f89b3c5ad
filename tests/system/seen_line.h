// An interrupt line that a test looks at.
#pragma once

#include "runtime/devices/device.h"

namespace ulna::devices {

struct SeenLine : InterruptLine {
    void set(bool asserted) override {
        changes += on != asserted;
        on = asserted;
    }
    bool on = false;
    int changes = 0;
};

} // namespace ulna::devices
