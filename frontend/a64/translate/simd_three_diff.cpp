// Advanced SIMD three different: operands and result have lanes of different sizes. Q selects the
// half of the narrow registers ("2" mnemonics).

#include "frontend/a64/translate/handlers_simd.h"
#include "frontend/a64/translate/simd_common.h"

namespace ulna::frontend {

namespace {

struct Fields {
    bool Q;
    Imm<2> size; // of the narrow lanes
    Vec Rm, Rn, Rd;

    [[nodiscard]] bool is_reserved() const { return size == 3u; }
    [[nodiscard]] Shape wide_shape() const {
        return {static_cast<u8>(size.v + 1), static_cast<u8>(3 - size.v)};
    }
};

// SADDL...: both operands widened.
bool long_(Translator& t, Opcode op, Opcode extend, const Fields& f) {
    if (f.is_reserved()) {
        return t.reserved();
    }
    const Value operand1 = t.b.vec(extend, f.wide_shape(), {part(t, f.Rn, f.Q)});
    const Value operand2 = t.b.vec(extend, f.wide_shape(), {part(t, f.Rm, f.Q)});
    t.set_V(f.Rd, t.b.vec(op, f.wide_shape(), {operand1, operand2}));
    return true;
}

// SADDW...: the second operand widened.
bool wide(Translator& t, Opcode op, Opcode extend, const Fields& f) {
    if (f.is_reserved()) {
        return t.reserved();
    }
    const Value operand2 = t.b.vec(extend, f.wide_shape(), {part(t, f.Rm, f.Q)});
    t.set_V(f.Rd, t.b.vec(op, f.wide_shape(), {t.V(f.Rn), operand2}));
    return true;
}

bool high_narrow(Translator& t, Opcode op, const Fields& f, u64 rounding = 0) {
    if (f.is_reserved()) {
        return t.reserved();
    }
    const Shape narrow = vector_shape(f.size, false);
    set_part(t, f.Rd, f.Q, t.b.vec(op, narrow, {t.V(f.Rn), t.V(f.Rm)}, rounding));
    return true;
}

// |a - b| of n-bit lanes fits n bits, unsigned even when a and b are signed: so it is taken of the
// whole narrow registers, where both halves' instructions find the same value, and widened then.
[[nodiscard]] Value absolute_difference(Translator& t, Opcode op, const Fields& f) {
    const Value narrow = t.b.vec(op, vector_shape(f.size, true), {t.V(f.Rn), t.V(f.Rm)});
    const Value half = f.Q ? t.b.unary(Opcode::VHigh, narrow) : narrow;
    return t.b.vec(Opcode::VUxtl, f.wide_shape(), {half});
}

bool absolute_difference_long(Translator& t, Opcode op, const Fields& f) {
    if (f.is_reserved()) {
        return t.reserved();
    }
    t.set_V(f.Rd, absolute_difference(t, op, f));
    return true;
}

bool absolute_difference_accumulate(Translator& t, Opcode op, const Fields& f) {
    if (f.is_reserved()) {
        return t.reserved();
    }
    const Value difference = absolute_difference(t, op, f);
    t.set_V(f.Rd, t.b.vec(Opcode::VAdd, f.wide_shape(), {t.V(f.Rd), difference}));
    return true;
}

[[nodiscard]] Value product_of(Translator& t, Opcode op, const Fields& f) {
    return t.b.vec(op, f.wide_shape(), {part(t, f.Rn, f.Q), part(t, f.Rm, f.Q)});
}

bool multiply(Translator& t, Opcode op, const Fields& f) {
    if (f.is_reserved()) {
        return t.reserved();
    }
    t.set_V(f.Rd, product_of(t, op, f));
    return true;
}

// SQDMLAL saturates the product and then the sum, as the two operations do.
bool multiply_accumulate(Translator& t, Opcode op, Opcode combine, const Fields& f) {
    if (f.is_reserved()) {
        return t.reserved();
    }
    const Value product = product_of(t, op, f);
    t.set_V(f.Rd, t.b.vec(combine, f.wide_shape(), {t.V(f.Rd), product}));
    return true;
}

bool polynomial(Translator& t, Shape shape, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    t.set_V(Rd, t.b.vec(Opcode::VPMull, shape, {t.V(Rn), t.V(Rm)}, Q ? 1 : 0));
    return true;
}

bool multiply_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    if (!scalar_hs(size)) {
        return t.reserved();
    }
    t.set_V(Rd, t.b.vec(Opcode::VSQDMull, widened_scalar(size), {t.V(Rn), t.V(Rm)}));
    return true;
}

bool multiply_accumulate_scalar(
    Translator& t, Opcode combine, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    if (!scalar_hs(size)) {
        return t.reserved();
    }
    const Shape shape = widened_scalar(size);
    const Value product = t.b.vec(Opcode::VSQDMull, shape, {t.V(Rn), t.V(Rm)});
    t.set_V(Rd, t.b.vec(combine, shape, {t.V(Rd), product}));
    return true;
}

} // namespace

// --- Advanced SIMD three different

bool SADDL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return long_(t, Opcode::VAdd, Opcode::VSxtl, {Q, size, Rm, Rn, Rd});
}

bool SADDW_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return wide(t, Opcode::VAdd, Opcode::VSxtl, {Q, size, Rm, Rn, Rd});
}

bool SSUBL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return long_(t, Opcode::VSub, Opcode::VSxtl, {Q, size, Rm, Rn, Rd});
}

bool SSUBW_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return wide(t, Opcode::VSub, Opcode::VSxtl, {Q, size, Rm, Rn, Rd});
}

bool ADDHN_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return high_narrow(t, Opcode::VAddHn, {Q, size, Rm, Rn, Rd});
}

bool SABAL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return absolute_difference_accumulate(t, Opcode::VSAbd, {Q, size, Rm, Rn, Rd});
}

bool SUBHN_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return high_narrow(t, Opcode::VSubHn, {Q, size, Rm, Rn, Rd});
}

bool SABDL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return absolute_difference_long(t, Opcode::VSAbd, {Q, size, Rm, Rn, Rd});
}

bool SMLAL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return multiply_accumulate(t, Opcode::VSMull, Opcode::VAdd, {Q, size, Rm, Rn, Rd});
}

bool SMLSL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return multiply_accumulate(t, Opcode::VSMull, Opcode::VSub, {Q, size, Rm, Rn, Rd});
}

bool SMULL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return multiply(t, Opcode::VSMull, {Q, size, Rm, Rn, Rd});
}

bool UADDL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return long_(t, Opcode::VAdd, Opcode::VUxtl, {Q, size, Rm, Rn, Rd});
}

bool UADDW_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return wide(t, Opcode::VAdd, Opcode::VUxtl, {Q, size, Rm, Rn, Rd});
}

bool USUBL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return long_(t, Opcode::VSub, Opcode::VUxtl, {Q, size, Rm, Rn, Rd});
}

bool USUBW_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return wide(t, Opcode::VSub, Opcode::VUxtl, {Q, size, Rm, Rn, Rd});
}

bool RADDHN_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return high_narrow(t, Opcode::VAddHn, {Q, size, Rm, Rn, Rd}, kRounding);
}

bool UABAL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return absolute_difference_accumulate(t, Opcode::VUAbd, {Q, size, Rm, Rn, Rd});
}

bool RSUBHN_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return high_narrow(t, Opcode::VSubHn, {Q, size, Rm, Rn, Rd}, kRounding);
}

bool UABDL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return absolute_difference_long(t, Opcode::VUAbd, {Q, size, Rm, Rn, Rd});
}

bool UMLAL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return multiply_accumulate(t, Opcode::VUMull, Opcode::VAdd, {Q, size, Rm, Rn, Rd});
}

bool UMLSL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return multiply_accumulate(t, Opcode::VUMull, Opcode::VSub, {Q, size, Rm, Rn, Rd});
}

bool UMULL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return multiply(t, Opcode::VUMull, {Q, size, Rm, Rn, Rd});
}

bool SQDMLAL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return size == 0u
               ? t.reserved()
               : multiply_accumulate(t, Opcode::VSQDMull, Opcode::VSQAdd, {Q, size, Rm, Rn, Rd});
}

bool SQDMLSL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return size == 0u
               ? t.reserved()
               : multiply_accumulate(t, Opcode::VSQDMull, Opcode::VSQSub, {Q, size, Rm, Rn, Rd});
}

bool SQDMULL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return size == 0u ? t.reserved() : multiply(t, Opcode::VSQDMull, {Q, size, Rm, Rn, Rd});
}

bool PMULL_byte(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return polynomial(t, shape::H8, Q, Rm, Rn, Rd);
}

bool PMULL_dword(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return polynomial(t, shape::Q1, Q, Rm, Rn, Rd);
}

// --- Advanced SIMD scalar three different

bool SQDMLAL_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return multiply_accumulate_scalar(t, Opcode::VSQAdd, size, Rm, Rn, Rd);
}

bool SQDMLSL_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return multiply_accumulate_scalar(t, Opcode::VSQSub, size, Rm, Rn, Rd);
}

bool SQDMULL_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return multiply_scalar(t, size, Rm, Rn, Rd);
}

} // namespace ulna::frontend
