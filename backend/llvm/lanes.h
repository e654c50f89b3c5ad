// v128 values as lanes. Shapes of less than 16 bytes keep their lanes in the low bytes and zero
// the rest.
#pragma once

#include "backend/llvm/lowering.h"

namespace ulna::backend::tier2 {

// All lanes of the register, also those past the shape's count: for operations that cannot raise.
[[nodiscard]] Value* whole_int_lanes(Lowering& l, Value* v, ir::Shape shape);
// A vector of all lanes -> v128, with what lies past the shape zeroed.
[[nodiscard]] Value* from_whole_lanes(Lowering& l, Value* lanes, ir::Shape shape);

// Exactly the shape's lanes, as FP: a scalar when it is one. Lanes of 4 or 8 bytes.
[[nodiscard]] Value* fp_lanes(Lowering& l, Value* v, ir::Shape shape);
// The same as integers.
[[nodiscard]] Value* exact_int_lanes(Lowering& l, Value* v, ir::Shape shape);
// Back to v128, the rest zero.
[[nodiscard]] Value* from_exact_lanes(Lowering& l, Value* lanes);

// Some lane of a vector of i1, or the i1 itself.
[[nodiscard]] Value* any(Lowering& l, Value* condition);

[[nodiscard]] inline llvm::Type* fp_type(Lowering& l, unsigned bits) {
    return bits == 64 ? l.b.getDoubleTy() : l.b.getFloatTy();
}

} // namespace ulna::backend::tier2
