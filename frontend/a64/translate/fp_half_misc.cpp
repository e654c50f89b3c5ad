// Advanced SIMD half precision (FEAT_FP16) with one register: what fp_vector_misc.cpp has for
// single and double precision (DDI 0487 C4.1.96).
#include "frontend/a64/translate/fp_common.h"
#include "frontend/a64/translate/handlers_fp.h"
#include "frontend/a64/translate/simd_common.h"

namespace ulna::frontend {

using ir::FixedInfo;

namespace {
bool scalar(Translator& t, Opcode op, Vec Rn, Vec Rd) {
    t.set_F(Rd, t.b.unary(op, t.F(Type::F16, Rn)), Rd);
    return true;
}

// Comparison with zero; "less" compares the operands swapped.
bool with_zero(Translator& t, Opcode op, bool swap, Shape shape, Vec Rn, Vec Rd) {
    const Value operand = t.V(Rn), zero = t.b.vzero();
    t.set_V(Rd, swap ? t.b.vec(op, shape, {zero, operand}) : t.b.vec(op, shape, {operand, zero}));
    return true;
}

bool convert(Translator& t, Opcode op, Shape shape, Vec Rn, Vec Rd, FixedInfo info) {
    t.set_V(Rd, t.b.vec(op, shape, {t.V(Rn)}, info.pack()));
    return true;
}
bool convert_lane(Translator& t, Opcode op, Vec Rn, Vec Rd, FixedInfo info) {
    t.set_lane(Rd, t.b.vec(op, shape::H1, {t.V(Rn)}, info.pack()), shape::H1, Rd);
    return true;
}
} // namespace

// --- two-register miscellaneous
bool FCMGT_zero_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return with_zero(t, Opcode::FCmGt, false, half_shape(Q), Rn, Rd);
}
bool FCMEQ_zero_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return with_zero(t, Opcode::FCmEq, false, half_shape(Q), Rn, Rd);
}
bool FCMLT_zero_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return with_zero(t, Opcode::FCmGt, true, half_shape(Q), Rn, Rd);
}
bool FABS_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::FAbs, half_shape(Q), Rn, Rd);
}
bool FCMGE_zero_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return with_zero(t, Opcode::FCmGe, false, half_shape(Q), Rn, Rd);
}
bool FCMLE_zero_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return with_zero(t, Opcode::FCmGe, true, half_shape(Q), Rn, Rd);
}
bool FNEG_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::FNeg, half_shape(Q), Rn, Rd);
}
bool FRINTN_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::FRInt, half_shape(Q), Rn, Rd, frint::kToNearest);
}
bool FRINTM_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::FRInt, half_shape(Q), Rn, Rd, frint::kToMinusInf);
}
bool FRINTP_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::FRInt, half_shape(Q), Rn, Rd, frint::kToPlusInf);
}
bool FRINTZ_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::FRInt, half_shape(Q), Rn, Rd, frint::kToZero);
}
bool FRINTA_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::FRInt, half_shape(Q), Rn, Rd, frint::kToNearestAway);
}
bool FRINTX_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::FRInt, half_shape(Q), Rn, Rd, frint::kCurrentExact);
}
bool FRINTI_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::FRInt, half_shape(Q), Rn, Rd, frint::kCurrent);
}
bool FCVTN_int_half(Translator& t, bool Q, bool U, Vec Rn, Vec Rd) {
    return convert(t, Opcode::VFCvtToInt, half_shape(Q), Rn, Rd, {0, !U, Rounding::TieEven});
}
bool FCVTM_int_half(Translator& t, bool Q, bool U, Vec Rn, Vec Rd) {
    return convert(t, Opcode::VFCvtToInt, half_shape(Q), Rn, Rd, {0, !U, Rounding::MinusInf});
}
bool FCVTA_int_half(Translator& t, bool Q, bool U, Vec Rn, Vec Rd) {
    return convert(t, Opcode::VFCvtToInt, half_shape(Q), Rn, Rd, {0, !U, Rounding::TieAway});
}
bool FCVTP_int_half(Translator& t, bool Q, bool U, Vec Rn, Vec Rd) {
    return convert(t, Opcode::VFCvtToInt, half_shape(Q), Rn, Rd, {0, !U, Rounding::PlusInf});
}
bool FCVTZ_int_half(Translator& t, bool Q, bool U, Vec Rn, Vec Rd) {
    return convert(t, Opcode::VFCvtToInt, half_shape(Q), Rn, Rd, {0, !U, Rounding::Zero});
}
bool CVTF_half(Translator& t, bool Q, bool U, Vec Rn, Vec Rd) {
    return convert(t, Opcode::VFCvtFromInt, half_shape(Q), Rn, Rd, {0, !U, Rounding::Current});
}
bool FRECPE_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::FRecpE, half_shape(Q), Rn, Rd);
}
bool FRSQRTE_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::FRSqrtE, half_shape(Q), Rn, Rd);
}
bool FSQRT_half(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::FSqrt, half_shape(Q), Rn, Rd);
}

// --- scalar two-register miscellaneous
bool FCMGT_zero_lane_half(Translator& t, Vec Rn, Vec Rd) {
    return with_zero(t, Opcode::FCmGt, false, shape::H1, Rn, Rd);
}
bool FCMEQ_zero_lane_half(Translator& t, Vec Rn, Vec Rd) {
    return with_zero(t, Opcode::FCmEq, false, shape::H1, Rn, Rd);
}
bool FCMLT_zero_lane_half(Translator& t, Vec Rn, Vec Rd) {
    return with_zero(t, Opcode::FCmGt, true, shape::H1, Rn, Rd);
}
bool FCMGE_zero_lane_half(Translator& t, Vec Rn, Vec Rd) {
    return with_zero(t, Opcode::FCmGe, false, shape::H1, Rn, Rd);
}
bool FCMLE_zero_lane_half(Translator& t, Vec Rn, Vec Rd) {
    return with_zero(t, Opcode::FCmGe, true, shape::H1, Rn, Rd);
}
bool FCVTN_int_lane_half(Translator& t, bool U, Vec Rn, Vec Rd) {
    return convert_lane(t, Opcode::VFCvtToInt, Rn, Rd, {0, !U, Rounding::TieEven});
}
bool FCVTM_int_lane_half(Translator& t, bool U, Vec Rn, Vec Rd) {
    return convert_lane(t, Opcode::VFCvtToInt, Rn, Rd, {0, !U, Rounding::MinusInf});
}
bool FCVTA_int_lane_half(Translator& t, bool U, Vec Rn, Vec Rd) {
    return convert_lane(t, Opcode::VFCvtToInt, Rn, Rd, {0, !U, Rounding::TieAway});
}
bool FCVTP_int_lane_half(Translator& t, bool U, Vec Rn, Vec Rd) {
    return convert_lane(t, Opcode::VFCvtToInt, Rn, Rd, {0, !U, Rounding::PlusInf});
}
bool FCVTZ_int_lane_half(Translator& t, bool U, Vec Rn, Vec Rd) {
    return convert_lane(t, Opcode::VFCvtToInt, Rn, Rd, {0, !U, Rounding::Zero});
}
bool CVTF_lane_half(Translator& t, bool U, Vec Rn, Vec Rd) {
    return convert_lane(t, Opcode::VFCvtFromInt, Rn, Rd, {0, !U, Rounding::Current});
}
bool FRECPE_lane_half(Translator& t, Vec Rn, Vec Rd) { return scalar(t, Opcode::FRecpE, Rn, Rd); }
bool FRECPX_lane_half(Translator& t, Vec Rn, Vec Rd) { return scalar(t, Opcode::FRecpX, Rn, Rd); }
bool FRSQRTE_lane_half(Translator& t, Vec Rn, Vec Rd) { return scalar(t, Opcode::FRSqrtE, Rn, Rd); }

} // namespace ulna::frontend
