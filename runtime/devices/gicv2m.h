// The MSI frame of a GICv2 ("GICv2m", Arm SBSA appendix): a write of an interrupt's number here is
// an edge of that SPI.
#pragma once

#include <vector>

#include "runtime/devices/device.h"
#include "runtime/devices/guest_error.h"

namespace ulna::devices {

class Gicv2m : public Device {
  public:
    static constexpr u64 kSetSpi = 0x40; // where devices write

    // Lines of consecutive SPIs from INTID `first` on. The guest configures them as edges.
    Gicv2m(unsigned first, std::vector<InterruptLine*> spis)
        : first_(first), spis_(std::move(spis)) {}

    u64 read(u64 offset, unsigned bytes) override {
        constexpr u64 kTyper = 0x8, kIidr = 0xfcc, kPidr2 = 0xfe8;
        switch (offset) {
        case kTyper:
            return first_ << 16 | spis_.size();
        case kIidr:
            return 0x43b; // implementer: Arm
        case kPidr2:
            return 0; // architecture version 0
        default:
            log_bad_access("gicv2m", Direction::Read, offset, bytes);
            return 0;
        }
    }
    void write(u64 offset, unsigned bytes, u64 value) override {
        if (offset != kSetSpi) {
            log_bad_access("gicv2m", Direction::Write, offset, bytes);
            return;
        }
        const u64 index = (value & 0x3ff) - first_; // wraps: no such SPI
        if (index < spis_.size()) {
            spis_[index]->set(true);
            spis_[index]->set(false);
        }
    }

  private:
    u64 first_;
    std::vector<InterruptLine*> spis_;
};

} // namespace ulna::devices
