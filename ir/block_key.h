// What a translation depends on: the guest PC and every piece of state that translated code
// assumes. The only definition of the packing.
#pragma once

#include "ir/support/bits.h"
#include "ir/types.h"

namespace ulna::ir {

// Translation-relevant state besides the PC.
struct BlockMode {
    u32 bits = 0;

    // FPCR fields, at their architectural positions less 19: FZ16 19, RMode 23:22, FZ 24, DN 25,
    // AHP 26.
    static constexpr u64 kFpcrMask = 0x07c8'0000;
    [[nodiscard]] static constexpr BlockMode from_fpcr(u64 fpcr) {
        return {static_cast<u32>((fpcr & kFpcrMask) >> 19)};
    }
    [[nodiscard]] constexpr u64 fpcr() const { return (u64{bits} << 19) & kFpcrMask; }

    [[nodiscard]] constexpr Rounding rounding() const {
        return static_cast<Rounding>(ulna::bits(fpcr(), 23, 22));
    }
    [[nodiscard]] constexpr bool fz() const { return bit(fpcr(), 24); }
    [[nodiscard]] constexpr bool dn() const { return bit(fpcr(), 25); }
    [[nodiscard]] constexpr bool ahp() const { return bit(fpcr(), 26); }
    [[nodiscard]] constexpr bool fz16() const { return bit(fpcr(), 19); }

    // Not from FPCR (CpuState::mode_bits).
    static constexpr u32 kPacRestricted = 1u << 14; // not every key of SCTLR_EL1 is enabled
    static constexpr u32 kShared = 1u << 13; // other threads or processes may see what is accessed
    static constexpr u32 kBti = 1u << 15;    // some page of the process is guarded
    [[nodiscard]] constexpr bool shared() const { return bits & kShared; }
    [[nodiscard]] constexpr bool pac_restricted() const { return bits & kPacRestricted; }
    [[nodiscard]] constexpr bool bti() const { return bits & kBti; }
    friend constexpr bool operator==(BlockMode, BlockMode) = default;
};

struct BlockKey {
    GuestAddr pc = 0;
    BlockMode mode;
    friend constexpr bool operator==(const BlockKey&, const BlockKey&) = default;
};

} // namespace ulna::ir
