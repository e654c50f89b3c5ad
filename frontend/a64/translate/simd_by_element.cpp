// Advanced SIMD vector x indexed element and scalar x indexed element: one lane of Vm times every
// lane of Vn.

#include "frontend/a64/translate/handlers_simd.h"
#include "frontend/a64/translate/simd_common.h"

namespace ulna::frontend {

namespace {

struct Element {
    Imm<2> size;
    unsigned index;
    Vec Vm;

    [[nodiscard]] Shape wide_shape() const { return vector_shape({size.v + 1}, true); }
};

// Halfwords have the index H:L:M and registers V0 to V15, words H:L and M:Rm. Others are reserved.
[[nodiscard]] std::optional<Element> element(Imm<2> size, bool H, bool L, bool M, Imm<4> Rm) {
    switch (size.v) {
    case 1:
        return Element{size, concat(H, L, M).v, static_cast<Vec>(Rm.v)};
    case 2:
        return Element{size, concat(H, L).v, static_cast<Vec>(concat(M, Rm).v)};
    default:
        return std::nullopt;
    }
}

[[nodiscard]] Value duplicated(Translator& t, Shape shape, const Element& e) {
    return t.b.vec(Opcode::VDupLane, shape, {t.V(e.Vm)}, e.index);
}

bool multiply_lanes(
    Translator& t, Opcode op, Shape shape, const Element& e, Vec Rn, Vec Rd, u64 imm) {
    t.set_V(Rd, t.b.vec(op, shape, {t.V(Rn), duplicated(t, shape, e)}, imm));
    return true;
}
bool multiply(
    Translator& t, Opcode op, bool Q, std::optional<Element> e, Vec Rn, Vec Rd, u64 imm = 0) {
    return e ? multiply_lanes(t, op, vector_shape(e->size, Q), *e, Rn, Rd, imm) : t.reserved();
}
bool multiply_scalar(
    Translator& t, Opcode op, std::optional<Element> e, Vec Rn, Vec Rd, u64 imm = 0) {
    return e ? multiply_lanes(t, op, scalar_shape(e->size), *e, Rn, Rd, imm) : t.reserved();
}

// MLA and MLS.
bool multiply_accumulate(
    Translator& t, Opcode combine, bool Q, std::optional<Element> e, Vec Rn, Vec Rd) {
    if (!e) {
        return t.reserved();
    }
    const Shape shape = vector_shape(e->size, Q);
    const Value product = t.b.vec(Opcode::VMul, shape, {t.V(Rn), duplicated(t, shape, *e)});
    t.set_V(Rd, t.b.vec(combine, shape, {t.V(Rd), product}));
    return true;
}

[[nodiscard]] Value long_product(Translator& t, Opcode op, bool Q, const Element& e, Vec Rn) {
    const Value operand2 = duplicated(t, vector_shape(e.size, false), e);
    return t.b.vec(op, e.wide_shape(), {part(t, Rn, Q), operand2});
}
bool multiply_long(Translator& t, Opcode op, bool Q, std::optional<Element> e, Vec Rn, Vec Rd) {
    if (!e) {
        return t.reserved();
    }
    t.set_V(Rd, long_product(t, op, Q, *e, Rn));
    return true;
}
bool multiply_long_accumulate(
    Translator& t, Opcode op, Opcode combine, bool Q, std::optional<Element> e, Vec Rn, Vec Rd) {
    if (!e) {
        return t.reserved();
    }
    const Value product = long_product(t, op, Q, *e, Rn);
    t.set_V(Rd, t.b.vec(combine, e->wide_shape(), {t.V(Rd), product}));
    return true;
}

[[nodiscard]] Value long_product_scalar(Translator& t, const Element& e, Vec Rn) {
    const Value operand2 = duplicated(t, scalar_shape(e.size), e);
    return t.b.vec(Opcode::VSQDMull, widened_scalar(e.size), {t.V(Rn), operand2});
}
bool multiply_long_scalar(Translator& t, std::optional<Element> e, Vec Rn, Vec Rd) {
    if (!e) {
        return t.reserved();
    }
    t.set_V(Rd, long_product_scalar(t, *e, Rn));
    return true;
}
bool multiply_long_accumulate_scalar(
    Translator& t, Opcode combine, std::optional<Element> e, Vec Rn, Vec Rd) {
    if (!e) {
        return t.reserved();
    }
    const Value product = long_product_scalar(t, *e, Rn);
    t.set_V(Rd, t.b.vec(combine, widened_scalar(e->size), {t.V(Rd), product}));
    return true;
}

// SQRDMLAH and SQRDMLSH.
bool accumulate_lanes(Translator& t, Shape shape, const Element& e, Vec Rn, Vec Rd, u64 subtract) {
    const Value operand2 = duplicated(t, shape, e);
    t.set_V(Rd, t.b.vec(Opcode::VSQRDMlAH, shape, {t.V(Rd), t.V(Rn), operand2}, subtract));
    return true;
}
bool rounding_doubling_accumulate(
    Translator& t, bool Q, std::optional<Element> e, Vec Rn, Vec Rd, u64 subtract = 0) {
    return e ? accumulate_lanes(t, vector_shape(e->size, Q), *e, Rn, Rd, subtract) : t.reserved();
}
bool rounding_doubling_accumulate_scalar(
    Translator& t, std::optional<Element> e, Vec Rn, Vec Rd, u64 subtract = 0) {
    return e ? accumulate_lanes(t, scalar_shape(e->size), *e, Rn, Rd, subtract) : t.reserved();
}

} // namespace

// --- Advanced SIMD vector x indexed element

bool MUL_elem(
    Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply(t, Opcode::VMul, Q, element(size, H, L, M, Rm), Rn, Rd);
}

bool MLA_elem(
    Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_accumulate(t, Opcode::VAdd, Q, element(size, H, L, M, Rm), Rn, Rd);
}

bool MLS_elem(
    Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_accumulate(t, Opcode::VSub, Q, element(size, H, L, M, Rm), Rn, Rd);
}

bool SQDMULH_elem(
    Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply(t, Opcode::VSQDMulH, Q, element(size, H, L, M, Rm), Rn, Rd);
}

bool SQRDMULH_elem(
    Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply(t, Opcode::VSQDMulH, Q, element(size, H, L, M, Rm), Rn, Rd, kRounding);
}

bool SMULL_elem(
    Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_long(t, Opcode::VSMull, Q, element(size, H, L, M, Rm), Rn, Rd);
}

bool SMLAL_elem(
    Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_long_accumulate(t, Opcode::VSMull, Opcode::VAdd, Q, element(size, H, L, M, Rm),
                                    Rn, Rd);
}

bool SMLSL_elem(
    Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_long_accumulate(t, Opcode::VSMull, Opcode::VSub, Q, element(size, H, L, M, Rm),
                                    Rn, Rd);
}

bool UMULL_elem(
    Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_long(t, Opcode::VUMull, Q, element(size, H, L, M, Rm), Rn, Rd);
}

bool UMLAL_elem(
    Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_long_accumulate(t, Opcode::VUMull, Opcode::VAdd, Q, element(size, H, L, M, Rm),
                                    Rn, Rd);
}

bool UMLSL_elem(
    Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_long_accumulate(t, Opcode::VUMull, Opcode::VSub, Q, element(size, H, L, M, Rm),
                                    Rn, Rd);
}

bool SQDMULL_elem(
    Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_long(t, Opcode::VSQDMull, Q, element(size, H, L, M, Rm), Rn, Rd);
}

bool SQDMLAL_elem(
    Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_long_accumulate(t, Opcode::VSQDMull, Opcode::VSQAdd, Q,
                                    element(size, H, L, M, Rm), Rn, Rd);
}

bool SQDMLSL_elem(
    Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_long_accumulate(t, Opcode::VSQDMull, Opcode::VSQSub, Q,
                                    element(size, H, L, M, Rm), Rn, Rd);
}

bool SQRDMLAH_elem(
    Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return rounding_doubling_accumulate(t, Q, element(size, H, L, M, Rm), Rn, Rd);
}

bool SQRDMLSH_elem(
    Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return rounding_doubling_accumulate(t, Q, element(size, H, L, M, Rm), Rn, Rd, kSubtract);
}

// --- Advanced SIMD scalar x indexed element

bool SQDMULH_elem_scalar(
    Translator& t, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_scalar(t, Opcode::VSQDMulH, element(size, H, L, M, Rm), Rn, Rd);
}

bool SQRDMULH_elem_scalar(
    Translator& t, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_scalar(t, Opcode::VSQDMulH, element(size, H, L, M, Rm), Rn, Rd, kRounding);
}

bool SQDMULL_elem_scalar(
    Translator& t, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_long_scalar(t, element(size, H, L, M, Rm), Rn, Rd);
}

bool SQDMLAL_elem_scalar(
    Translator& t, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_long_accumulate_scalar(t, Opcode::VSQAdd, element(size, H, L, M, Rm), Rn, Rd);
}

bool SQDMLSL_elem_scalar(
    Translator& t, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_long_accumulate_scalar(t, Opcode::VSQSub, element(size, H, L, M, Rm), Rn, Rd);
}

bool SQRDMLAH_elem_scalar(
    Translator& t, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return rounding_doubling_accumulate_scalar(t, element(size, H, L, M, Rm), Rn, Rd);
}

bool SQRDMLSH_elem_scalar(
    Translator& t, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return rounding_doubling_accumulate_scalar(t, element(size, H, L, M, Rm), Rn, Rd, kSubtract);
}

} // namespace ulna::frontend
