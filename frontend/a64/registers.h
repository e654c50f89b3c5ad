// Register fields. Whether number 31 means SP or ZR is the reader's choice: Translator::X and ::SP.
#pragma once

#include "frontend/a64/imm.h"
#include "ir/types.h"

namespace ulna::frontend {

enum class Reg : u8 { R16 = 16, LR = 30, SP = 31, ZR = 31 };
enum class Vec : u8 {};

[[nodiscard]] constexpr unsigned number(Reg reg) { return static_cast<unsigned>(reg); }
[[nodiscard]] constexpr unsigned number(Vec vec) { return static_cast<unsigned>(vec); }
// Register lists wrap: (t + n) MOD 32.
[[nodiscard]] constexpr Vec operator+(Vec vec, unsigned n) {
    return static_cast<Vec>((number(vec) + n) % 32);
}
[[nodiscard]] constexpr Reg operator+(Reg reg, unsigned n) {
    return static_cast<Reg>((number(reg) + n) % 32);
}

// The general-purpose register type of an `sf` bit.
[[nodiscard]] constexpr ir::Type gpr(bool sf) { return sf ? ir::Type::I64 : ir::Type::I32; }

// The FP type of an `ftype` field; empty for 10, which is reserved. Type::F16 arithmetic needs
// FEAT_FP16: handlers other than FCVT refuse it.
[[nodiscard]] constexpr std::optional<ir::Type> fp_type(Imm<2> ftype) {
    switch (ftype.v) {
    case 0:
        return ir::Type::F32;
    case 1:
        return ir::Type::F64;
    case 3:
        return ir::Type::F16;
    default:
        return std::nullopt;
    }
}
// The FP type of a one-bit `sz`.
[[nodiscard]] constexpr ir::Type fp_type(bool sz) { return sz ? ir::Type::F64 : ir::Type::F32; }

// Lanes of 8 << size bits in a 64-bit (Q = 0) or 128-bit register. size 11 with Q 0 is one
// doubleword, which vector instructions mostly reserve: that check stays in the handler.
[[nodiscard]] constexpr ir::Shape vector_shape(Imm<2> size, bool Q) {
    return {static_cast<u8>(size.v), static_cast<u8>(3 - size.v + Q)};
}
// One lane: the scalar Advanced SIMD forms.
[[nodiscard]] constexpr ir::Shape scalar_shape(Imm<2> size) { return {static_cast<u8>(size.v), 0}; }
// Lanes of a vector FP instruction with a one-bit `sz`: 2S, 4S, (1D, reserved), 2D.
[[nodiscard]] constexpr ir::Shape fp_shape(bool sz, bool Q) {
    return vector_shape(Imm<2>{sz ? 3u : 2u}, Q);
}
[[nodiscard]] constexpr ir::Shape fp_scalar_shape(bool sz) {
    return scalar_shape(Imm<2>{sz ? 3u : 2u});
}

} // namespace ulna::frontend
