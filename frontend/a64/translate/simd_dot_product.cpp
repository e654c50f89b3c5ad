// Dot products: each word accumulates the products of its four bytes (SDOT, UDOT, USDOT, SUDOT) or
// two bfloat16 numbers (BFDOT). Matrix products: likewise each word with two words crosswise.

#include "frontend/a64/translate/handlers_simd.h"
#include "frontend/a64/translate/simd_common.h"

namespace ulna::frontend {

namespace {

bool accumulate(Translator& t, Opcode dot, bool Q, Value n, Value m, Vec Rd) {
    t.set_V(Rd, t.b.vec(dot, vector_shape({2}, Q), {t.V(Rd), n, m}));
    return true;
}

bool vector(Translator& t, Opcode dot, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return size == 2u ? accumulate(t, dot, Q, t.V(Rn), t.V(Rm), Rd) : t.reserved();
}

// Word H:L of Vm against each word of Vn.
[[nodiscard]] Value element(Translator& t, bool H, bool L, Vec Vm) {
    return t.b.vec(Opcode::VDupLane, shape::S4, {t.V(Vm)}, concat(H, L).v);
}

// Vd += Vn * transposed Vm: two rows of two words each.
bool matrix(Translator& t, Opcode dot, Vec Rm, Vec Rn, Vec Rd) {
    constexpr u64 kMatrix = 1;
    const Value n = t.V(Rn), m = t.V(Rm);
    t.set_V(Rd, t.b.vec(dot, shape::S4, {t.V(Rd), n, m}, kMatrix));
    return true;
}

} // namespace

bool SDOT_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return vector(t, Opcode::VSDot, Q, size, Rm, Rn, Rd);
}
bool UDOT_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return vector(t, Opcode::VUDot, Q, size, Rm, Rn, Rd);
}
bool USDOT_vec(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return accumulate(t, Opcode::VUSDot, Q, t.V(Rn), t.V(Rm), Rd);
}
bool BFDOT_vec(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return accumulate(t, Opcode::VBfDot, Q, t.V(Rn), t.V(Rm), Rd);
}

bool SDOT_elem(Translator& t, bool Q, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    return accumulate(t, Opcode::VSDot, Q, t.V(Rn), element(t, H, L, Rm), Rd);
}
bool UDOT_elem(Translator& t, bool Q, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    return accumulate(t, Opcode::VUDot, Q, t.V(Rn), element(t, H, L, Rm), Rd);
}
bool USDOT_elem(Translator& t, bool Q, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    return accumulate(t, Opcode::VUSDot, Q, t.V(Rn), element(t, H, L, Rm), Rd);
}
bool SUDOT_elem(Translator& t, bool Q, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    return accumulate(t, Opcode::VUSDot, Q, element(t, H, L, Rm), t.V(Rn), Rd);
}
bool BFDOT_elem(Translator& t, bool Q, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    return accumulate(t, Opcode::VBfDot, Q, t.V(Rn), element(t, H, L, Rm), Rd);
}

bool SMMLA(Translator& t, Vec Rm, Vec Rn, Vec Rd) { return matrix(t, Opcode::VSDot, Rm, Rn, Rd); }
bool UMMLA(Translator& t, Vec Rm, Vec Rn, Vec Rd) { return matrix(t, Opcode::VUDot, Rm, Rn, Rd); }
bool USMMLA(Translator& t, Vec Rm, Vec Rn, Vec Rd) { return matrix(t, Opcode::VUSDot, Rm, Rn, Rd); }
bool BFMMLA(Translator& t, Vec Rm, Vec Rn, Vec Rd) { return matrix(t, Opcode::VBfDot, Rm, Rn, Rd); }

} // namespace ulna::frontend
