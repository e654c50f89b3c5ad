// Advanced SIMD floating point with two or three registers: vector and scalar ("lane") forms, by
// element, pairwise and across lanes (DDI 0487 C4.1.96).
#include "frontend/a64/translate/fp_common.h"
#include "frontend/a64/translate/handlers_fp.h"

namespace ulna::frontend {

namespace {
[[nodiscard]] bool reserved_lanes(bool Q, bool sz) { return sz && !Q; } // one doubleword

bool three_same(Translator& t, Opcode op, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd, u64 imm = 0) {
    if (reserved_lanes(Q, sz)) {
        return t.reserved();
    }
    const Value operand1 = t.V(Rn), operand2 = t.V(Rm);
    t.set_V(Rd, t.b.vec(op, fp_shape(sz, Q), {operand1, operand2}, imm));
    return true;
}

bool lane(Translator& t, Opcode op, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    const Type type = fp_type(sz);
    const Value operand1 = t.F(type, Rn), operand2 = t.F(type, Rm);
    t.set_F(Rd, t.b.binary(op, operand1, operand2), Rn);
    return true;
}

bool compare_lane(Translator& t, Opcode op, bool sz, Vec Rm, Vec Rn, Vec Rd, u64 imm = 0) {
    const Value operand1 = t.V(Rn), operand2 = t.V(Rm);
    const Shape shape = fp_scalar_shape(sz);
    t.set_lane(Rd, t.b.vec(op, shape, {operand1, operand2}, imm), shape, Rm);
    return true;
}

constexpr u64 kAbsolute = 1; // parameter of FCmGe and FCmGt

bool multiply_add(Translator& t, bool subtract, Shape shape, Vec Rn, Value operand2, Vec Rd) {
    const u64 negate = subtract ? ir::fmuladd::kNegateFactor : 0;
    t.set_V(Rd, t.b.vec(Opcode::FMulAdd, shape, {t.V(Rd), t.V(Rn), operand2}, negate));
    return true;
}
bool three_same_multiply_add(
    Translator& t, bool subtract, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    if (reserved_lanes(Q, sz)) {
        return t.reserved();
    }
    return multiply_add(t, subtract, fp_shape(sz, Q), Rn, t.V(Rm), Rd);
}

// Index of an element: H:L for words, H for doublewords (where L must be 0).
[[nodiscard]] bool reserved_index(bool sz, bool L) { return sz && L; }
[[nodiscard]] unsigned element_index(bool sz, bool H, bool L) { return sz ? H : concat(H, L).v; }

[[nodiscard]] Value broadcast(Translator& t, bool sz, Vec Rm, bool H, bool L) {
    return t.b.vec(Opcode::VDupLane, full_shape(sz), {t.V(Rm)}, element_index(sz, H, L));
}

bool by_element(Translator& t, Opcode op, bool Q, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    if (reserved_lanes(Q, sz) || reserved_index(sz, L)) {
        return t.reserved();
    }
    const Value operand2 = broadcast(t, sz, Rm, H, L);
    t.set_V(Rd, t.b.vec(op, fp_shape(sz, Q), {t.V(Rn), operand2}));
    return true;
}
bool by_element_multiply_add(
    Translator& t, bool subtract, bool Q, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    if (reserved_lanes(Q, sz) || reserved_index(sz, L)) {
        return t.reserved();
    }
    return multiply_add(t, subtract, fp_shape(sz, Q), Rn, broadcast(t, sz, Rm, H, L), Rd);
}

bool lane_by_element(Translator& t, Opcode op, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    if (reserved_index(sz, L)) {
        return t.reserved();
    }
    const Value operand2 = element(t, sz, Rm, element_index(sz, H, L));
    t.set_F(Rd, t.b.binary(op, t.F(fp_type(sz), Rn), operand2), Rn);
    return true;
}
bool lane_by_element_multiply_add(
    Translator& t, bool subtract, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    if (reserved_index(sz, L)) {
        return t.reserved();
    }
    const Type type = fp_type(sz);
    const u64 negate = subtract ? ir::fmuladd::kNegateFactor : 0;
    const Value operand2 = element(t, sz, Rm, element_index(sz, H, L));
    const Value addend = t.F(type, Rd), operand1 = t.F(type, Rn);
    t.set_F(Rd, t.b.emit(Opcode::FMulAdd, type, {addend, operand1, operand2}, 0, negate), Rd);
    return true;
}

bool pair(Translator& t, Opcode op, bool sz, Vec Rn, Vec Rd) {
    const Value lo = element(t, sz, Rn, 0), hi = element(t, sz, Rn, 1);
    t.set_F(Rd, t.b.binary(op, lo, hi));
    return true;
}

bool across(Translator& t, Opcode op, Vec Rn, Vec Rd) {
    t.set_V(Rd, t.b.vec(op, shape::S4, {t.V(Rn)}));
    return true;
}
} // namespace

// --- three same
bool FMAXNM_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMaxNm, Q, sz, Rm, Rn, Rd);
}
bool FADD_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FAdd, Q, sz, Rm, Rn, Rd);
}
bool FMULX_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMulX, Q, sz, Rm, Rn, Rd);
}
bool FCMEQ_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FCmEq, Q, sz, Rm, Rn, Rd);
}
bool FMAX_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMax, Q, sz, Rm, Rn, Rd);
}
bool FRECPS_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FRecpS, Q, sz, Rm, Rn, Rd);
}
bool FMINNM_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMinNm, Q, sz, Rm, Rn, Rd);
}
bool FSUB_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FSub, Q, sz, Rm, Rn, Rd);
}
bool FMIN_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMin, Q, sz, Rm, Rn, Rd);
}
bool FRSQRTS_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FRSqrtS, Q, sz, Rm, Rn, Rd);
}
bool FMAXNMP_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMaxNmP, Q, sz, Rm, Rn, Rd);
}
bool FADDP_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FAddP, Q, sz, Rm, Rn, Rd);
}
bool FMUL_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMul, Q, sz, Rm, Rn, Rd);
}
bool FCMGE_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FCmGe, Q, sz, Rm, Rn, Rd);
}
bool FMAXP_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMaxP, Q, sz, Rm, Rn, Rd);
}
bool FDIV_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FDiv, Q, sz, Rm, Rn, Rd);
}
bool FMINNMP_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMinNmP, Q, sz, Rm, Rn, Rd);
}
bool FABD_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FAbd, Q, sz, Rm, Rn, Rd);
}
bool FCMGT_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FCmGt, Q, sz, Rm, Rn, Rd);
}
bool FMINP_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMinP, Q, sz, Rm, Rn, Rd);
}
bool FACGE_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FCmGe, Q, sz, Rm, Rn, Rd, kAbsolute);
}
bool FACGT_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FCmGt, Q, sz, Rm, Rn, Rd, kAbsolute);
}
bool FMLA_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same_multiply_add(t, false, Q, sz, Rm, Rn, Rd);
}
bool FMLS_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return three_same_multiply_add(t, true, Q, sz, Rm, Rn, Rd);
}

// --- scalar three same
bool FMULX_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return lane(t, Opcode::FMulX, sz, Rm, Rn, Rd);
}
bool FRECPS_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return lane(t, Opcode::FRecpS, sz, Rm, Rn, Rd);
}
bool FRSQRTS_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return lane(t, Opcode::FRSqrtS, sz, Rm, Rn, Rd);
}
bool FABD_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return lane(t, Opcode::FAbd, sz, Rm, Rn, Rd);
}
bool FCMEQ_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return compare_lane(t, Opcode::FCmEq, sz, Rm, Rn, Rd);
}
bool FCMGE_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return compare_lane(t, Opcode::FCmGe, sz, Rm, Rn, Rd);
}
bool FCMGT_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return compare_lane(t, Opcode::FCmGt, sz, Rm, Rn, Rd);
}
bool FACGE_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return compare_lane(t, Opcode::FCmGe, sz, Rm, Rn, Rd, kAbsolute);
}
bool FACGT_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd) {
    return compare_lane(t, Opcode::FCmGt, sz, Rm, Rn, Rd, kAbsolute);
}

// --- by element
bool FMLA_elem(Translator& t, bool Q, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    return by_element_multiply_add(t, false, Q, sz, L, Rm, H, Rn, Rd);
}
bool FMLS_elem(Translator& t, bool Q, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    return by_element_multiply_add(t, true, Q, sz, L, Rm, H, Rn, Rd);
}
bool FMUL_elem(Translator& t, bool Q, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    return by_element(t, Opcode::FMul, Q, sz, L, Rm, H, Rn, Rd);
}
bool FMULX_elem(Translator& t, bool Q, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    return by_element(t, Opcode::FMulX, Q, sz, L, Rm, H, Rn, Rd);
}
bool FMLA_elem_lane(Translator& t, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    return lane_by_element_multiply_add(t, false, sz, L, Rm, H, Rn, Rd);
}
bool FMLS_elem_lane(Translator& t, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    return lane_by_element_multiply_add(t, true, sz, L, Rm, H, Rn, Rd);
}
bool FMUL_elem_lane(Translator& t, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    return lane_by_element(t, Opcode::FMul, sz, L, Rm, H, Rn, Rd);
}
bool FMULX_elem_lane(Translator& t, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    return lane_by_element(t, Opcode::FMulX, sz, L, Rm, H, Rn, Rd);
}

// --- scalar pairwise
bool FMAXNMP_pair(Translator& t, bool sz, Vec Rn, Vec Rd) {
    return pair(t, Opcode::FMaxNm, sz, Rn, Rd);
}
bool FADDP_pair(Translator& t, bool sz, Vec Rn, Vec Rd) {
    return pair(t, Opcode::FAdd, sz, Rn, Rd);
}
bool FMAXP_pair(Translator& t, bool sz, Vec Rn, Vec Rd) {
    return pair(t, Opcode::FMax, sz, Rn, Rd);
}
bool FMINNMP_pair(Translator& t, bool sz, Vec Rn, Vec Rd) {
    return pair(t, Opcode::FMinNm, sz, Rn, Rd);
}
bool FMINP_pair(Translator& t, bool sz, Vec Rn, Vec Rd) {
    return pair(t, Opcode::FMin, sz, Rn, Rd);
}

// --- across lanes
bool FMAXNMV(Translator& t, Vec Rn, Vec Rd) { return across(t, Opcode::FMaxNmV, Rn, Rd); }
bool FMAXV(Translator& t, Vec Rn, Vec Rd) { return across(t, Opcode::FMaxV, Rn, Rd); }
bool FMINNMV(Translator& t, Vec Rn, Vec Rd) { return across(t, Opcode::FMinNmV, Rn, Rd); }
bool FMINV(Translator& t, Vec Rn, Vec Rd) { return across(t, Opcode::FMinV, Rn, Rd); }

} // namespace ulna::frontend
