// Advanced SIMD floating point with one source register: two-register miscellaneous, conversions,
// and the fixed-point conversions of the shift-by-immediate group (DDI 0487 C4.1.96).
#include "frontend/a64/translate/fp_common.h"
#include "frontend/a64/translate/handlers_fp.h"

namespace ulna::frontend {

using ir::FixedInfo;

namespace {
[[nodiscard]] bool reserved_lanes(bool Q, bool sz) { return sz && !Q; } // one doubleword

bool vector(Translator& t, Opcode op, bool Q, bool sz, Vec Rn, Vec Rd, u64 imm = 0) {
    if (reserved_lanes(Q, sz)) {
        return t.reserved();
    }
    t.set_V(Rd, t.b.vec(op, fp_shape(sz, Q), {t.V(Rn)}, imm));
    return true;
}

bool scalar(Translator& t, Opcode op, bool sz, Vec Rn, Vec Rd) {
    t.set_F(Rd, t.b.unary(op, t.F(fp_type(sz), Rn)), Rd);
    return true;
}

// Parameter of FRecpE and FRSqrtE of single precision.
[[nodiscard]] u64 increased_precision(Translator& t, bool sz) {
    return !sz && t.mode().ah() && t.cpu().features.has(Feature::RPRES);
}
bool estimate(Translator& t, Opcode op, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector(t, op, Q, sz, Rn, Rd, increased_precision(t, sz));
}
bool estimate_lane(Translator& t, Opcode op, bool sz, Vec Rn, Vec Rd) {
    const Type type = fp_type(sz);
    t.set_F(Rd, t.b.emit(op, type, {t.F(type, Rn)}, 0, increased_precision(t, sz)), Rd);
    return true;
}

bool convert_lane(Translator& t, Opcode op, bool sz, Vec Rn, Vec Rd, FixedInfo info) {
    const Shape shape = fp_scalar_shape(sz);
    t.set_lane(Rd, t.b.vec(op, shape, {t.V(Rn)}, info.pack()), shape, Rd);
    return true;
}

// Comparison with zero; "less" compares the operands swapped.
bool with_zero(Translator& t, Opcode op, bool swap, Shape shape, Vec Rn, Vec Rd) {
    const Value operand = t.V(Rn), zero = t.b.vzero();
    t.set_V(Rd, swap ? t.b.vec(op, shape, {zero, operand}) : t.b.vec(op, shape, {operand, zero}));
    return true;
}
bool vector_with_zero(Translator& t, Opcode op, bool swap, bool Q, bool sz, Vec Rn, Vec Rd) {
    if (reserved_lanes(Q, sz)) {
        return t.reserved();
    }
    return with_zero(t, op, swap, fp_shape(sz, Q), Rn, Rd);
}

// FCVTN, FCVTXN: the result is the low half, or with Q the high half above the old low half.
bool narrow(Translator& t, Rounding rounding, Shape result, bool Q, Vec Rn, Vec Rd) {
    const Value value = t.b.vec(Opcode::VFCvtN, result, {t.V(Rn)}, static_cast<u64>(rounding));
    t.set_V(Rd, Q ? t.b.emit(Opcode::VConcat, Type::V128, {t.V(Rd), value}) : value);
    return true;
}

// The lane size of a fixed-point conversion, as the `size` of vector_shape; empty when reserved.
[[nodiscard]] std::optional<Imm<2>> fixed_size(const Translator& t, Imm<4> immh) {
    if (immh.bit(3)) {
        return Imm<2>{3};
    }
    if (immh.bit(2)) {
        return Imm<2>{2};
    }
    return immh.bit(1) && t.cpu().features.has(Feature::FP16) ? std::optional{Imm<2>{1}}
                                                              : std::nullopt;
}
[[nodiscard]] u8 fraction_bits(Imm<2> size, Imm<4> immh, Imm<3> immb) {
    return static_cast<u8>((16u << size.v) - concat(immh, immb).v);
}
bool vector_fixed(Translator& t,
                  Opcode op,
                  Rounding rounding,
                  bool Q,
                  bool U,
                  Imm<4> immh,
                  Imm<3> immb,
                  Vec Rn,
                  Vec Rd) {
    const auto size = fixed_size(t, immh);
    if (!size || (*size == 3u && !Q)) {
        return t.reserved();
    }
    const FixedInfo info{fraction_bits(*size, immh, immb), !U, rounding};
    t.set_V(Rd, t.b.vec(op, vector_shape(*size, Q), {t.V(Rn)}, info.pack()));
    return true;
}
bool lane_fixed(
    Translator& t, Opcode op, Rounding rounding, bool U, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    const auto size = fixed_size(t, immh);
    if (!size) {
        return t.reserved();
    }
    const FixedInfo info{fraction_bits(*size, immh, immb), !U, rounding};
    const Shape shape = scalar_shape(*size);
    t.set_lane(Rd, t.b.vec(op, shape, {t.V(Rn)}, info.pack()), shape, Rd);
    return true;
}
} // namespace

// --- comparison with zero
bool FCMGT_zero(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector_with_zero(t, Opcode::FCmGt, false, Q, sz, Rn, Rd);
}
bool FCMGT_zero_lane(Translator& t, bool sz, Vec Rn, Vec Rd) {
    return with_zero(t, Opcode::FCmGt, false, fp_scalar_shape(sz), Rn, Rd);
}
bool FCMGE_zero(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector_with_zero(t, Opcode::FCmGe, false, Q, sz, Rn, Rd);
}
bool FCMGE_zero_lane(Translator& t, bool sz, Vec Rn, Vec Rd) {
    return with_zero(t, Opcode::FCmGe, false, fp_scalar_shape(sz), Rn, Rd);
}
bool FCMEQ_zero(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector_with_zero(t, Opcode::FCmEq, false, Q, sz, Rn, Rd);
}
bool FCMEQ_zero_lane(Translator& t, bool sz, Vec Rn, Vec Rd) {
    return with_zero(t, Opcode::FCmEq, false, fp_scalar_shape(sz), Rn, Rd);
}
bool FCMLE_zero(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector_with_zero(t, Opcode::FCmGe, true, Q, sz, Rn, Rd);
}
bool FCMLE_zero_lane(Translator& t, bool sz, Vec Rn, Vec Rd) {
    return with_zero(t, Opcode::FCmGe, true, fp_scalar_shape(sz), Rn, Rd);
}
bool FCMLT_zero(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector_with_zero(t, Opcode::FCmGt, true, Q, sz, Rn, Rd);
}
bool FCMLT_zero_lane(Translator& t, bool sz, Vec Rn, Vec Rd) {
    return with_zero(t, Opcode::FCmGt, true, fp_scalar_shape(sz), Rn, Rd);
}

// --- arithmetic and estimates
bool FABS_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::FAbs, Q, sz, Rn, Rd);
}
bool FNEG_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::FNeg, Q, sz, Rn, Rd);
}
bool FSQRT_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::FSqrt, Q, sz, Rn, Rd);
}
bool FRECPE_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return estimate(t, Opcode::FRecpE, Q, sz, Rn, Rd);
}
bool FRSQRTE_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return estimate(t, Opcode::FRSqrtE, Q, sz, Rn, Rd);
}
bool FRECPE_lane(Translator& t, bool sz, Vec Rn, Vec Rd) {
    return estimate_lane(t, Opcode::FRecpE, sz, Rn, Rd);
}
bool FRECPX_lane(Translator& t, bool sz, Vec Rn, Vec Rd) {
    return scalar(t, Opcode::FRecpX, sz, Rn, Rd);
}
bool FRSQRTE_lane(Translator& t, bool sz, Vec Rn, Vec Rd) {
    return estimate_lane(t, Opcode::FRSqrtE, sz, Rn, Rd);
}

// --- rounding to integral
bool FRINTN_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::FRInt, Q, sz, Rn, Rd, frint::kToNearest);
}
bool FRINTP_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::FRInt, Q, sz, Rn, Rd, frint::kToPlusInf);
}
bool FRINTM_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::FRInt, Q, sz, Rn, Rd, frint::kToMinusInf);
}
bool FRINTZ_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::FRInt, Q, sz, Rn, Rd, frint::kToZero);
}
bool FRINTA_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::FRInt, Q, sz, Rn, Rd, frint::kToNearestAway);
}
bool FRINTX_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::FRInt, Q, sz, Rn, Rd, frint::kCurrentExact);
}
bool FRINTI_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::FRInt, Q, sz, Rn, Rd, frint::kCurrent);
}
bool FRINT32Z_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::FRIntN, Q, sz, Rn, Rd, frintn::k32Z);
}
bool FRINT32X_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::FRIntN, Q, sz, Rn, Rd, frintn::k32X);
}
bool FRINT64Z_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::FRIntN, Q, sz, Rn, Rd, frintn::k64Z);
}
bool FRINT64X_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::FRIntN, Q, sz, Rn, Rd, frintn::k64X);
}

// --- between FP formats
bool FCVTL_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    const Value operand = Q ? t.b.emit(Opcode::VHigh, Type::V128, {t.V(Rn)}) : t.V(Rn);
    t.set_V(Rd, t.b.vec(Opcode::VFCvtL, full_shape(sz), {operand}));
    return true;
}
bool FCVTN_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd) {
    return narrow(t, Rounding::Current, sz ? shape::S2 : shape::H4, Q, Rn, Rd);
}
bool FCVTXN_vec(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return narrow(t, Rounding::Odd, shape::S2, Q, Rn, Rd);
}
bool FCVTXN_lane(Translator& t, Vec Rn, Vec Rd) {
    t.set_F(Rd,
            t.b.emit(Opcode::FCvt, Type::F32, {t.F(Type::F64, Rn)}, static_cast<u16>(Type::F64),
                     static_cast<u64>(Rounding::Odd)),
            Rd);
    return true;
}

// --- to and from integers
bool FCVTN_int_vec(Translator& t, bool Q, bool U, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::VFCvtToInt, Q, sz, Rn, Rd, FixedInfo{0, !U, Rounding::TieEven}.pack());
}
bool FCVTN_int_lane(Translator& t, bool U, bool sz, Vec Rn, Vec Rd) {
    return convert_lane(t, Opcode::VFCvtToInt, sz, Rn, Rd, {0, !U, Rounding::TieEven});
}
bool FCVTM_int_vec(Translator& t, bool Q, bool U, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::VFCvtToInt, Q, sz, Rn, Rd,
                  FixedInfo{0, !U, Rounding::MinusInf}.pack());
}
bool FCVTM_int_lane(Translator& t, bool U, bool sz, Vec Rn, Vec Rd) {
    return convert_lane(t, Opcode::VFCvtToInt, sz, Rn, Rd, {0, !U, Rounding::MinusInf});
}
bool FCVTA_int_vec(Translator& t, bool Q, bool U, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::VFCvtToInt, Q, sz, Rn, Rd, FixedInfo{0, !U, Rounding::TieAway}.pack());
}
bool FCVTA_int_lane(Translator& t, bool U, bool sz, Vec Rn, Vec Rd) {
    return convert_lane(t, Opcode::VFCvtToInt, sz, Rn, Rd, {0, !U, Rounding::TieAway});
}
bool FCVTP_int_vec(Translator& t, bool Q, bool U, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::VFCvtToInt, Q, sz, Rn, Rd, FixedInfo{0, !U, Rounding::PlusInf}.pack());
}
bool FCVTP_int_lane(Translator& t, bool U, bool sz, Vec Rn, Vec Rd) {
    return convert_lane(t, Opcode::VFCvtToInt, sz, Rn, Rd, {0, !U, Rounding::PlusInf});
}
bool FCVTZ_int_vec(Translator& t, bool Q, bool U, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::VFCvtToInt, Q, sz, Rn, Rd, FixedInfo{0, !U, Rounding::Zero}.pack());
}
bool FCVTZ_int_lane(Translator& t, bool U, bool sz, Vec Rn, Vec Rd) {
    return convert_lane(t, Opcode::VFCvtToInt, sz, Rn, Rd, {0, !U, Rounding::Zero});
}
bool CVTF_vec(Translator& t, bool Q, bool U, bool sz, Vec Rn, Vec Rd) {
    return vector(t, Opcode::VFCvtFromInt, Q, sz, Rn, Rd,
                  FixedInfo{0, !U, Rounding::Current}.pack());
}
bool CVTF_lane(Translator& t, bool U, bool sz, Vec Rn, Vec Rd) {
    return convert_lane(t, Opcode::VFCvtFromInt, sz, Rn, Rd, {0, !U, Rounding::Current});
}

// --- to and from fixed point
bool CVTF_fixed_vec(Translator& t, bool Q, bool U, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return vector_fixed(t, Opcode::VFCvtFromInt, Rounding::Current, Q, U, immh, immb, Rn, Rd);
}
bool CVTF_fixed_lane(Translator& t, bool U, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return lane_fixed(t, Opcode::VFCvtFromInt, Rounding::Current, U, immh, immb, Rn, Rd);
}
bool FCVTZ_fixed_vec(Translator& t, bool Q, bool U, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return vector_fixed(t, Opcode::VFCvtToInt, Rounding::Zero, Q, U, immh, immb, Rn, Rd);
}
bool FCVTZ_fixed_lane(Translator& t, bool U, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return lane_fixed(t, Opcode::VFCvtToInt, Rounding::Zero, U, immh, immb, Rn, Rd);
}

} // namespace ulna::frontend
