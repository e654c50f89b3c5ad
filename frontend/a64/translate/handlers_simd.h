// Declarations of the handlers named in insn_simd.def. Handlers whose rows have the same fields
// share a function type.
#pragma once

#include "frontend/a64/translator.h"

namespace ulna::frontend {

using ThreeSame = bool(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd);
ThreeSame SHADD_vec, SQADD_vec, SRHADD_vec, SHSUB_vec, SQSUB_vec, CMGT_vec, CMGE_vec, SSHL_vec,
    SQSHL_vec, SRSHL_vec, SQRSHL_vec, SMAX_vec, SMIN_vec, SABD_vec, SABA_vec, ADD_vec, CMTST_vec,
    MLA_vec, MUL_vec, SMAXP_vec, SMINP_vec, SQDMULH_vec, ADDP_vec, UHADD_vec, UQADD_vec, URHADD_vec,
    UHSUB_vec, UQSUB_vec, CMHI_vec, CMHS_vec, USHL_vec, UQSHL_vec, URSHL_vec, UQRSHL_vec, UMAX_vec,
    UMIN_vec, UABD_vec, UABA_vec, SUB_vec, CMEQ_vec, MLS_vec, PMUL_vec, UMAXP_vec, UMINP_vec,
    SQRDMULH_vec, SQRDMLAH_vec, SQRDMLSH_vec, SADDL_vec, SADDW_vec, SSUBL_vec, SSUBW_vec, ADDHN_vec,
    SABAL_vec, SUBHN_vec, SABDL_vec, SMLAL_vec, SMLSL_vec, SMULL_vec, UADDL_vec, UADDW_vec,
    USUBL_vec, USUBW_vec, RADDHN_vec, UABAL_vec, RSUBHN_vec, UABDL_vec, UMLAL_vec, UMLSL_vec,
    UMULL_vec, SQDMLAL_vec, SQDMLSL_vec, SQDMULL_vec, UZP1_vec, TRN1_vec, ZIP1_vec, UZP2_vec,
    TRN2_vec, ZIP2_vec;

using Logical = bool(Translator& t, bool Q, Vec Rm, Vec Rn, Vec Rd);
Logical AND_vec, BIC_vec, ORN_vec, EOR_vec, ORR_vec, BSL_vec, BIT_vec, BIF_vec, PMULL_byte,
    PMULL_dword;

using ThreeSameScalar = bool(Translator& t, Imm<2> size, Vec Rm, Vec Rn, Vec Rd);
ThreeSameScalar SQADD_scalar, SQSUB_scalar, CMGT_scalar, CMGE_scalar, SSHL_scalar, SQSHL_scalar,
    SRSHL_scalar, SQRSHL_scalar, ADD_scalar, CMTST_scalar, SQDMULH_scalar, UQADD_scalar,
    UQSUB_scalar, CMHI_scalar, CMHS_scalar, USHL_scalar, UQSHL_scalar, URSHL_scalar, UQRSHL_scalar,
    SUB_scalar, CMEQ_scalar, SQRDMULH_scalar, SQRDMLAH_scalar, SQRDMLSH_scalar, SQDMLAL_scalar,
    SQDMLSL_scalar, SQDMULL_scalar;

using TwoMisc = bool(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd);
TwoMisc REV64_vec, REV16_vec, REV32_vec, SADDLP_vec, UADDLP_vec, SADALP_vec, UADALP_vec, SUQADD_vec,
    USQADD_vec, CLS_vec, CLZ_vec, CNT_vec, SQABS_vec, SQNEG_vec, ABS_vec, NEG_vec, CMGT_zero_vec,
    CMEQ_zero_vec, CMLT_zero_vec, CMGE_zero_vec, CMLE_zero_vec, XTN_vec, SQXTN_vec, SQXTUN_vec,
    UQXTN_vec, SHLL_vec, SADDLV_vec, SMAXV_vec, SMINV_vec, ADDV_vec, UADDLV_vec, UMAXV_vec,
    UMINV_vec;

using TwoMiscFixed = bool(Translator& t, bool Q, Vec Rn, Vec Rd);
TwoMiscFixed NOT_vec, RBIT_vec, URECPE_vec, URSQRTE_vec;

using TwoMiscScalar = bool(Translator& t, Imm<2> size, Vec Rn, Vec Rd);
TwoMiscScalar SUQADD_scalar, USQADD_scalar, SQABS_scalar, SQNEG_scalar, ABS_scalar, NEG_scalar,
    CMGT_zero_scalar, CMEQ_zero_scalar, CMLT_zero_scalar, CMGE_zero_scalar, CMLE_zero_scalar,
    SQXTN_scalar, SQXTUN_scalar, UQXTN_scalar;

using CryptoTwo = bool(Translator& t, Vec Rn, Vec Rd);
CryptoTwo ADDP_pair, AESE, AESD, AESMC, AESIMC, SHA1H, SHA1SU1, SHA256SU0;

using ShiftImm = bool(Translator& t, bool Q, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd);
ShiftImm SSHR_vec, SSRA_vec, SRSHR_vec, SRSRA_vec, USHR_vec, USRA_vec, URSHR_vec, URSRA_vec,
    SHL_vec, SRI_vec, SLI_vec, SQSHL_imm_vec, UQSHL_imm_vec, SQSHLU_vec, SHRN_vec, RSHRN_vec,
    SQSHRN_vec, SQRSHRN_vec, SQSHRUN_vec, SQRSHRUN_vec, UQSHRN_vec, UQRSHRN_vec, SSHLL_vec,
    USHLL_vec;

using ShiftImmScalar = bool(Translator& t, Imm<4> immh, Imm<3> immb, Vec Rn, Vec Rd);
ShiftImmScalar SSHR_scalar, SSRA_scalar, SRSHR_scalar, SRSRA_scalar, USHR_scalar, USRA_scalar,
    URSHR_scalar, URSRA_scalar, SHL_scalar, SRI_scalar, SLI_scalar, SQSHL_imm_scalar,
    UQSHL_imm_scalar, SQSHLU_scalar, SQSHRN_scalar, SQRSHRN_scalar, SQSHRUN_scalar, SQRSHRUN_scalar,
    UQSHRN_scalar, UQRSHRN_scalar;

using ByElement =
    bool(Translator& t, bool Q, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd);
ByElement MUL_elem, MLA_elem, MLS_elem, SQDMULH_elem, SQRDMULH_elem, SMULL_elem, SMLAL_elem,
    SMLSL_elem, UMULL_elem, UMLAL_elem, UMLSL_elem, SQDMULL_elem, SQDMLAL_elem, SQDMLSL_elem,
    SQRDMLAH_elem, SQRDMLSH_elem;

using ByElementScalar =
    bool(Translator& t, Imm<2> size, bool L, bool M, Imm<4> Rm, bool H, Vec Rn, Vec Rd);
ByElementScalar SQDMULH_elem_scalar, SQRDMULH_elem_scalar, SQDMULL_elem_scalar, SQDMLAL_elem_scalar,
    SQDMLSL_elem_scalar, SQRDMLAH_elem_scalar, SQRDMLSH_elem_scalar;

using CryptoThree = bool(Translator& t, Vec Rm, Vec Rn, Vec Rd);
CryptoThree SHA1C, SHA1P, SHA1M, SHA1SU0, SHA256H, SHA256H2, SHA256SU1;

// Advanced SIMD copy
using DupElement = bool(Translator& t, bool Q, Imm<5> imm5, Vec Rn, Vec Rd);
DupElement DUP_elem;
bool DUP_general(Translator& t, bool Q, Imm<5> imm5, Reg Rn, Vec Rd);
bool DUP_scalar(Translator& t, Imm<5> imm5, Vec Rn, Vec Rd);
using MoveToGeneral = bool(Translator& t, bool Q, Imm<5> imm5, Vec Rn, Reg Rd);
MoveToGeneral SMOV, UMOV;
bool INS_general(Translator& t, Imm<5> imm5, Reg Rn, Vec Rd);
bool INS_elem(Translator& t, Imm<5> imm5, Imm<4> imm4, Vec Rn, Vec Rd);

// Advanced SIMD extract, table lookup
bool EXT_vec(Translator& t, bool Q, Vec Rm, Imm<4> imm4, Vec Rn, Vec Rd);
using TableLookup = bool(Translator& t, bool Q, Vec Rm, Imm<2> len, Vec Rn, Vec Rd);
TableLookup TBL, TBX;

// Advanced SIMD modified immediate
bool MOVI_MVNI(Translator& t, bool Q, bool op, Imm<3> abc, Imm<4> cmode, Imm<5> defgh, Vec Rd);
bool ORR_BIC_word(Translator& t, bool Q, bool op, Imm<3> abc, Imm<2> amount, Imm<5> defgh, Vec Rd);
bool ORR_BIC_half(Translator& t, bool Q, bool op, Imm<3> abc, bool amount, Imm<5> defgh, Vec Rd);
bool FMOV_vimm(Translator& t, bool Q, bool op, Imm<3> abc, Imm<5> defgh, Vec Rd);
bool FMOV_vimm_half(Translator& t, bool Q, Imm<3> abc, Imm<5> defgh, Vec Rd);

// Dot product, matrix product
ThreeSame SDOT_vec, UDOT_vec;
Logical USDOT_vec, BFDOT_vec;
using DotProductElement = bool(Translator& t, bool Q, bool L, Vec Rm, bool H, Vec Rn, Vec Rd);
DotProductElement SDOT_elem, UDOT_elem, USDOT_elem, SUDOT_elem, BFDOT_elem;
CryptoThree SMMLA, UMMLA, USMMLA, BFMMLA;

// Cryptographic SHA512, SHA3
CryptoThree SHA512H, SHA512H2, SHA512SU1, RAX1;
CryptoTwo SHA512SU0;
using CryptoFour = bool(Translator& t, Vec Rm, Vec Ra, Vec Rn, Vec Rd);
CryptoFour EOR3, BCAX;
bool XAR(Translator& t, Vec Rm, Imm<6> imm6, Vec Rn, Vec Rd);

// Cryptographic SM3, SM4
CryptoFour SM3SS1;
using Sm3Rounds = bool(Translator& t, Vec Rm, Imm<2> imm2, Vec Rn, Vec Rd);
Sm3Rounds SM3TT1A, SM3TT1B, SM3TT2A, SM3TT2B;
CryptoThree SM3PARTW1, SM3PARTW2, SM4EKEY;
CryptoTwo SM4E;

} // namespace ulna::frontend
