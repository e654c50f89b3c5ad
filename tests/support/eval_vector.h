// A vector operation by its evaluator.
#pragma once

#include "ir/eval.h"

namespace ulna::test {

// `fpsr_bits` gets what the operation would set in FPSR.
[[nodiscard]] inline V128
eval_vector(ir::Opcode op, ir::Shape shape, u64 imm, const V128* args, u32& fpsr_bits) {
    const ir::OpParams params{imm,
                              static_cast<u16>(op),
                              shape.pack(),
                              static_cast<u8>(ir::Type::V128),
                              static_cast<u8>(ir::Type::V128),
                              0};
    return ir::eval(params, args, fpsr_bits);
}

} // namespace ulna::test
