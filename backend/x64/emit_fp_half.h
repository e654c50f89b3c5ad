// Half precision (FEAT_FP16) by way of single precision: private to emit_fp_half*.cpp.
//
// The host converts (F16C) but does not compute in half precision. So operands are widened, which
// is exact, the operation is made in single precision and the result is narrowed, both under the
// guest's rounding mode. Two roundings instead of one give Arm's result because
//   - directed roundings compose: rounding down twice is rounding down;
//   - to nearest, a sum, product, quotient or square root of halves that is not a single lies too
//   far
//     from every half and every midpoint of two halves to be rounded onto one (24 >= 2 * 11 + 2);
//     products are singles anyway. A fused multiply-add can: emit_FMulAdd looks for midpoints.
// Inexact is the union of what both instructions raise: what is not a single is not a half either.
// Overflow can happen in the second rounding only. Underflow is the second one's too, and there the
// rules of emit_fp.h hold for the least normal half. No single that occurs is denormal, so FPCR.FZ,
// which is not for half precision, changes nothing; FPCR.FZ16 is left to the exact evaluation.
#pragma once

#include "backend/x64/emit_fp.h"

namespace ulna::backend::x64 {

// How a half-precision operation uses its registers (not lanes_of: that is for wider lanes).
[[nodiscard]] Form half_form(Type type, u16 aux);

// The register as the single-precision operations of the form use it: eight lanes take 32 bytes.
[[nodiscard]] inline Xmm wide(Form form, Xmm x) {
    return form == Form::Full ? Xmm(Xbyak::Ymm(x.getIdx())) : x;
}
// Lanes of the single-precision operation. Above them the registers hold zeroes: one instruction
// for all four would do no harm where zero operands raise nothing.
[[nodiscard]] inline Lanes single_lanes(Form form) {
    return {form >= Form::Half ? Form::Full : Form::Scalar, false};
}

// to = the lanes of `from` in single precision; what lies above them is zero. In place is allowed.
void widen(Emitter& e, Form form, Xmm to, const XmmMem& from);
// d = the lanes of s in half precision, zero above. In place is allowed.
void narrow(Emitter& e, Form form, Xmm d, Xmm s);
// A 32-bit pattern in every lane.
void splat(Emitter& e, Form form, Xmm to, u32 lane);

// An argument that the operation may overwrite, and where cold code finds the original.
struct HalfArg {
    XmmMem original;
    Xmm work;
};
enum class Cold : bool { No, Yes }; // does the operation have cold code?
// Arguments 0..N-1 widened, in registers of their own: N temporaries are in use afterwards.
template <unsigned N>
[[nodiscard]] std::array<HalfArg, N> wide_args(Emitter& e, const Inst& inst, Form form, Cold cold);

// The result is in d, zero above its lanes.
void define_half(Emitter& e, const Inst& inst, Xmm d);

// emit_fp_half_convert.cpp
void half_to_int(Emitter& e, const Inst& inst);            // FCvtToInt
void half_from_int(Emitter& e, const Inst& inst);          // FCvtFromInt
void half_lanes_to_int(Emitter& e, const Inst& inst);      // VFCvtToInt
void half_lanes_from_int(Emitter& e, const Inst& inst);    // VFCvtFromInt
void half_round_to_integral(Emitter& e, const Inst& inst); // FRInt

// emit_fp_estimate.cpp
void half_reciprocal_estimate(Emitter& e, const Inst& inst);      // FRecpE
void half_reciprocal_root_estimate(Emitter& e, const Inst& inst); // FRSqrtE

} // namespace ulna::backend::x64
