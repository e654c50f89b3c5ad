#include "backend/llvm/lanes.h"

#include <numeric>

namespace ulna::backend::tier2 {

Value* whole_int_lanes(Lowering& l, Value* v, ir::Shape shape) {
    return l.b.CreateBitCast(v, l.int_lanes(shape));
}

Value* from_whole_lanes(Lowering& l, Value* lanes, ir::Shape shape) {
    Value* const v = l.b.CreateBitCast(lanes, l.v128());
    const unsigned bytes = shape.bytes();
    if (bytes == 16) {
        return v;
    }
    if (bytes == 8) {
        return l.b.CreateInsertElement(v, l.b.getInt64(0), u64{1});
    }
    return l.b.CreateAnd(v, l.constant({ones(bytes * 8), 0}));
}

namespace {
Value* exact_lanes(Lowering& l, Value* v, ir::Shape shape, llvm::Type* lane) {
    const unsigned whole_count = 16 / shape.lane_bytes();
    Value* const whole = l.b.CreateBitCast(v, llvm::FixedVectorType::get(lane, whole_count));
    if (shape.lanes() == whole_count) {
        return whole;
    }
    if (shape.lanes() == 1) {
        return l.b.CreateExtractElement(whole, u64{0});
    }
    llvm::SmallVector<int, 16> low;
    for (unsigned i = 0; i < shape.lanes(); ++i) {
        low.push_back(static_cast<int>(i));
    }
    return l.b.CreateShuffleVector(whole, low);
}
} // namespace

Value* fp_lanes(Lowering& l, Value* v, ir::Shape shape) {
    return exact_lanes(l, v, shape, fp_type(l, shape.lane_bits()));
}
Value* exact_int_lanes(Lowering& l, Value* v, ir::Shape shape) {
    return exact_lanes(l, v, shape, l.int_type(shape.lane_bits()));
}

Value* from_exact_lanes(Lowering& l, Value* lanes) {
    const auto bits = static_cast<unsigned>(lanes->getType()->getPrimitiveSizeInBits());
    if (bits == 128) {
        return l.b.CreateBitCast(lanes, l.v128());
    }
    // By a shuffle: LLVM 14 to 19 take lane 0 of an integer that was bitcast from truncated lanes,
    // seen as a double, for the lanes before they were truncated.
    if (const auto* const vector = llvm::dyn_cast<llvm::FixedVectorType>(lanes->getType())) {
        const unsigned count = vector->getNumElements();
        llvm::SmallVector<int, 16> picked(count * 128 / bits, static_cast<int>(count));
        std::iota(picked.begin(), picked.begin() + count, 0);
        Value* const zeros = llvm::Constant::getNullValue(lanes->getType());
        return l.b.CreateBitCast(l.b.CreateShuffleVector(lanes, zeros, picked), l.v128());
    }
    Value* const low = l.b.CreateBitCast(lanes, l.int_type(bits));
    return l.b.CreateInsertElement(l.zero_vector(), l.zext_to(low, 64), u64{0});
}

Value* any(Lowering& l, Value* condition) {
    const auto* const vector = llvm::dyn_cast<llvm::FixedVectorType>(condition->getType());
    if (vector == nullptr) {
        return condition;
    }
    Value* const bits = l.b.CreateBitCast(condition, l.int_type(vector->getNumElements()));
    return l.b.CreateICmpNE(bits, llvm::Constant::getNullValue(bits->getType()));
}

} // namespace ulna::backend::tier2
