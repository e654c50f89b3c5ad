// The memory-mapped frames of a GICv3. Registers are 32 bits wide, and 64-bit ones are pairs of
// them; IPRIORITYR alone may be accessed by bytes (IHI 0069 12.1.3).
#pragma once

#include "runtime/devices/gicv3.h"

namespace ulna::devices {

namespace gicv3 {

using namespace gic;

inline constexpr u32 kProcessorSleep = 1 << 1, kChildrenAsleep = 1 << 2; // GICR_WAKER
inline constexpr u32 kEnableLpis = 1 << 0;                               // GICR_CTLR
inline constexpr u64 kPendingTableIsZero = u64{1} << 62;                 // GICR_PENDBASER.PTZ
inline constexpr unsigned kInterruptIdBits = 16;
inline constexpr u32 kIidr = 0x43b; // implementer: Arm

// The identification registers at the end of each frame; `part` is 0x92 for a distributor, 0x93 for
// a redistributor, 0x94 for an ITS, as Arm's GICs have them.
inline constexpr u64 kIds = 0xffd0;
[[nodiscard]] constexpr bool is_id_register(u64 offset) {
    return offset >= kIds && offset < 0x10000;
}
[[nodiscard]] constexpr u32 read_id(u64 offset, u8 part) {
    const u8 ids[] = {
        0x44, 0,    0,    0,    // PIDR4..7: Arm's JEP106 continuation code
        part, 0xb4, 0x3b, 0,    // PIDR0..3: architecture version 3
        0x0d, 0xf0, 0x05, 0xb1, // CIDR0..3
    };
    return ids[(offset - kIds) / 4];
}

} // namespace gicv3

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
