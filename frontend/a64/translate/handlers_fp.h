// Handlers of insn_fp.def, in its order.
#pragma once

#include "frontend/a64/translator.h"

namespace ulna::frontend {

// --- Conversion between floating-point and integer
bool FCVT_to_int(Translator& t, bool sf, Imm<2> ftype, Imm<2> rmode, bool U, Vec Rn, Reg Rd);
bool FCVTA_to_int(Translator& t, bool sf, Imm<2> ftype, bool U, Vec Rn, Reg Rd);
bool CVTF_from_int(Translator& t, bool sf, Imm<2> ftype, bool U, Reg Rn, Vec Rd);
bool FMOV_to_gpr(Translator& t, bool sf, Imm<2> ftype, Vec Rn, Reg Rd);
bool FMOV_from_gpr(Translator& t, bool sf, Imm<2> ftype, Reg Rn, Vec Rd);
bool FMOV_from_top(Translator& t, Vec Rn, Reg Rd);
bool FMOV_to_top(Translator& t, Reg Rn, Vec Rd);

bool FJCVTZS(Translator& t, Vec Rn, Reg Rd);

// --- Conversion between floating-point and fixed-point
bool FCVTZ_to_fixed(Translator& t, bool sf, Imm<2> ftype, bool U, Imm<6> scale, Vec Rn, Reg Rd);
bool CVTF_from_fixed(Translator& t, bool sf, Imm<2> ftype, bool U, Imm<6> scale, Reg Rn, Vec Rd);

// --- Floating-point data-processing (1 source)
bool FMOV_reg(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd);
bool FABS_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd);
bool FNEG_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd);
bool FSQRT_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd);
bool FCVT(Translator& t, Imm<2> ftype, Imm<2> opc, Vec Rn, Vec Rd);
bool FRINTN_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd);
bool FRINTP_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd);
bool FRINTM_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd);
bool FRINTZ_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd);
bool FRINTA_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd);
bool FRINTX_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd);
bool FRINTI_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd);
bool FRINT32Z_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd);
bool FRINT32X_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd);
bool FRINT64Z_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd);
bool FRINT64X_scalar(Translator& t, Imm<2> ftype, Vec Rn, Vec Rd);
bool BFCVT(Translator& t, Vec Rn, Vec Rd);

// --- Floating-point compare, conditional compare, conditional select, immediate
bool FCMP(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, bool E, bool zero);
bool FCCMP(Translator& t, Imm<2> ftype, Vec Rm, Cond cond, Vec Rn, bool E, Imm<4> nzcv);
bool FCSEL(Translator& t, Imm<2> ftype, Vec Rm, Cond cond, Vec Rn, Vec Rd);
bool FMOV_imm(Translator& t, Imm<2> ftype, Imm<8> imm8, Vec Rd);

// --- Floating-point data-processing (2 source)
bool FMUL_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd);
bool FDIV_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd);
bool FADD_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd);
bool FSUB_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd);
bool FMAX_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd);
bool FMIN_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd);
bool FMAXNM_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd);
bool FMINNM_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd);
bool FNMUL_scalar(Translator& t, Imm<2> ftype, Vec Rm, Vec Rn, Vec Rd);

// --- Floating-point data-processing (3 source)
bool FMADD(Translator& t, Imm<2> ftype, Vec Rm, Vec Ra, Vec Rn, Vec Rd);
bool FMSUB(Translator& t, Imm<2> ftype, Vec Rm, Vec Ra, Vec Rn, Vec Rd);
bool FNMADD(Translator& t, Imm<2> ftype, Vec Rm, Vec Ra, Vec Rn, Vec Rd);
bool FNMSUB(Translator& t, Imm<2> ftype, Vec Rm, Vec Ra, Vec Rn, Vec Rd);

// --- Advanced SIMD three same (FP)
bool FMAXNM_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FMLA_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FADD_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FMULX_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FCMEQ_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FMAX_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FRECPS_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FMINNM_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FMLS_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FSUB_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FMIN_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FRSQRTS_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FMAXNMP_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FADDP_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FMUL_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FCMGE_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FACGE_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FMAXP_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FDIV_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FMINNMP_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FABD_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FCMGT_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FACGT_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FMINP_vec(Translator& t, bool Q, bool sz, Vec Rm, Vec Rn, Vec Rd);

// --- Advanced SIMD three same extra (FP)
bool FCADD(Translator& t, bool Q, Imm<2> size, Vec Rm, bool rot, Vec Rn, Vec Rd);
bool FCMLA_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Imm<2> rot, Vec Rn, Vec Rd);
bool BFMLAL_vec(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);

// --- Advanced SIMD scalar three same (FP)
bool FMULX_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FCMEQ_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FRECPS_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FRSQRTS_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FCMGE_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FACGE_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FABD_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FCMGT_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd);
bool FACGT_lane(Translator& t, bool sz, Vec Rm, Vec Rn, Vec Rd);

// --- Advanced SIMD two-register miscellaneous (FP)
bool FCMGT_zero(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FCMEQ_zero(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FCMLT_zero(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FABS_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FCMGE_zero(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FCMLE_zero(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FNEG_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FCVTN_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FCVTL_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FCVTXN_vec(Translator& t, bool Q, Vec Rn, Vec Rd);
bool BFCVTN(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FRINTN_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FRINTM_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FRINTP_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FRINTZ_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FRINTA_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FRINTX_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FRINTI_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FRINT32Z_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FRINT32X_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FRINT64Z_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FRINT64X_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FCVTN_int_vec(Translator& t, bool Q, bool U, bool sz, Vec Rn, Vec Rd);
bool FCVTM_int_vec(Translator& t, bool Q, bool U, bool sz, Vec Rn, Vec Rd);
bool FCVTA_int_vec(Translator& t, bool Q, bool U, bool sz, Vec Rn, Vec Rd);
bool FCVTP_int_vec(Translator& t, bool Q, bool U, bool sz, Vec Rn, Vec Rd);
bool FCVTZ_int_vec(Translator& t, bool Q, bool U, bool sz, Vec Rn, Vec Rd);
bool CVTF_vec(Translator& t, bool Q, bool U, bool sz, Vec Rn, Vec Rd);
bool FRECPE_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FRSQRTE_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);
bool FSQRT_vec(Translator& t, bool Q, bool sz, Vec Rn, Vec Rd);

// --- Advanced SIMD scalar two-register miscellaneous (FP)
bool FCMGT_zero_lane(Translator& t, bool sz, Vec Rn, Vec Rd);
bool FCMEQ_zero_lane(Translator& t, bool sz, Vec Rn, Vec Rd);
bool FCMLT_zero_lane(Translator& t, bool sz, Vec Rn, Vec Rd);
bool FCMGE_zero_lane(Translator& t, bool sz, Vec Rn, Vec Rd);
bool FCMLE_zero_lane(Translator& t, bool sz, Vec Rn, Vec Rd);
bool FCVTXN_lane(Translator& t, Vec Rn, Vec Rd);
bool FCVTN_int_lane(Translator& t, bool U, bool sz, Vec Rn, Vec Rd);
bool FCVTM_int_lane(Translator& t, bool U, bool sz, Vec Rn, Vec Rd);
bool FCVTA_int_lane(Translator& t, bool U, bool sz, Vec Rn, Vec Rd);
bool FCVTP_int_lane(Translator& t, bool U, bool sz, Vec Rn, Vec Rd);
bool FCVTZ_int_lane(Translator& t, bool U, bool sz, Vec Rn, Vec Rd);
bool CVTF_lane(Translator& t, bool U, bool sz, Vec Rn, Vec Rd);
bool FRECPE_lane(Translator& t, bool sz, Vec Rn, Vec Rd);
bool FRECPX_lane(Translator& t, bool sz, Vec Rn, Vec Rd);
bool FRSQRTE_lane(Translator& t, bool sz, Vec Rn, Vec Rd);

// --- Advanced SIMD scalar pairwise (FP)
bool FMAXNMP_pair(Translator& t, bool sz, Vec Rn, Vec Rd);
bool FADDP_pair(Translator& t, bool sz, Vec Rn, Vec Rd);
bool FMAXP_pair(Translator& t, bool sz, Vec Rn, Vec Rd);
bool FMINNMP_pair(Translator& t, bool sz, Vec Rn, Vec Rd);
bool FMINP_pair(Translator& t, bool sz, Vec Rn, Vec Rd);

// --- Advanced SIMD across lanes (FP)
bool FMAXNMV(Translator& t, Vec Rn, Vec Rd);
bool FMAXV(Translator& t, Vec Rn, Vec Rd);
bool FMINNMV(Translator& t, Vec Rn, Vec Rd);
bool FMINV(Translator& t, Vec Rn, Vec Rd);

// --- Advanced SIMD vector x indexed element (FP)
bool FMLA_elem(Translator& t, bool Q, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd);
bool FMLS_elem(Translator& t, bool Q, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd);
bool FMUL_elem(Translator& t, bool Q, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd);
bool FMULX_elem(Translator& t, bool Q, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd);
bool FMLA_elem_lane(Translator& t, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd);
bool FMLS_elem_lane(Translator& t, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd);
bool FMUL_elem_lane(Translator& t, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd);
bool FMULX_elem_lane(Translator& t, bool sz, bool L, Vec Rm, bool H, Vec Rn, Vec Rd);
bool FCMLA_elem(
    Translator& t, bool Q, Imm<2> size, bool L, Vec Rm, Imm<2> rot, bool H, Vec Rn, Vec Rd);
bool BFMLAL_elem(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd);

// --- Advanced SIMD shift by immediate (fixed-point conversions)
bool CVTF_fixed_vec(Translator& t, bool Q, bool U, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd);
bool FCVTZ_fixed_vec(Translator& t, bool Q, bool U, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd);
bool CVTF_fixed_lane(Translator& t, bool U, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd);
bool FCVTZ_fixed_lane(Translator& t, bool U, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd);

// --- Advanced SIMD three same (half precision)
bool FMAXNM_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FMLA_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FADD_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FMULX_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FCMEQ_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FMAX_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FRECPS_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FMINNM_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FMLS_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FSUB_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FMIN_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FRSQRTS_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FMAXNMP_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FADDP_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FMUL_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FCMGE_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FACGE_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FMAXP_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FDIV_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FMINNMP_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FABD_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FCMGT_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FACGT_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FMINP_half(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);

// --- Advanced SIMD scalar three same (half precision)
bool FMULX_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd);
bool FCMEQ_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd);
bool FRECPS_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd);
bool FRSQRTS_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd);
bool FCMGE_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd);
bool FACGE_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd);
bool FABD_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd);
bool FCMGT_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd);
bool FACGT_lane_half(Translator& t, Vec Rm, Vec Rn, Vec Rd);

// --- Advanced SIMD two-register miscellaneous (half precision)
bool FCMGT_zero_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FCMEQ_zero_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FCMLT_zero_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FABS_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FCMGE_zero_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FCMLE_zero_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FNEG_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FRINTN_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FRINTM_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FRINTP_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FRINTZ_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FRINTA_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FRINTX_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FRINTI_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FCVTN_int_half(Translator& t, bool Q, bool U, Vec Rn, Vec Rd);
bool FCVTM_int_half(Translator& t, bool Q, bool U, Vec Rn, Vec Rd);
bool FCVTA_int_half(Translator& t, bool Q, bool U, Vec Rn, Vec Rd);
bool FCVTP_int_half(Translator& t, bool Q, bool U, Vec Rn, Vec Rd);
bool FCVTZ_int_half(Translator& t, bool Q, bool U, Vec Rn, Vec Rd);
bool CVTF_half(Translator& t, bool Q, bool U, Vec Rn, Vec Rd);
bool FRECPE_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FRSQRTE_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FSQRT_half(Translator& t, bool Q, Vec Rn, Vec Rd);

// --- Advanced SIMD scalar two-register miscellaneous (half precision)
bool FCMGT_zero_lane_half(Translator& t, Vec Rn, Vec Rd);
bool FCMEQ_zero_lane_half(Translator& t, Vec Rn, Vec Rd);
bool FCMLT_zero_lane_half(Translator& t, Vec Rn, Vec Rd);
bool FCMGE_zero_lane_half(Translator& t, Vec Rn, Vec Rd);
bool FCMLE_zero_lane_half(Translator& t, Vec Rn, Vec Rd);
bool FCVTN_int_lane_half(Translator& t, bool U, Vec Rn, Vec Rd);
bool FCVTM_int_lane_half(Translator& t, bool U, Vec Rn, Vec Rd);
bool FCVTA_int_lane_half(Translator& t, bool U, Vec Rn, Vec Rd);
bool FCVTP_int_lane_half(Translator& t, bool U, Vec Rn, Vec Rd);
bool FCVTZ_int_lane_half(Translator& t, bool U, Vec Rn, Vec Rd);
bool CVTF_lane_half(Translator& t, bool U, Vec Rn, Vec Rd);
bool FRECPE_lane_half(Translator& t, Vec Rn, Vec Rd);
bool FRECPX_lane_half(Translator& t, Vec Rn, Vec Rd);
bool FRSQRTE_lane_half(Translator& t, Vec Rn, Vec Rd);

// --- Advanced SIMD scalar pairwise (half precision)
bool FMAXNMP_pair_half(Translator& t, Vec Rn, Vec Rd);
bool FADDP_pair_half(Translator& t, Vec Rn, Vec Rd);
bool FMAXP_pair_half(Translator& t, Vec Rn, Vec Rd);
bool FMINNMP_pair_half(Translator& t, Vec Rn, Vec Rd);
bool FMINP_pair_half(Translator& t, Vec Rn, Vec Rd);

// --- Advanced SIMD across lanes (half precision)
bool FMAXNMV_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FMAXV_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FMINNMV_half(Translator& t, bool Q, Vec Rn, Vec Rd);
bool FMINV_half(Translator& t, bool Q, Vec Rn, Vec Rd);

// --- Advanced SIMD vector x indexed element (half precision)
bool FMLA_elem_half(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd);
bool FMLS_elem_half(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd);
bool FMUL_elem_half(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd);
bool FMULX_elem_half(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd);
bool FMLA_elem_lane_half(Translator& t, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd);
bool FMLS_elem_lane_half(Translator& t, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd);
bool FMUL_elem_lane_half(Translator& t, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd);
bool FMULX_elem_lane_half(Translator& t, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd);

// --- Advanced SIMD half-precision multiply into single-precision sums
bool FMLAL(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FMLAL2(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FMLSL(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FMLSL2(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
bool FMLAL_elem(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd);
bool FMLAL2_elem(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd);
bool FMLSL_elem(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd);
bool FMLSL2_elem(Translator& t, bool Q, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd);

} // namespace ulna::frontend
