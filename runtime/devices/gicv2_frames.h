// The frames of a GICv2, as devices.
#pragma once

#include "runtime/devices/gicv2.h"

namespace ulna::devices {

namespace gicv2 {
// Registers of the CPU interface, GICC_*.
// clang-format off
inline constexpr u64 kCtlr = 0x00, kPmr = 0x04, kBpr = 0x08, kIar = 0x0c, kEoir = 0x10, kRpr = 0x14,
                     kHppir = 0x18, kAbpr = 0x1c, kAiar = 0x20, kAeoir = 0x24, kAhppir = 0x28,
                     kApr0 = 0xd0, kNsapr0 = 0xe0, kNsapr3 = 0xec, kIidr = 0xfc, kDir = 0x1000;
// clang-format on
inline constexpr u32 kInterfaceId = 0x2'043b; // GICC_IIDR: architecture version 2, Arm
} // namespace gicv2

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
