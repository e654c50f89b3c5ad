// The frames of a GICv2, as devices.
#pragma once

#include "runtime/devices/gicv2.h"

namespace ulna::devices {

class Gicv2::Frame : public Device {
  public:
    using Read = u64 (Gicv2::*)(Cpu& cpu, u64 offset, unsigned bytes);
    using Write = void (Gicv2::*)(Cpu& cpu, u64 offset, unsigned bytes, u32 value);
    Frame(Gicv2& gic, Read read, Write write) : gic_(gic), read_(read), write_(write) {}

    u64 read(u64 offset, unsigned bytes) override {
        return (gic_.*read_)(accessing(), offset, bytes);
    }
    void write(u64 offset, unsigned bytes, u64 value) override {
        (gic_.*write_)(accessing(), offset, bytes, static_cast<u32>(value));
    }
    void reset() override { gic_.reset(); }

  private:
    [[nodiscard]] Cpu& accessing() { return gic_.cpus_.at(gic_.accessing_cpu_()); }

    Gicv2& gic_;
    Read read_;
    Write write_;
};

} // namespace ulna::devices
