// What the Advanced SIMD handlers share: lane arrangements with their legality, and the two
// commonest shapes of an instruction.
#pragma once

#include "frontend/a64/translator.h"

namespace ulna::frontend {

// The lanes that size:Q select; empty when the instruction reserves that combination. The names
// list the lane sizes an instruction has.
using Lanes = std::optional<Shape>;

[[nodiscard]] constexpr Lanes lanes_bhsd(Imm<2> size, bool Q) {
    return size == 3u && !Q ? std::nullopt : Lanes{vector_shape(size, Q)};
}
[[nodiscard]] constexpr Lanes lanes_bhs(Imm<2> size, bool Q) {
    return size == 3u ? std::nullopt : Lanes{vector_shape(size, Q)};
}
[[nodiscard]] constexpr Lanes lanes_hs(Imm<2> size, bool Q) {
    return size == 0u ? std::nullopt : lanes_bhs(size, Q);
}
[[nodiscard]] constexpr Lanes lanes_bh(Imm<2> size, bool Q) {
    return size.v > 1 ? std::nullopt : Lanes{vector_shape(size, Q)};
}
[[nodiscard]] constexpr Lanes lanes_b(Imm<2> size, bool Q) {
    return size == 0u ? Lanes{vector_shape(size, Q)} : std::nullopt;
}
[[nodiscard]] constexpr Lanes scalar_bhsd(Imm<2> size) { return scalar_shape(size); }
[[nodiscard]] constexpr Lanes scalar_bhs(Imm<2> size) {
    return size == 3u ? std::nullopt : Lanes{scalar_shape(size)};
}
[[nodiscard]] constexpr Lanes scalar_hs(Imm<2> size) {
    return size == 0u ? std::nullopt : scalar_bhs(size);
}
[[nodiscard]] constexpr Lanes scalar_d(Imm<2> size) {
    return size == 3u ? Lanes{shape::D1} : std::nullopt;
}
// One lane twice as wide as `size`.
[[nodiscard]] constexpr Shape widened_scalar(Imm<2> size) { return scalar_shape({size.v + 1}); }
// Operations on whole registers.
[[nodiscard]] constexpr Shape register_bytes(bool Q) { return Q ? shape::B16 : shape::B8; }

// imm of operations that round, and of those that subtract, when it is 1.
inline constexpr u64 kRounding = 1;
inline constexpr u64 kSubtract = 1;

// Vd = op(Vn, Vm).
[[nodiscard]] inline bool
three_same(Translator& t, Opcode op, Lanes lanes, Vec Rm, Vec Rn, Vec Rd, u64 imm = 0) {
    if (!lanes) {
        return t.reserved();
    }
    const Value operand1 = t.V(Rn);
    t.set_V(Rd, t.b.vec(op, *lanes, {operand1, t.V(Rm)}, imm));
    return true;
}

// Vd = op(Vn).
[[nodiscard]] inline bool
two_misc(Translator& t, Opcode op, Lanes lanes, Vec Rn, Vec Rd, u64 imm = 0) {
    if (!lanes) {
        return t.reserved();
    }
    t.set_V(Rd, t.b.vec(op, *lanes, {t.V(Rn)}, imm));
    return true;
}

// Vpart: the half of a register that narrow operands come from, in the low half.
[[nodiscard]] inline Value part(Translator& t, Vec Rn, bool high) {
    return high ? t.b.unary(Opcode::VHigh, t.V(Rn)) : t.V(Rn);
}
// The half of a register that narrow results go to. The low one zeroes the high one.
inline void set_part(Translator& t, Vec Rd, bool high, Value narrow) {
    t.set_V(Rd, high ? t.b.binary(Opcode::VConcat, t.V(Rd), narrow) : narrow);
}

} // namespace ulna::frontend
