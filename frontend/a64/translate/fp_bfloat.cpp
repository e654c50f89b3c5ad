// FEAT_BF16: conversion to bfloat16, and multiply-add of bfloat16 numbers to single precision.
// BFDOT and BFMMLA are in simd_dot_product.cpp.
#include "frontend/a64/translate/fp_common.h"
#include "frontend/a64/translate/handlers_fp.h"

namespace ulna::frontend {

namespace {
// The even (B) or odd (T) bfloat16 lanes as single precision: they are its upper halves.
[[nodiscard]] Value widened(Translator& t, Value v, bool top) {
    return top ? t.b.vec(Opcode::VAnd, shape::B16,
                         {v, t.b.vconst(shape::S4, 0xffff'0000'ffff'0000)})
               : t.b.vec(Opcode::VShl, shape::S4, {v}, 16);
}

// BFMulAddH: a fused multiply-add of the widened numbers, under FPCR as any other without AH. Q
// chooses the lanes of Vn; those of Vm are widened already.
bool multiply_add_long(Translator& t, bool Q, Value m, Vec Rn, Vec Rd) {
    const Value n = widened(t, t.V(Rn), Q);
    const Opcode op = t.mode().ah() ? Opcode::FMulAddBf : Opcode::FMulAdd;
    t.set_V(Rd, t.b.vec(op, shape::S4, {t.V(Rd), n, m}));
    return true;
}
} // namespace

bool BFCVT(Translator& t, Vec Rn, Vec Rd) {
    t.set_lane(Rd, t.b.vec(Opcode::VFCvtBf, shape::H1, {t.V(Rn)}), shape::H1, Rd);
    return true;
}
bool BFCVTN(Translator& t, bool Q, Vec Rn, Vec Rd) {
    const Value value = t.b.vec(Opcode::VFCvtBf, shape::H4, {t.V(Rn)});
    t.set_V(Rd, Q ? t.b.emit(Opcode::VConcat, Type::V128, {t.V(Rd), value}) : value);
    return true;
}

bool BFMLAL_vec(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return multiply_add_long(t, Q, widened(t, t.V(Rm), Q), Rn, Rd);
}
bool BFMLAL_elem(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd) {
    const unsigned index = concat(H, L, M).v;
    const Value word =
        t.b.vec(Opcode::VDupLane, shape::S4, {t.V(static_cast<Vec>(Rm.v))}, index / 2);
    return multiply_add_long(t, Q, widened(t, word, index % 2 != 0), Rn, Rd);
}

} // namespace ulna::frontend
