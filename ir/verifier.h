// Invariants of a block, all checked here:
//   - an argument names an earlier, live instruction that has a value; '?' arguments may be absent;
//   - argument and result types fit the row of opcodes.def; Set's value has the slot's type;
//   - aux and imm are in range for the row's parameter (slot numbers, condition codes, access
//     sizes), shapes and their immediates are those of shape_rules.h, and what a row does not use
//     is zero;
//   - guest_index never decreases and indexes guest_pcs;
//   - the exit's value exists and has the type the exit needs (i1, i64).
#pragma once

#include <string>

#include "ir/block.h"

namespace ulna::ir {
// Returns all violations, one per line; empty when the block is well-formed.
[[nodiscard]] std::string verify(const Block& block);
} // namespace ulna::ir
