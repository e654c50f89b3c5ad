// The registers of an AArch64 CPU that gdb itself has named and numbered (gdb manual, G.5.1), for
// whatever has a CpuState.
#pragma once

#include "ir/guest_state.h"
#include "runtime/debug/gdb_target.h"

namespace ulna::runtime::debug {

// Numbers of core_feature() and fpu_feature(), when they come first. Others follow.
struct GdbNumber {
    static constexpr unsigned kSp = 31, kPc = 32, kCpsr = 33, kV0 = 34, kFpsr = 66, kFpcr = 67;
    static constexpr unsigned kOthers = 68;
};

[[nodiscard]] GdbFeature core_feature();
[[nodiscard]] GdbFeature fpu_feature();

// Where a register of these is in CpuState as gdb wants it: X, SP, PC and V. Empty: it is not.
[[nodiscard]] std::span<u8> cell_of(ir::CpuState& state, unsigned number);

} // namespace ulna::runtime::debug
