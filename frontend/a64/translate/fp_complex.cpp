// FEAT_FCMA: arithmetic on complex numbers, each a pair of lanes with the real part first.
#include "frontend/a64/features.h"
#include "frontend/a64/translate/fp_common.h"
#include "frontend/a64/translate/handlers_fp.h"

namespace ulna::frontend {

namespace {
// The lanes that size:Q select; empty when reserved, or half precision without FEAT_FP16.
[[nodiscard]] std::optional<Shape> complex_shape(Translator& t, bool Q, Imm<2> size) {
    const bool absent = size == 1u && !t.cpu().features.has(Feature::FP16);
    const bool one_number = size == 3u && !Q;
    return size == 0u || absent || one_number ? std::nullopt : std::optional{vector_shape(size, Q)};
}

// Real and imaginary parts exchanged.
[[nodiscard]] Value swapped(Translator& t, Shape shape, Value v) {
    return shape.lane_log2 == 3 ? t.b.vec(Opcode::VExt, shape::B16, {v, v}, 8)
                                : t.b.vec(Opcode::VRev, shape, {v}, u64{2} << shape.lane_log2);
}

// A constant in the first lane of each pair.
[[nodiscard]] Value in_first(Translator& t, Shape shape, u64 lane) {
    const unsigned bits = shape.lane_bits();
    return bits == 64 ? t.b.vconst(shape::D1, lane)
                      : t.b.vconst(shape::D2, replicate(lane, 2 * bits));
}

// FPNeg of the first lane of each pair; NaNs change their sign, too, but for FPCR.AH.
[[nodiscard]] Value negate_first(Translator& t, Shape shape, Value v) {
    if (t.mode().ah()) {
        const Value first = in_first(t, shape, ones(shape.lane_bits()));
        return t.b.vec(Opcode::VBsl, shape::B16, {first, t.b.vec(Opcode::FNeg, shape, {v}), v});
    }
    const u64 sign = u64{1} << (shape.lane_bits() - 1);
    return t.b.vec(Opcode::VXor, shape::B16, {v, in_first(t, shape, sign)});
}

// (re, im) -> (-im, re): times i; (im, -re): times -i.
[[nodiscard]] Value times_i(Translator& t, Shape shape, Value v) {
    return negate_first(t, shape, swapped(t, shape, v));
}
[[nodiscard]] Value times_minus_i(Translator& t, Shape shape, Value v) {
    return swapped(t, shape, negate_first(t, shape, v));
}

// Vd += the part of the product that `rot` names: of the real (0, 180) or the imaginary parts (90,
// 270) of Vn, with m turned by that angle.
bool multiply_add(Translator& t, Shape shape, Imm<2> rot, Vec Rn, Value m, Vec Rd) {
    const Value n = t.V(Rn);
    Value turned = m;
    if (rot == 1u) {
        turned = times_i(t, shape, m);
    } else if (rot == 2u) {
        turned = t.b.vec(Opcode::FNeg, shape, {m});
    } else if (rot == 3u) {
        turned = times_minus_i(t, shape, m);
    }
    const Value part = t.b.vec(rot.bit(0) ? Opcode::VTrn2 : Opcode::VTrn1, shape, {n, n});
    t.set_V(Rd, t.b.vec(Opcode::FMulAdd, shape, {t.V(Rd), part, turned}));
    return true;
}
} // namespace

bool FCADD(Translator& t, bool Q, Imm<2> size, Vec Rm, bool rot, Vec Rn, Vec Rd) {
    const auto shape = complex_shape(t, Q, size);
    if (!shape) {
        return t.reserved();
    }
    const Value m = t.V(Rm);
    const Value turned = rot ? times_minus_i(t, *shape, m) : times_i(t, *shape, m);
    t.set_V(Rd, t.b.vec(Opcode::FAdd, *shape, {t.V(Rn), turned}));
    return true;
}

bool FCMLA_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Imm<2> rot, Vec Rn, Vec Rd) {
    const auto shape = complex_shape(t, Q, size);
    return shape ? multiply_add(t, *shape, rot, Rn, t.V(Rm), Rd) : t.reserved();
}

// Number H:L of four halfword pairs, or H of two word pairs.
bool FCMLA_elem(
    Translator& t, bool Q, Imm<2> size, bool L, Vec Rm, Imm<2> rot, bool H, Vec Rn, Vec Rd) {
    const auto shape = complex_shape(t, Q, size);
    if (!shape || size == 3u || (size == 2u && (L || !Q)) || (size == 1u && H && !Q)) {
        return t.reserved();
    }
    const unsigned index = size == 1u ? concat(H, L).v : H;
    const Shape numbers = size == 1u ? shape::S4 : shape::D2;
    return multiply_add(t, *shape, rot, Rn, t.b.vec(Opcode::VDupLane, numbers, {t.V(Rm)}, index),
                        Rd);
}

} // namespace ulna::frontend
