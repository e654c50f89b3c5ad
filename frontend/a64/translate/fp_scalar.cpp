// Scalar floating point: moves, arithmetic, comparison (DDI 0487 C6: "Data processing - scalar
// floating-point"). A scalar write zeroes the rest of the vector register, unless FPCR.NEP.
#include "frontend/a64/translate/fp_common.h"
#include "frontend/a64/translate/handlers_fp.h"

namespace ulna::frontend {

using ir::fmuladd::kNegateAddend;
using ir::fmuladd::kNegateFactor;

namespace {
bool unary(Translator& t, Opcode op, Imm<2> ftype, Vec Rn, Vec Rd) {
    const auto type = arithmetic_type(t, ftype);
    if (!type) {
        return t.unallocated();
    }
    t.set_F(Rd, t.b.unary(op, t.F(*type, Rn)), Rd);
    return true;
}

bool round_to_integral(Translator& t, u64 how, Imm<2> ftype, Vec Rn, Vec Rd) {
    const auto type = arithmetic_type(t, ftype);
    if (!type) {
        return t.unallocated();
    }
    t.set_F(Rd, t.b.emit(Opcode::FRInt, *type, {t.F(*type, Rn)}, 0, how), Rd);
    return true;
}

// FEAT_FRINTTS has no half precision.
bool round_to_size(Translator& t, u64 how, Imm<2> ftype, Vec Rn, Vec Rd) {
    const auto type = fp_type(ftype);
    if (!type || *type == Type::F16) {
        return t.unallocated();
    }
    t.set_F(Rd, t.b.emit(Opcode::FRIntN, *type, {t.F(*type, Rn)}, 0, how), Rd);
    return true;
}

bool binary(Translator& t, Opcode op, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd) {
    const auto type = arithmetic_type(t, ftype);
    if (!type) {
        return t.unallocated();
    }
    t.set_F(Rd, t.b.binary(op, t.F(*type, Rn), t.F(*type, Rm)), Rn);
    return true;
}

bool multiply_add(Translator& t, u64 negate, Imm<2> ftype, Vec Rm, Vec Ra, Vec Rn, Vec Rd) {
    const auto type = arithmetic_type(t, ftype);
    if (!type) {
        return t.unallocated();
    }
    const Value addend = t.F(*type, Ra), op1 = t.F(*type, Rn), op2 = t.F(*type, Rm);
    t.set_F(Rd, t.b.emit(Opcode::FMulAdd, *type, {addend, op1, op2}, 0, negate), Ra);
    return true;
}

// Between W and S, X and D; half precision goes with both.
[[nodiscard]] bool fits_gpr(Type type, bool sf) { return type == Type::F16 || type == fp_type(sf); }
} // namespace

// --- moves
bool FMOV_to_gpr(Translator& t, bool sf, Imm<2> ftype, Vec Rn, Reg Rd) {
    const auto type = arithmetic_type(t, ftype);
    if (!type || !fits_gpr(*type, sf)) {
        return t.unallocated();
    }
    t.set_X(Rd, t.b.emit(Opcode::FToI, gpr(sf), {t.F(*type, Rn)}));
    return true;
}

bool FMOV_from_gpr(Translator& t, bool sf, Imm<2> ftype, Reg Rn, Vec Rd) {
    const auto type = arithmetic_type(t, ftype);
    if (!type || !fits_gpr(*type, sf)) {
        return t.unallocated();
    }
    t.set_F(Rd, t.b.emit(Opcode::IToF, *type, {t.X(gpr(sf), Rn)}));
    return true;
}

bool FMOV_from_top(Translator& t, Vec Rn, Reg Rd) {
    t.set_X(Rd, t.b.vget(t.V(Rn), shape::D2, 1, Type::I64));
    return true;
}

bool FMOV_to_top(Translator& t, Reg Rn, Vec Rd) {
    const Value part = t.X(Type::I64, Rn);
    t.set_V(Rd, t.b.vec(Opcode::VSetLane, shape::D2, {t.V(Rd), part}, 1));
    return true;
}

bool FMOV_reg(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd) {
    const auto type = arithmetic_type(t, ftype);
    if (!type) {
        return t.unallocated();
    }
    t.set_F(Rd, t.F(*type, Rn));
    return true;
}

bool FMOV_imm(Translator& t, Imm<2> ftype, Imm<8> imm8, Vec Rd) {
    const auto type = arithmetic_type(t, ftype);
    if (!type) {
        return t.unallocated();
    }
    t.set_F(Rd, t.b.constant(*type, vfp_expand_imm(ir::bit_width(*type), imm8)));
    return true;
}

// --- data-processing (1 source)
bool FABS_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd) {
    return unary(t, Opcode::FAbs, ftype, Rn, Rd);
}
bool FNEG_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd) {
    return unary(t, Opcode::FNeg, ftype, Rn, Rd);
}
bool FSQRT_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd) {
    return unary(t, Opcode::FSqrt, ftype, Rn, Rd);
}
bool FRINTN_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd) {
    return round_to_integral(t, frint::kToNearest, ftype, Rn, Rd);
}
bool FRINTP_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd) {
    return round_to_integral(t, frint::kToPlusInf, ftype, Rn, Rd);
}
bool FRINTM_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd) {
    return round_to_integral(t, frint::kToMinusInf, ftype, Rn, Rd);
}
bool FRINTZ_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd) {
    return round_to_integral(t, frint::kToZero, ftype, Rn, Rd);
}
bool FRINTA_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd) {
    return round_to_integral(t, frint::kToNearestAway, ftype, Rn, Rd);
}
bool FRINTX_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd) {
    return round_to_integral(t, frint::kCurrentExact, ftype, Rn, Rd);
}
bool FRINTI_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd) {
    return round_to_integral(t, frint::kCurrent, ftype, Rn, Rd);
}
bool FRINT32Z_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd) {
    return round_to_size(t, frintn::k32Z, ftype, Rn, Rd);
}
bool FRINT32X_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd) {
    return round_to_size(t, frintn::k32X, ftype, Rn, Rd);
}
bool FRINT64Z_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd) {
    return round_to_size(t, frintn::k64Z, ftype, Rn, Rd);
}
bool FRINT64X_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd) {
    return round_to_size(t, frintn::k64X, ftype, Rn, Rd);
}

// --- data-processing (2 source)
bool FMUL_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd) {
    return binary(t, Opcode::FMul, ftype, Rm, Rn, Rd);
}
bool FDIV_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd) {
    return binary(t, Opcode::FDiv, ftype, Rm, Rn, Rd);
}
bool FADD_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd) {
    return binary(t, Opcode::FAdd, ftype, Rm, Rn, Rd);
}
bool FSUB_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd) {
    return binary(t, Opcode::FSub, ftype, Rm, Rn, Rd);
}
bool FMAX_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd) {
    return binary(t, Opcode::FMax, ftype, Rm, Rn, Rd);
}
bool FMIN_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd) {
    return binary(t, Opcode::FMin, ftype, Rm, Rn, Rd);
}
bool FMAXNM_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd) {
    return binary(t, Opcode::FMaxNm, ftype, Rm, Rn, Rd);
}
bool FMINNM_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd) {
    return binary(t, Opcode::FMinNm, ftype, Rm, Rn, Rd);
}

bool FNMUL_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd) {
    const auto type = arithmetic_type(t, ftype);
    if (!type) {
        return t.unallocated();
    }
    const Value product = t.b.binary(Opcode::FMul, t.F(*type, Rn), t.F(*type, Rm));
    t.set_F(Rd, t.b.unary(Opcode::FNeg, product), Rn); // a NaN product too
    return true;
}

// --- data-processing (3 source)
bool FMADD(Translator& t, Imm<2> ftype, Vec Rm, Vec Ra, Vec Rn, Vec Rd) {
    return multiply_add(t, 0, ftype, Rm, Ra, Rn, Rd);
}
bool FMSUB(Translator& t, Imm<2> ftype, Vec Rm, Vec Ra, Vec Rn, Vec Rd) {
    return multiply_add(t, kNegateFactor, ftype, Rm, Ra, Rn, Rd);
}
bool FNMADD(Translator& t, Imm<2> ftype, Vec Rm, Vec Ra, Vec Rn, Vec Rd) {
    return multiply_add(t, kNegateAddend | kNegateFactor, ftype, Rm, Ra, Rn, Rd);
}
bool FNMSUB(Translator& t, Imm<2> ftype, Vec Rm, Vec Ra, Vec Rn, Vec Rd) {
    return multiply_add(t, kNegateAddend, ftype, Rm, Ra, Rn, Rd);
}

// --- compare and select
bool FCMP(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, bool E, bool zero) {
    const auto type = arithmetic_type(t, ftype);
    if (!type) {
        return t.unallocated();
    }
    const Value operand2 = zero ? t.b.constant(*type, 0) : t.F(*type, Rm);
    t.set_nzcv(t.b.fcmp(t.F(*type, Rn), operand2, E));
    return true;
}

bool FCCMP(Translator& t, Imm<2> ftype, Vec Rm, Cond cond, Vec Rn, bool E, Imm<4> nzcv) {
    const auto type = arithmetic_type(t, ftype);
    if (!type) {
        return t.unallocated();
    }
    const Value operand1 = t.F(*type, Rn), operand2 = t.F(*type, Rm);
    if (cond >= Cond::AL) {
        t.set_nzcv(t.b.fcmp(operand1, operand2, E));
        return true;
    }
    // When the condition fails nothing is compared, and no NaN may raise Invalid: compare zeros
    // instead.
    const Value holds = t.holds(cond);
    const Value zero = t.b.constant(*type, 0);
    const Value compared =
        t.b.fcmp(t.b.select(holds, operand1, zero), t.b.select(holds, operand2, zero), E);
    t.set_nzcv(t.b.nzcv_select(holds, compared, t.b.nzcv_const(nzcv.v)));
    return true;
}

bool FCSEL(Translator& t, Imm<2> ftype, Vec Rm, Cond cond, Vec Rn, Vec Rd) {
    const auto type = arithmetic_type(t, ftype);
    if (!type) {
        return t.unallocated();
    }
    t.set_F(Rd, t.b.select(t.holds(cond), t.F(*type, Rn), t.F(*type, Rm)));
    return true;
}

} // namespace ulna::frontend
