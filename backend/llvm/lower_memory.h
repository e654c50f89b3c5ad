// What lower_memory.cpp and lower_atomic.cpp share.
#pragma once

#include "backend/llvm/lowering.h"

namespace ulna::backend::tier2 {

[[nodiscard]] Value* without_tag(Lowering& l, Value* address);
// Leaves with ExitReason::Alignment where the access is not allowed.
void check_alignment(Lowering& l, const Inst& inst, Value* address, ir::MemInfo mem);
// The address of an atomic or exclusive access, which must always be aligned.
[[nodiscard]] Value* checked_address(Lowering& l, const Inst& inst);
void full_fence(Lowering& l);

} // namespace ulna::backend::tier2
