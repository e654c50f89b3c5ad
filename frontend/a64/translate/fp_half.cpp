// Advanced SIMD half precision (FEAT_FP16, FEAT_FHM) with two or three registers: what
// fp_vector.cpp has for single and double precision (DDI 0487 C4.1.96).
#include "frontend/a64/translate/fp_common.h"
#include "frontend/a64/translate/handlers_fp.h"
#include "frontend/a64/translate/simd_common.h"

namespace ulna::frontend {

namespace {
constexpr u64 kAbsolute = 1; // parameter of FCmGe and FCmGt

[[nodiscard]] Vec low_register(Imm<4> Rm) { return static_cast<Vec>(Rm.v); }

// One element as a scalar, or in every lane.
[[nodiscard]] Value broadcast(Translator& t, Vec vec, unsigned index) {
    return t.b.vec(Opcode::VDupLane, shape::H8, {t.V(vec)}, index);
}
[[nodiscard]] Value element(Translator& t, Vec vec, unsigned index) {
    return t.b.vtof(index == 0 ? t.V(vec) : broadcast(t, vec, index), Type::F16);
}

bool scalar(Translator& t, Opcode op, Vec Rn, Value operand2, Vec Rd) {
    t.set_F(Rd, t.b.binary(op, t.F(Type::F16, Rn), operand2), Rn);
    return true;
}
bool compare_lane(Translator& t, Opcode op, Vec Rm, Vec Rn, Vec Rd, u64 imm = 0) {
    const Value operand1 = t.V(Rn), operand2 = t.V(Rm);
    t.set_lane(Rd, t.b.vec(op, shape::H1, {operand1, operand2}, imm), shape::H1, Rm);
    return true;
}
bool pair(Translator& t, Opcode op, Vec Rn, Vec Rd) {
    t.set_F(Rd, t.b.binary(op, t.F(Type::F16, Rn), element(t, Rn, 1)));
    return true;
}

bool by_element(Translator& t, Opcode op, Shape shape, Vec Rn, Value operand2, Vec Rd) {
    t.set_V(Rd, t.b.vec(op, shape, {t.V(Rn), operand2}));
    return true;
}

[[nodiscard]] u64 negated(bool subtract) { return subtract ? ir::fmuladd::kNegateFactor : 0; }

bool multiply_add(Translator& t, bool subtract, Shape shape, Vec Rn, Value operand2, Vec Rd) {
    const Value addend = t.V(Rd), operand1 = t.V(Rn);
    t.set_V(Rd, t.b.vec(Opcode::FMulAdd, shape, {addend, operand1, operand2}, negated(subtract)));
    return true;
}
bool scalar_multiply_add(Translator& t, bool subtract, Vec Rn, Value operand2, Vec Rd) {
    const Value addend = t.F(Type::F16, Rd), operand1 = t.F(Type::F16, Rn);
    t.set_F(
        Rd,
        t.b.emit(Opcode::FMulAdd, Type::F16, {addend, operand1, operand2}, 0, negated(subtract)),
        Rd);
    return true;
}

// The halves, in the low lanes, that a long multiplication takes from a register.
[[nodiscard]] Value factors(Translator& t, bool high, bool Q, Vec vec) {
    if (!high) {
        return t.V(vec);
    }
    return Q ? t.b.unary(Opcode::VHigh, t.V(vec))
             : t.b.vec(Opcode::VDupLane, shape::S2, {t.V(vec)}, 1);
}
bool multiply_add_long(
    Translator& t, bool subtract, bool Q, Value operand1, Value operand2, Vec Rd) {
    const Shape shape = Q ? shape::S4 : shape::S2;
    t.set_V(Rd, t.b.vec(Opcode::FMulAddL, shape, {t.V(Rd), operand1, operand2}, negated(subtract)));
    return true;
}
} // namespace

// --- three same
bool FMAXNM_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMaxNm, half_shape(Q), Rm, Rn, Rd);
}
bool FMLA_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return multiply_add(t, false, half_shape(Q), Rn, t.V(Rm), Rd);
}
bool FADD_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FAdd, half_shape(Q), Rm, Rn, Rd);
}
bool FMULX_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMulX, half_shape(Q), Rm, Rn, Rd);
}
bool FCMEQ_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FCmEq, half_shape(Q), Rm, Rn, Rd);
}
bool FMAX_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMax, half_shape(Q), Rm, Rn, Rd);
}
bool FRECPS_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FRecpS, half_shape(Q), Rm, Rn, Rd);
}
bool FMINNM_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMinNm, half_shape(Q), Rm, Rn, Rd);
}
bool FMLS_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return multiply_add(t, true, half_shape(Q), Rn, t.V(Rm), Rd);
}
bool FSUB_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FSub, half_shape(Q), Rm, Rn, Rd);
}
bool FMIN_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMin, half_shape(Q), Rm, Rn, Rd);
}
bool FRSQRTS_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FRSqrtS, half_shape(Q), Rm, Rn, Rd);
}
bool FMAXNMP_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMaxNmP, half_shape(Q), Rm, Rn, Rd);
}
bool FADDP_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FAddP, half_shape(Q), Rm, Rn, Rd);
}
bool FMUL_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMul, half_shape(Q), Rm, Rn, Rd);
}
bool FCMGE_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FCmGe, half_shape(Q), Rm, Rn, Rd);
}
bool FACGE_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FCmGe, half_shape(Q), Rm, Rn, Rd, kAbsolute);
}
bool FMAXP_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMaxP, half_shape(Q), Rm, Rn, Rd);
}
bool FDIV_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FDiv, half_shape(Q), Rm, Rn, Rd);
}
bool FMINNMP_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMinNmP, half_shape(Q), Rm, Rn, Rd);
}
bool FABD_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FAbd, half_shape(Q), Rm, Rn, Rd);
}
bool FCMGT_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FCmGt, half_shape(Q), Rm, Rn, Rd);
}
bool FACGT_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FCmGt, half_shape(Q), Rm, Rn, Rd, kAbsolute);
}
bool FMINP_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::FMinP, half_shape(Q), Rm, Rn, Rd);
}

// --- scalar three same
bool FMULX_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return scalar(t, Opcode::FMulX, Rn, t.F(Type::F16, Rm), Rd);
}
bool FCMEQ_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return compare_lane(t, Opcode::FCmEq, Rm, Rn, Rd);
}
bool FRECPS_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return scalar(t, Opcode::FRecpS, Rn, t.F(Type::F16, Rm), Rd);
}
bool FRSQRTS_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return scalar(t, Opcode::FRSqrtS, Rn, t.F(Type::F16, Rm), Rd);
}
bool FCMGE_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return compare_lane(t, Opcode::FCmGe, Rm, Rn, Rd);
}
bool FACGE_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return compare_lane(t, Opcode::FCmGe, Rm, Rn, Rd, kAbsolute);
}
bool FABD_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return scalar(t, Opcode::FAbd, Rn, t.F(Type::F16, Rm), Rd);
}
bool FCMGT_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return compare_lane(t, Opcode::FCmGt, Rm, Rn, Rd);
}
bool FACGT_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return compare_lane(t, Opcode::FCmGt, Rm, Rn, Rd, kAbsolute);
}

// --- scalar pairwise
bool FMAXNMP_pair_half(Translator& t, Vec Rn, Vec Rd) { return pair(t, Opcode::FMaxNm, Rn, Rd); }
bool FADDP_pair_half(Translator& t, Vec Rn, Vec Rd) { return pair(t, Opcode::FAdd, Rn, Rd); }
bool FMAXP_pair_half(Translator& t, Vec Rn, Vec Rd) { return pair(t, Opcode::FMax, Rn, Rd); }
bool FMINNMP_pair_half(Translator& t, Vec Rn, Vec Rd) { return pair(t, Opcode::FMinNm, Rn, Rd); }
bool FMINP_pair_half(Translator& t, Vec Rn, Vec Rd) { return pair(t, Opcode::FMin, Rn, Rd); }

// --- across lanes
bool FMAXNMV_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::FMaxNmV, half_shape(Q), Rn, Rd);
}
bool FMAXV_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::FMaxV, half_shape(Q), Rn, Rd);
}
bool FMINNMV_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::FMinNmV, half_shape(Q), Rn, Rd);
}
bool FMINV_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::FMinV, half_shape(Q), Rn, Rd);
}

// --- by element
bool FMLA_elem_half(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_add(t, false, half_shape(Q), Rn,
                        broadcast(t, low_register(Rm), concat(H, L, M).v), Rd);
}
bool FMLS_elem_half(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return multiply_add(t, true, half_shape(Q), Rn,
                        broadcast(t, low_register(Rm), concat(H, L, M).v), Rd);
}
bool FMUL_elem_half(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return by_element(t, Opcode::FMul, half_shape(Q), Rn,
                      broadcast(t, low_register(Rm), concat(H, L, M).v), Rd);
}
bool FMULX_elem_half(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return by_element(t, Opcode::FMulX, half_shape(Q), Rn,
                      broadcast(t, low_register(Rm), concat(H, L, M).v), Rd);
}
bool FMLA_elem_lane_half(Translator& t, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return scalar_multiply_add(t, false, Rn, element(t, low_register(Rm), concat(H, L, M).v), Rd);
}
bool FMLS_elem_lane_half(Translator& t, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return scalar_multiply_add(t, true, Rn, element(t, low_register(Rm), concat(H, L, M).v), Rd);
}
bool FMUL_elem_lane_half(Translator& t, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return scalar(t, Opcode::FMul, Rn, element(t, low_register(Rm), concat(H, L, M).v), Rd);
}
bool FMULX_elem_lane_half(Translator& t, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    return scalar(t, Opcode::FMulX, Rn, element(t, low_register(Rm), concat(H, L, M).v), Rd);
}

// --- FMLAL and FMLSL take the low half of what Q selects, FMLAL2 and FMLSL2 the high half
bool FMLAL(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return multiply_add_long(t, false, Q, factors(t, false, Q, Rn), factors(t, false, Q, Rm), Rd);
}
bool FMLAL2(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return multiply_add_long(t, false, Q, factors(t, true, Q, Rn), factors(t, true, Q, Rm), Rd);
}
bool FMLSL(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return multiply_add_long(t, true, Q, factors(t, false, Q, Rn), factors(t, false, Q, Rm), Rd);
}
bool FMLSL2(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return multiply_add_long(t, true, Q, factors(t, true, Q, Rn), factors(t, true, Q, Rm), Rd);
}
bool FMLAL_elem(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    const Value operand2 = broadcast(t, low_register(Rm), concat(H, L, M).v);
    return multiply_add_long(t, false, Q, factors(t, false, Q, Rn), operand2, Rd);
}
bool FMLAL2_elem(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    const Value operand2 = broadcast(t, low_register(Rm), concat(H, L, M).v);
    return multiply_add_long(t, false, Q, factors(t, true, Q, Rn), operand2, Rd);
}
bool FMLSL_elem(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    const Value operand2 = broadcast(t, low_register(Rm), concat(H, L, M).v);
    return multiply_add_long(t, true, Q, factors(t, false, Q, Rn), operand2, Rd);
}
bool FMLSL2_elem(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    const Value operand2 = broadcast(t, low_register(Rm), concat(H, L, M).v);
    return multiply_add_long(t, true, Q, factors(t, true, Q, Rn), operand2, Rd);
}

} // namespace ulna::frontend
