// Advanced SIMD shift by immediate, vector and scalar. immh:immb holds the lane size as the
// position of its highest set bit, and the amount: 2 * esize - UInt(immh:immb) to the right,
// UInt(immh:immb) - esize to the left. immh 0000 is another instruction group.

#include "frontend/a64/translate/handlers_simd.h"
#include "frontend/a64/translate/simd_common.h"

namespace ulna::frontend {

namespace {

struct Amount {
    Imm<4> immh;
    Imm<3> immb;

    [[nodiscard]] Imm<2> size() const { return {static_cast<u32>(highest_set_bit(immh.v))}; }
    [[nodiscard]] unsigned esize() const { return 8u << size().v; }
    [[nodiscard]] u64 right() const { return 2 * esize() - concat(immh, immb).v; }
    [[nodiscard]] u64 left() const { return concat(immh, immb).v - esize(); }
};

struct Shift {
    Lanes lanes;
    Amount amount;
};
[[nodiscard]] Shift vector_shift(Imm<4> immh, Imm<3> immb, bool Q) {
    const Amount amount{immh, immb};
    return {lanes_bhsd(amount.size(), Q), amount};
}
[[nodiscard]] Shift scalar_shift(Imm<4> immh, Imm<3> immb) {
    const Amount amount{immh, immb};
    return {scalar_bhsd(amount.size()), amount};
}
[[nodiscard]] Shift scalar_d_shift(Imm<4> immh, Imm<3> immb) {
    const Amount amount{immh, immb};
    return {scalar_d(amount.size()), amount};
}

bool right(Translator& t, Opcode op, const Shift& shift, Vec Rn, Vec Rd) {
    return two_misc(t, op, shift.lanes, Rn, Rd, shift.amount.right());
}
bool left(Translator& t, Opcode op, const Shift& shift, Vec Rn, Vec Rd) {
    return two_misc(t, op, shift.lanes, Rn, Rd, shift.amount.left());
}

bool right_accumulate(Translator& t, Opcode op, const Shift& shift, Vec Rn, Vec Rd) {
    if (!shift.lanes) {
        return t.reserved();
    }
    const Value shifted = t.b.vec(op, *shift.lanes, {t.V(Rn)}, shift.amount.right());
    t.set_V(Rd, t.b.vec(Opcode::VAdd, *shift.lanes, {t.V(Rd), shifted}));
    return true;
}

bool insert_right(Translator& t, const Shift& shift, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSri, shift.lanes, Rn, Rd, Rd, shift.amount.right());
}
bool insert_left(Translator& t, const Shift& shift, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSli, shift.lanes, Rn, Rd, Rd, shift.amount.left());
}

// In imm of the narrowing shifts.
constexpr u64 kRoundingShift = 1u << 8;

bool narrow(Translator& t, Opcode op, Amount amount, bool Q, Vec Rn, Vec Rd, u64 rounding = 0) {
    if (amount.immh.bit(3)) {
        return t.reserved();
    }
    const Shape narrow = vector_shape(amount.size(), false);
    set_part(t, Rd, Q, t.b.vec(op, narrow, {t.V(Rn)}, amount.right() | rounding));
    return true;
}
bool narrow_scalar(Translator& t, Opcode op, Amount amount, Vec Rn, Vec Rd, u64 rounding = 0) {
    return two_misc(t, op, scalar_bhs(amount.size()), Rn, Rd, amount.right() | rounding);
}

bool widen(Translator& t, Opcode extend, Amount amount, bool Q, Vec Rn, Vec Rd) {
    if (amount.immh.bit(3)) {
        return t.reserved();
    }
    const Shape wide = vector_shape({amount.size().v + 1}, true);
    const Value extended = t.b.vec(extend, wide, {part(t, Rn, Q)});
    t.set_V(Rd,
            amount.left() == 0 ? extended : t.b.vec(Opcode::VShl, wide, {extended}, amount.left()));
    return true;
}

} // namespace

// --- Advanced SIMD shift by immediate

bool SSHR_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return right(t, Opcode::VSShr, vector_shift(immh, immb, Q), Rn, Rd);
}

bool SSRA_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return right_accumulate(t, Opcode::VSShr, vector_shift(immh, immb, Q), Rn, Rd);
}

bool SRSHR_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return right(t, Opcode::VSRShr, vector_shift(immh, immb, Q), Rn, Rd);
}

bool SRSRA_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return right_accumulate(t, Opcode::VSRShr, vector_shift(immh, immb, Q), Rn, Rd);
}

bool USHR_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return right(t, Opcode::VUShr, vector_shift(immh, immb, Q), Rn, Rd);
}

bool USRA_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return right_accumulate(t, Opcode::VUShr, vector_shift(immh, immb, Q), Rn, Rd);
}

bool URSHR_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return right(t, Opcode::VURShr, vector_shift(immh, immb, Q), Rn, Rd);
}

bool URSRA_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return right_accumulate(t, Opcode::VURShr, vector_shift(immh, immb, Q), Rn, Rd);
}

bool SHL_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return left(t, Opcode::VShl, vector_shift(immh, immb, Q), Rn, Rd);
}

bool SRI_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return insert_right(t, vector_shift(immh, immb, Q), Rn, Rd);
}

bool SLI_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return insert_left(t, vector_shift(immh, immb, Q), Rn, Rd);
}

bool SQSHL_imm_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return left(t, Opcode::VSQShlImm, vector_shift(immh, immb, Q), Rn, Rd);
}

bool UQSHL_imm_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return left(t, Opcode::VUQShlImm, vector_shift(immh, immb, Q), Rn, Rd);
}

bool SQSHLU_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return left(t, Opcode::VSQShlU, vector_shift(immh, immb, Q), Rn, Rd);
}

bool SHRN_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return narrow(t, Opcode::VShrn, {immh, immb}, Q, Rn, Rd);
}

bool RSHRN_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return narrow(t, Opcode::VShrn, {immh, immb}, Q, Rn, Rd, kRoundingShift);
}

bool SQSHRN_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return narrow(t, Opcode::VSQShrn, {immh, immb}, Q, Rn, Rd);
}

bool SQRSHRN_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return narrow(t, Opcode::VSQShrn, {immh, immb}, Q, Rn, Rd, kRoundingShift);
}

bool SQSHRUN_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return narrow(t, Opcode::VSQShrun, {immh, immb}, Q, Rn, Rd);
}

bool SQRSHRUN_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return narrow(t, Opcode::VSQShrun, {immh, immb}, Q, Rn, Rd, kRoundingShift);
}

bool UQSHRN_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return narrow(t, Opcode::VUQShrn, {immh, immb}, Q, Rn, Rd);
}

bool UQRSHRN_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return narrow(t, Opcode::VUQShrn, {immh, immb}, Q, Rn, Rd, kRoundingShift);
}

bool SSHLL_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return widen(t, Opcode::VSxtl, {immh, immb}, Q, Rn, Rd);
}

bool USHLL_vec(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return widen(t, Opcode::VUxtl, {immh, immb}, Q, Rn, Rd);
}

// --- Advanced SIMD scalar shift by immediate

bool SSHR_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return right(t, Opcode::VSShr, scalar_d_shift(immh, immb), Rn, Rd);
}

bool SSRA_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return right_accumulate(t, Opcode::VSShr, scalar_d_shift(immh, immb), Rn, Rd);
}

bool SRSHR_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return right(t, Opcode::VSRShr, scalar_d_shift(immh, immb), Rn, Rd);
}

bool SRSRA_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return right_accumulate(t, Opcode::VSRShr, scalar_d_shift(immh, immb), Rn, Rd);
}

bool USHR_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return right(t, Opcode::VUShr, scalar_d_shift(immh, immb), Rn, Rd);
}

bool USRA_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return right_accumulate(t, Opcode::VUShr, scalar_d_shift(immh, immb), Rn, Rd);
}

bool URSHR_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return right(t, Opcode::VURShr, scalar_d_shift(immh, immb), Rn, Rd);
}

bool URSRA_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return right_accumulate(t, Opcode::VURShr, scalar_d_shift(immh, immb), Rn, Rd);
}

bool SHL_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return left(t, Opcode::VShl, scalar_d_shift(immh, immb), Rn, Rd);
}

bool SRI_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return insert_right(t, scalar_d_shift(immh, immb), Rn, Rd);
}

bool SLI_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return insert_left(t, scalar_d_shift(immh, immb), Rn, Rd);
}

bool SQSHL_imm_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return left(t, Opcode::VSQShlImm, scalar_shift(immh, immb), Rn, Rd);
}

bool UQSHL_imm_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return left(t, Opcode::VUQShlImm, scalar_shift(immh, immb), Rn, Rd);
}

bool SQSHLU_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return left(t, Opcode::VSQShlU, scalar_shift(immh, immb), Rn, Rd);
}

bool SQSHRN_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return narrow_scalar(t, Opcode::VSQShrn, {immh, immb}, Rn, Rd);
}

bool SQRSHRN_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return narrow_scalar(t, Opcode::VSQShrn, {immh, immb}, Rn, Rd, kRoundingShift);
}

bool SQSHRUN_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return narrow_scalar(t, Opcode::VSQShrun, {immh, immb}, Rn, Rd);
}

bool SQRSHRUN_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return narrow_scalar(t, Opcode::VSQShrun, {immh, immb}, Rn, Rd, kRoundingShift);
}

bool UQSHRN_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return narrow_scalar(t, Opcode::VUQShrn, {immh, immb}, Rn, Rd);
}

bool UQRSHRN_scalar(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd) {
    return narrow_scalar(t, Opcode::VUQShrn, {immh, immb}, Rn, Rd, kRoundingShift);
}

} // namespace ulna::frontend
