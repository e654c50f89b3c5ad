// exec_abi.h's tables, indexed by slot and by register.
#pragma once

#include "backend/exec_abi.h"
#include "backend/x64/operand.h"

namespace ulna::backend::x64 {

inline constexpr auto kGprOfSlot = [] {
    std::array<u8, ir::kSlotCount> table{};
    table.fill(kNoReg);
    for (const PinnedGpr& pin : kPinnedGprs) {
        table[static_cast<unsigned>(pin.slot)] = static_cast<u8>(pin.reg);
    }
    return table;
}();
inline constexpr auto kXmmOfSlot = [] {
    std::array<u8, ir::kSlotCount> table{};
    table.fill(kNoReg);
    for (unsigned n = 0; n < kPinnedVecs.size(); ++n) {
        table[static_cast<unsigned>(kPinnedVecs[n])] = static_cast<u8>(n);
    }
    return table;
}();

// All pinned registers in one numbering: integer registers by their number, then vector registers.
inline constexpr u8 kFirstVectorPin = 16, kPinCount = 32;
inline constexpr auto kPinOfSlot = [] {
    std::array<u8, ir::kSlotCount> table{};
    for (unsigned slot = 0; slot < ir::kSlotCount; ++slot) {
        table[slot] = kXmmOfSlot[slot] == kNoReg
                          ? kGprOfSlot[slot]
                          : static_cast<u8>(kXmmOfSlot[slot] + kFirstVectorPin);
    }
    return table;
}();

// Where a pinned register's slot lives while it is not in the register.
inline constexpr auto kGprHome = [] {
    std::array<i32, 16> table{};
    table.fill(-1);
    for (const PinnedGpr& pin : kPinnedGprs) {
        table[static_cast<unsigned>(pin.reg)] = static_cast<i32>(ir::slot_offset(pin.slot));
    }
    return table;
}();
inline constexpr auto kXmmHome = [] {
    std::array<i32, 16> table{};
    table.fill(-1);
    for (unsigned n = 0; n < kPinnedVecs.size(); ++n) {
        table[n] = static_cast<i32>(ir::slot_offset(kPinnedVecs[n]));
    }
    return table;
}();

[[nodiscard]] constexpr bool is_pinned_gpr(u8 reg) { return kGprHome[reg] >= 0; }
[[nodiscard]] constexpr bool is_pinned_xmm(u8 reg) { return kXmmHome[reg] >= 0; }

inline constexpr u32 kTempGprMask = [] {
    u32 mask = 0;
    for (HostReg reg : kTempGprs) {
        mask |= 1u << static_cast<unsigned>(reg);
    }
    return mask;
}();
inline constexpr u32 kTempXmmMask = 0xf000;
static_assert(kFirstTempVec == 12 && kLastTempVec == 15);

inline constexpr u32 kPinnedGprMask = [] {
    u32 mask = 0;
    for (const PinnedGpr& pin : kPinnedGprs) {
        mask |= 1u << static_cast<unsigned>(pin.reg);
    }
    return mask;
}();
inline constexpr u32 kPinnedXmmMask = 0x0fff;

} // namespace ulna::backend::x64
