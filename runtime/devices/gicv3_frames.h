// The memory-mapped frames of a GICv3. Registers are 32 bits wide, and 64-bit ones are pairs of
// them; IPRIORITYR alone may be accessed by bytes (IHI 0069 12.1.3).
#pragma once

#include "runtime/devices/gicv3.h"

namespace ulna::devices {

namespace gicv3 {
inline constexpr u32 kProcessorSleep = 1 << 1, kChildrenAsleep = 1 << 2; // GICR_WAKER
}

class Gicv3::Distributor : public Device {
  public:
    explicit Distributor(Gicv3& gic) : gic_(gic) {}
    u64 read(u64 offset, unsigned bytes) override;
    void write(u64 offset, unsigned bytes, u64 value) override;
    void reset() override { gic_.reset(); } // of all frames

  private:
    Gicv3& gic_;
};

class Gicv3::Redistributors : public Device {
  public:
    explicit Redistributors(Gicv3& gic) : gic_(gic) {}
    u64 read(u64 offset, unsigned bytes) override;
    void write(u64 offset, unsigned bytes, u64 value) override;

  private:
    Gicv3& gic_;
};

} // namespace ulna::devices
