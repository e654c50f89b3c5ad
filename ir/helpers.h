// The table of runtime helpers, generated from helpers.def.
#pragma once

#include "ir/guest_state.h"

namespace ulna::ir {

enum class HelperId : u8 {
#define HELPER(name, result, args) name,
#include "ir/helpers.def"
#undef HELPER
};

#define HELPER(...) +1
inline constexpr unsigned kHelperCount = 0
#include "ir/helpers.def"
    ;
#undef HELPER

using HelperFn = u64 (*)(CpuState&, u64, u64, u64, u64);

struct HelperInfo {
    const char* name;
    Type result;
    const char* args;
};
inline constexpr HelperInfo kHelperInfo[kHelperCount] = {
#define HELPER(name, result, args) {#name, Type::result, args},
#include "ir/helpers.def"
#undef HELPER
};

// Implementations, in HelperId order (ir/helpers.cpp).
extern const HelperFn kHelpers[kHelperCount];

// The numbers of a deterministic random source (SplitMix64), whatever its state.
[[nodiscard]] u64 next_random(u64& state);

// Frequency of the guest's generic timer, Hz (CNTFRQ_EL0).
inline constexpr u64 kCounterFrequency = 1'000'000'000 / 16; // 62.5 MHz

} // namespace ulna::ir
