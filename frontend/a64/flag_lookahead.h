// Does the code at an address write all of NZCV before it reads any of it? A look at the few words
// from there on; in doubt the answer is no.
//
// A memory access on the way does not count as a reader: when it faults, a signal handler sees NZCV
// as it was before its last, dead, computation. Nothing that runs on can tell; supervisor calls,
// breakpoints and undefined instructions, where debuggers and emulating handlers look, do count,
// except for words that have a row whose handler refuses them (a reserved shift amount, say).
#pragma once

#include <span>

#include "frontend/a64/features.h"
#include "ir/support/bits.h"

namespace ulna::frontend {

// A block that relies on the answer depends on these words: the runtime must forget it with them.
inline constexpr unsigned kFlagLookaheadWords = 10;

// `words` starts at the address in question; at most kFlagLookaheadWords are read.
[[nodiscard]] bool nzcv_is_dead_in(std::span<const u32> words, FeatureSet features);

enum class FlagUse : u8 { None, WritesAll, Reads, Unknown, Jump, Branch };
struct FlagInfo {
    FlagUse use;
    i64 offset = 0; // Jump (B, BL) and Branch (CBZ, TBZ...): the target's distance in words
};
[[nodiscard]] FlagInfo flag_info(u32 word, FeatureSet features);

} // namespace ulna::frontend
