// Advanced SIMD three same, vector and scalar.

#include "frontend/a64/translate/handlers_simd.h"
#include "frontend/a64/translate/simd_common.h"

namespace ulna::frontend {

namespace {

// Vd + op(Vn, Vm), or Vd - op(Vn, Vm).
bool three_same_into(
    Translator& t, Opcode combine, Opcode op, Lanes lanes, Vec Rm, Vec Rn, Vec Rd) {
    if (!lanes) {
        return t.reserved();
    }
    const Value part = t.b.vec(op, *lanes, {t.V(Rn), t.V(Rm)});
    t.set_V(Rd, t.b.vec(combine, *lanes, {t.V(Rd), part}));
    return true;
}
bool three_same_add(Translator& t, Opcode op, Lanes lanes, Vec Rm, Vec Rn, Vec Rd) {
    return three_same_into(t, Opcode::VAdd, op, lanes, Rm, Rn, Rd);
}
bool three_same_sub(Translator& t, Opcode op, Lanes lanes, Vec Rm, Vec Rn, Vec Rd) {
    return three_same_into(t, Opcode::VSub, op, lanes, Rm, Rn, Rd);
}

// SQRDMLAH and SQRDMLSH.
bool rounding_doubling_accumulate(
    Translator& t, Lanes lanes, Vec Rm, Vec Rn, Vec Rd, u64 subtract = 0) {
    if (!lanes) {
        return t.reserved();
    }
    t.set_V(Rd, t.b.vec(Opcode::VSQRDMlAH, *lanes, {t.V(Rd), t.V(Rn), t.V(Rm)}, subtract));
    return true;
}

// BSL, BIT and BIF differ in which register selects.
bool bitwise_select(Translator& t, bool Q, Vec selector, Vec if_one, Vec if_zero, Vec Rd) {
    const Value result =
        t.b.vec(Opcode::VBsl, register_bytes(Q), {t.V(selector), t.V(if_one), t.V(if_zero)});
    t.set_V(Rd, result);
    return true;
}

// MOV (vector) is ORR with equal sources.
bool move(Translator& t, bool Q, Vec Rn, Vec Rd) {
    const Value source = t.V(Rn);
    t.set_V(Rd, Q ? source : t.b.unary(Opcode::VLow, source));
    return true;
}

} // namespace

// --- Advanced SIMD three same

bool SHADD_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSHAdd, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool SQADD_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSQAdd, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool SRHADD_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSHAdd, lanes_bhs(size, Q), Rm, Rn, Rd, kRounding);
}

bool SHSUB_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSHSub, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool SQSUB_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSQSub, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool CMGT_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VCmGt, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool CMGE_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VCmGe, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool SSHL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSShlReg, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool SQSHL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSQShlReg, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool SRSHL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSShlReg, lanes_bhsd(size, Q), Rm, Rn, Rd, kRounding);
}

bool SQRSHL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSQShlReg, lanes_bhsd(size, Q), Rm, Rn, Rd, kRounding);
}

bool SMAX_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSMax, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool SMIN_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSMin, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool SABD_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSAbd, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool SABA_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same_add(t, Opcode::VSAbd, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool ADD_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VAdd, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool CMTST_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VCmTst, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool MLA_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same_add(t, Opcode::VMul, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool MUL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VMul, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool SMAXP_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSMaxP, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool SMINP_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSMinP, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool SQDMULH_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSQDMulH, lanes_hs(size, Q), Rm, Rn, Rd);
}

bool ADDP_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VAddP, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool UHADD_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUHAdd, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool UQADD_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUQAdd, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool URHADD_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUHAdd, lanes_bhs(size, Q), Rm, Rn, Rd, kRounding);
}

bool UHSUB_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUHSub, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool UQSUB_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUQSub, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool CMHI_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VCmHi, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool CMHS_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VCmHs, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool USHL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUShlReg, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool UQSHL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUQShlReg, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool URSHL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUShlReg, lanes_bhsd(size, Q), Rm, Rn, Rd, kRounding);
}

bool UQRSHL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUQShlReg, lanes_bhsd(size, Q), Rm, Rn, Rd, kRounding);
}

bool UMAX_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUMax, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool UMIN_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUMin, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool UABD_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUAbd, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool UABA_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same_add(t, Opcode::VUAbd, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool SUB_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSub, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool CMEQ_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VCmEq, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool MLS_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same_sub(t, Opcode::VMul, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool PMUL_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VPMul, lanes_b(size, Q), Rm, Rn, Rd);
}

bool UMAXP_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUMaxP, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool UMINP_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUMinP, lanes_bhs(size, Q), Rm, Rn, Rd);
}

bool SQRDMULH_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSQDMulH, lanes_hs(size, Q), Rm, Rn, Rd, kRounding);
}

// --- Advanced SIMD three same: logical

bool AND_vec(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VAnd, register_bytes(Q), Rm, Rn, Rd);
}

bool BIC_vec(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VBic, register_bytes(Q), Rm, Rn, Rd);
}

bool ORN_vec(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VOrn, register_bytes(Q), Rm, Rn, Rd);
}

bool EOR_vec(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VXor, register_bytes(Q), Rm, Rn, Rd);
}

bool ORR_vec(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return Rn == Rm ? move(t, Q, Rn, Rd)
                    : three_same(t, Opcode::VOr, register_bytes(Q), Rm, Rn, Rd);
}

bool BSL_vec(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return bitwise_select(t, Q, Rd, Rn, Rm, Rd);
}

bool BIT_vec(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return bitwise_select(t, Q, Rm, Rn, Rd, Rd);
}

bool BIF_vec(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd) {
    return bitwise_select(t, Q, Rm, Rd, Rn, Rd);
}

// --- Advanced SIMD three same extra

bool SQRDMLAH_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return rounding_doubling_accumulate(t, lanes_hs(size, Q), Rm, Rn, Rd);
}

bool SQRDMLSH_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return rounding_doubling_accumulate(t, lanes_hs(size, Q), Rm, Rn, Rd, kSubtract);
}

// --- Advanced SIMD scalar three same

bool SQADD_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSQAdd, scalar_bhsd(size), Rm, Rn, Rd);
}

bool SQSUB_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSQSub, scalar_bhsd(size), Rm, Rn, Rd);
}

bool CMGT_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VCmGt, scalar_d(size), Rm, Rn, Rd);
}

bool CMGE_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VCmGe, scalar_d(size), Rm, Rn, Rd);
}

bool SSHL_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSShlReg, scalar_d(size), Rm, Rn, Rd);
}

bool SQSHL_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSQShlReg, scalar_bhsd(size), Rm, Rn, Rd);
}

bool SRSHL_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSShlReg, scalar_d(size), Rm, Rn, Rd, kRounding);
}

bool SQRSHL_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSQShlReg, scalar_bhsd(size), Rm, Rn, Rd, kRounding);
}

bool ADD_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VAdd, scalar_d(size), Rm, Rn, Rd);
}

bool CMTST_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VCmTst, scalar_d(size), Rm, Rn, Rd);
}

bool SQDMULH_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSQDMulH, scalar_hs(size), Rm, Rn, Rd);
}

bool UQADD_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUQAdd, scalar_bhsd(size), Rm, Rn, Rd);
}

bool UQSUB_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUQSub, scalar_bhsd(size), Rm, Rn, Rd);
}

bool CMHI_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VCmHi, scalar_d(size), Rm, Rn, Rd);
}

bool CMHS_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VCmHs, scalar_d(size), Rm, Rn, Rd);
}

bool USHL_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUShlReg, scalar_d(size), Rm, Rn, Rd);
}

bool UQSHL_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUQShlReg, scalar_bhsd(size), Rm, Rn, Rd);
}

bool URSHL_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUShlReg, scalar_d(size), Rm, Rn, Rd, kRounding);
}

bool UQRSHL_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUQShlReg, scalar_bhsd(size), Rm, Rn, Rd, kRounding);
}

bool SUB_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSub, scalar_d(size), Rm, Rn, Rd);
}

bool CMEQ_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VCmEq, scalar_d(size), Rm, Rn, Rd);
}

bool SQRDMULH_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSQDMulH, scalar_hs(size), Rm, Rn, Rd, kRounding);
}

bool SQRDMLAH_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return rounding_doubling_accumulate(t, scalar_hs(size), Rm, Rn, Rd);
}

bool SQRDMLSH_scalar(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return rounding_doubling_accumulate(t, scalar_hs(size), Rm, Rn, Rd, kSubtract);
}

} // namespace ulna::frontend
