// What a translation depends on: the guest PC and every piece of state that translated code
// assumes. The only definition of the packing.
#pragma once

#include "ir/support/bits.h"
#include "ir/types.h"

namespace ulna::ir {

// Translation-relevant state besides the PC.
struct BlockMode {
    u32 bits = 0;

    // FPCR fields: FZ16 19, RMode 23:22, FZ 24, DN 25, AHP 26 at their architectural positions less
    // 19, and FEAT_AFP's FIZ 0, AH 1, NEP 2 above them.
    static constexpr u64 kFpcrUpper = 0x07c8'0000, kFpcrLower = 7,
                         kFpcrMask = kFpcrUpper | kFpcrLower;
    static constexpr unsigned kLowerShift = 8;
    [[nodiscard]] static constexpr BlockMode from_fpcr(u64 fpcr) {
        return {static_cast<u32>((fpcr & kFpcrUpper) >> 19 | (fpcr & kFpcrLower) << kLowerShift)};
    }
    [[nodiscard]] constexpr u64 fpcr() const {
        return ((u64{bits} << 19) & kFpcrUpper) | (bits >> kLowerShift & kFpcrLower);
    }

    [[nodiscard]] constexpr Rounding rounding() const {
        return static_cast<Rounding>(ulna::bits(fpcr(), 23, 22));
    }
    [[nodiscard]] constexpr bool fz() const { return bit(fpcr(), 24); }
    [[nodiscard]] constexpr bool dn() const { return bit(fpcr(), 25); }
    [[nodiscard]] constexpr bool ahp() const { return bit(fpcr(), 26); }
    [[nodiscard]] constexpr bool fz16() const { return bit(fpcr(), 19); }
    // FEAT_AFP: inputs are flushed; alternate handling; scalar results keep upper elements.
    [[nodiscard]] constexpr bool fiz() const { return bit(bits, kLowerShift); }
    [[nodiscard]] constexpr bool ah() const { return bit(bits, kLowerShift + 1); }
    // FZ without AH: operands and results are flushed, and FPSR says so in ways of Arm's own.
    [[nodiscard]] constexpr bool flushes_noticed() const { return fz() && !ah(); }
    [[nodiscard]] constexpr bool nep() const { return bit(bits, kLowerShift + 2); }

    // SP is not 16-byte aligned: what accesses memory by it faults (SCTLR_EL1.SA0). Follows from
    // SP; a block leaves with ContextSync where that changes. (In the place of FPCR.Stride, which
    // is RES0.)
    static constexpr u32 kMisalignedSp = 1u << 1;
    [[nodiscard]] constexpr bool misaligned_sp() const { return bits & kMisalignedSp; }
    [[nodiscard]] static constexpr BlockMode from_registers(u64 fpcr, u64 sp) {
        return {from_fpcr(fpcr).bits | (sp % 16 != 0 ? kMisalignedSp : 0)};
    }

    // Not from registers (CpuState::mode_bits).
    static constexpr u32 kPacRestricted = 1u << 14; // a key of SCTLR_EL1 is disabled, or trapped
    static constexpr u32 kShared = 1u << 13; // other threads or processes may see what is accessed
    static constexpr u32 kBti = 1u << 15;    // some page of the process is guarded
    static constexpr u32 kTags = 1u << 2;    // a page of the process, or RAM, has allocation tags
    // SCTLR_EL1.TCF0 of the thread (prctl), while anything is checked: with kTags and PSTATE.TCO
    // clear.
    static constexpr unsigned kTagCheckShift = 11;
    static constexpr u32 kTagCheck = 3u << kTagCheckShift;
    // Floating-point operations whose result the host may get wrong trap instead of being looked
    // at; not with the fields of FPCR that make those frequent.
    static constexpr u32 kTrapsFp = 1u << 16;
    [[nodiscard]] constexpr bool traps_fp() const {
        return (bits & kTrapsFp) != 0 && !dn() && !fiz() && !ah();
    }
    // So do those that FPCR.FZ flushes.
    [[nodiscard]] constexpr bool traps_flushes() const { return traps_fp() && fz(); }
    [[nodiscard]] constexpr bool tags() const { return bits & kTags; }
    [[nodiscard]] constexpr TagCheck tag_check() const {
        return static_cast<TagCheck>((bits & kTagCheck) >> kTagCheckShift);
    }
    [[nodiscard]] constexpr bool shared() const { return bits & kShared; }
    [[nodiscard]] constexpr bool pac_restricted() const { return bits & kPacRestricted; }
    [[nodiscard]] constexpr bool bti() const { return bits & kBti; }

    // Accesses are compared with CpuState::watched. Not of a whole machine.
    static constexpr u32 kWatches = 1u << 26;
    [[nodiscard]] constexpr bool watches() const { return bits & kWatches; }

    // Of a whole machine: the exception level, and whether floating point traps there.
    static constexpr u32 kSystem = 1u << 17;
    static constexpr unsigned kLevelShift = 18;
    static constexpr u32 kFpDisabled = 1u << 20;
    static constexpr u32 kOnSpEl0 = 1u << 21; // PSTATE.SP is 0
    static constexpr u32 kUao = 1u << 22;     // PSTATE.UAO: LDTR and STTR access as others do
    // Each access looks for its own bytes (no HostRange), and stores may be to two pages. Of a
    // block that goes on where another could not; not of those that follow.
    static constexpr u32 kNoRanges = 1u << 23;
    [[nodiscard]] constexpr bool no_ranges() const { return bits & kNoRanges; }
    [[nodiscard]] constexpr BlockMode of_successors() const { return {bits & ~kNoRanges}; }
    // Executed instructions are counted (CpuState::instructions_left).
    static constexpr u32 kCounts = 1u << 24;
    [[nodiscard]] constexpr bool counts() const { return bits & kCounts; }
    // Translated addresses have up to 52 bits, not 48: so pointers have shorter codes (ir/pauth.h).
    static constexpr u32 kWideAddresses = 1u << 25;
    [[nodiscard]] constexpr unsigned address_bits() const {
        return (bits & kWideAddresses) != 0 ? 52 : 48;
    }
    [[nodiscard]] static constexpr u32 level_bits(unsigned el) {
        return kSystem | el << kLevelShift;
    }
    [[nodiscard]] constexpr bool system() const { return bits & kSystem; }
    [[nodiscard]] constexpr bool privileged() const { return (bits >> kLevelShift & 3) != 0; }
    // Above EL0, with an SP of its own.
    [[nodiscard]] constexpr bool on_own_sp() const {
        return privileged() && (bits & kOnSpEl0) == 0;
    }
    [[nodiscard]] constexpr bool uao() const { return bits & kUao; }
    [[nodiscard]] constexpr bool fp_disabled() const { return bits & kFpDisabled; }
    friend constexpr bool operator==(BlockMode, BlockMode) = default;
};
static_assert((BlockMode::from_fpcr(~u64{0}).bits & BlockMode::kMisalignedSp) == 0);

inline constexpr unsigned kBlockModeBits = 27;
inline constexpr unsigned kCodePageLog2 = 12; // a block's code is in one page of this size

struct BlockKey {
    GuestAddr pc = 0;
    BlockMode mode;
    // Of a whole machine: the physical page that pc is in, as the number that its address starts
    // with. Else 0.
    u64 page = 0;
    // Where an address of pc's page is: the same in user mode.
    [[nodiscard]] constexpr u64 location_of(GuestAddr address) const {
        return mode.system() ? page << kCodePageLog2 | (address & ones(kCodePageLog2)) : address;
    }
    // The other way round.
    [[nodiscard]] constexpr GuestAddr address_of(u64 location) const {
        return mode.system() ? (pc & ~ones(kCodePageLog2)) | (location & ones(kCodePageLog2))
                             : location;
    }
    // The code there is known from the block's own.
    [[nodiscard]] constexpr bool same_page(GuestAddr address) const {
        return (address ^ pc) >> kCodePageLog2 == 0;
    }
    friend constexpr bool operator==(const BlockKey&, const BlockKey&) = default;
};

} // namespace ulna::ir
