// Declarations of the handlers named in insn.def.
#pragma once

#include "frontend/a64/translator.h"

namespace ulna::frontend {

// --- Reserved
bool UDF(Translator& t);

// --- Data processing -- immediate (C4.1.92)
bool ADR(Translator& t, Imm<2> immlo, Imm<19> immhi, Reg Rd);
bool ADRP(Translator& t, Imm<2> immlo, Imm<19> immhi, Reg Rd);
bool ADD_imm(Translator& t, bool sf, bool sh, Imm<12> imm12, Reg Rn, Reg Rd);
bool ADDS_imm(Translator& t, bool sf, bool sh, Imm<12> imm12, Reg Rn, Reg Rd);
bool SUB_imm(Translator& t, bool sf, bool sh, Imm<12> imm12, Reg Rn, Reg Rd);
bool SUBS_imm(Translator& t, bool sf, bool sh, Imm<12> imm12, Reg Rn, Reg Rd);
bool SMAX_imm(Translator& t, bool sf, Imm<8> imm8, Reg Rn, Reg Rd);
bool UMAX_imm(Translator& t, bool sf, Imm<8> imm8, Reg Rn, Reg Rd);
bool SMIN_imm(Translator& t, bool sf, Imm<8> imm8, Reg Rn, Reg Rd);
bool UMIN_imm(Translator& t, bool sf, Imm<8> imm8, Reg Rn, Reg Rd);
bool AND_imm(Translator& t, bool sf, bool N, Imm<6> immr, Imm<6> imms, Reg Rn, Reg Rd);
bool ORR_imm(Translator& t, bool sf, bool N, Imm<6> immr, Imm<6> imms, Reg Rn, Reg Rd);
bool EOR_imm(Translator& t, bool sf, bool N, Imm<6> immr, Imm<6> imms, Reg Rn, Reg Rd);
bool ANDS_imm(Translator& t, bool sf, bool N, Imm<6> immr, Imm<6> imms, Reg Rn, Reg Rd);
bool MOVN(Translator& t, bool sf, Imm<2> hw, Imm<16> imm16, Reg Rd);
bool MOVZ(Translator& t, bool sf, Imm<2> hw, Imm<16> imm16, Reg Rd);
bool MOVK(Translator& t, bool sf, Imm<2> hw, Imm<16> imm16, Reg Rd);
bool SBFM(Translator& t, bool sf, bool N, Imm<6> immr, Imm<6> imms, Reg Rn, Reg Rd);
bool BFM(Translator& t, bool sf, bool N, Imm<6> immr, Imm<6> imms, Reg Rn, Reg Rd);
bool UBFM(Translator& t, bool sf, bool N, Imm<6> immr, Imm<6> imms, Reg Rn, Reg Rd);
bool EXTR(Translator& t, bool sf, bool N, Reg Rm, Imm<6> imms, Reg Rn, Reg Rd);

// --- Branches, exception generating and system instructions (C4.1.93)
bool B_cond(Translator& t, Imm<19> imm19, Cond cond);
bool BC_cond(Translator& t, Imm<19> imm19, Cond cond);
bool SVC(Translator& t, Imm<16> imm16);
bool BRK(Translator& t, Imm<16> imm16);
bool HINT(Translator& t, Imm<4> CRm, Imm<3> op2);
bool XPACLRI(Translator& t);
bool PAC_1716(Translator& t, bool B);
bool AUT_1716(Translator& t, bool B);
bool PAC_LR(Translator& t, bool B, bool sp);
bool AUT_LR(Translator& t, bool B, bool sp);
bool BTI(Translator& t);
bool DGH(Translator& t);
bool WFET(Translator& t);
bool WFIT(Translator& t);
bool CLREX(Translator& t);
bool DSB(Translator& t);
bool DSB_nXS(Translator& t);
bool DMB(Translator& t, Imm<4> CRm);
bool ISB(Translator& t);
bool SB(Translator& t);
bool CFINV(Translator& t);
bool XAFLAG(Translator& t);
bool AXFLAG(Translator& t);
bool MSR_SSBS(Translator& t, Imm<4> CRm);
bool MSR_DIT(Translator& t, Imm<4> CRm);
bool DC_ZVA(Translator& t, Reg Rt);
bool DC_CVAC(Translator& t, Reg Rt);
bool DC_CVAU(Translator& t, Reg Rt);
bool DC_CVAP(Translator& t, Reg Rt);
bool DC_CVADP(Translator& t, Reg Rt);
bool DC_CIVAC(Translator& t, Reg Rt);
bool IC_IVAU(Translator& t, Reg Rt);
bool MSR_reg(Translator& t, bool o0, Imm<3> op1, Imm<4> CRn, Imm<4> CRm, Imm<3> op2, Reg Rt);
bool MRS(Translator& t, bool o0, Imm<3> op1, Imm<4> CRn, Imm<4> CRm, Imm<3> op2, Reg Rt);
bool BR(Translator& t, Reg Rn);
bool BLR(Translator& t, Reg Rn);
bool RET(Translator& t, Reg Rn);
bool BRA(Translator& t, bool M, Reg Rn, Reg Rm);
bool BRAZ(Translator& t, bool M, Reg Rn);
bool BLRA(Translator& t, bool M, Reg Rn, Reg Rm);
bool BLRAZ(Translator& t, bool M, Reg Rn);
bool RETA(Translator& t, bool M);
bool B_uncond(Translator& t, Imm<26> imm26);
bool BL(Translator& t, Imm<26> imm26);
bool CBZ(Translator& t, bool sf, Imm<19> imm19, Reg Rt);
bool CBNZ(Translator& t, bool sf, Imm<19> imm19, Reg Rt);
bool TBZ(Translator& t, bool b5, Imm<5> b40, Imm<14> imm14, Reg Rt);
bool TBNZ(Translator& t, bool b5, Imm<5> b40, Imm<14> imm14, Reg Rt);

// --- Data processing -- register (C4.1.95)
bool PACGA(Translator& t, Reg Rm, Reg Rn, Reg Rd);
bool UDIV(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd);
bool SDIV(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd);
bool LSLV(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd);
bool LSRV(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd);
bool ASRV(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd);
bool RORV(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd);
bool CRC32(Translator& t, bool sf, Reg Rm, Imm<2> sz, Reg Rn, Reg Rd);
bool CRC32C(Translator& t, bool sf, Reg Rm, Imm<2> sz, Reg Rn, Reg Rd);
bool SMAX_reg(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd);
bool UMAX_reg(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd);
bool SMIN_reg(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd);
bool UMIN_reg(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd);
bool PAC_reg(Translator& t, Imm<2> key, Reg Rn, Reg Rd);
bool AUT_reg(Translator& t, Imm<2> key, Reg Rn, Reg Rd);
bool PAC_zero(Translator& t, Imm<2> key, Reg Rd);
bool AUT_zero(Translator& t, Imm<2> key, Reg Rd);
bool XPAC(Translator& t, Reg Rd);
bool RBIT_int(Translator& t, bool sf, Reg Rn, Reg Rd);
bool REV16_int(Translator& t, bool sf, Reg Rn, Reg Rd);
bool REV_32(Translator& t, Reg Rn, Reg Rd);
bool REV32_int(Translator& t, Reg Rn, Reg Rd);
bool REV_64(Translator& t, Reg Rn, Reg Rd);
bool CLZ_int(Translator& t, bool sf, Reg Rn, Reg Rd);
bool CLS_int(Translator& t, bool sf, Reg Rn, Reg Rd);
bool CTZ_int(Translator& t, bool sf, Reg Rn, Reg Rd);
bool CNT_int(Translator& t, bool sf, Reg Rn, Reg Rd);
bool ABS_int(Translator& t, bool sf, Reg Rn, Reg Rd);
bool AND_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd);
bool BIC_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd);
bool ORR_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd);
bool ORN_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd);
bool EOR_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd);
bool EON_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd);
bool ANDS_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd);
bool BICS_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd);
bool ADD_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd);
bool ADDS_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd);
bool SUB_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd);
bool SUBS_shift(Translator& t, bool sf, Imm<2> shift, Reg Rm, Imm<6> imm6, Reg Rn, Reg Rd);
bool ADD_ext(Translator& t, bool sf, Reg Rm, Imm<3> option, Imm<3> imm3, Reg Rn, Reg Rd);
bool ADDS_ext(Translator& t, bool sf, Reg Rm, Imm<3> option, Imm<3> imm3, Reg Rn, Reg Rd);
bool SUB_ext(Translator& t, bool sf, Reg Rm, Imm<3> option, Imm<3> imm3, Reg Rn, Reg Rd);
bool SUBS_ext(Translator& t, bool sf, Reg Rm, Imm<3> option, Imm<3> imm3, Reg Rn, Reg Rd);
bool ADC(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd);
bool ADCS(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd);
bool SBC(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd);
bool SBCS(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd);
bool RMIF(Translator& t, Imm<6> imm6, Reg Rn, Imm<4> mask);
bool SETF(Translator& t, bool sz, Reg Rn);
bool CCMN_reg(Translator& t, bool sf, Reg Rm, Cond cond, Reg Rn, Imm<4> nzcv);
bool CCMP_reg(Translator& t, bool sf, Reg Rm, Cond cond, Reg Rn, Imm<4> nzcv);
bool CCMN_imm(Translator& t, bool sf, Imm<5> imm5, Cond cond, Reg Rn, Imm<4> nzcv);
bool CCMP_imm(Translator& t, bool sf, Imm<5> imm5, Cond cond, Reg Rn, Imm<4> nzcv);
bool CSEL(Translator& t, bool sf, Reg Rm, Cond cond, Reg Rn, Reg Rd);
bool CSINC(Translator& t, bool sf, Reg Rm, Cond cond, Reg Rn, Reg Rd);
bool CSINV(Translator& t, bool sf, Reg Rm, Cond cond, Reg Rn, Reg Rd);
bool CSNEG(Translator& t, bool sf, Reg Rm, Cond cond, Reg Rn, Reg Rd);
bool MADD(Translator& t, bool sf, Reg Rm, Reg Ra, Reg Rn, Reg Rd);
bool MSUB(Translator& t, bool sf, Reg Rm, Reg Ra, Reg Rn, Reg Rd);
bool SMADDL(Translator& t, Reg Rm, Reg Ra, Reg Rn, Reg Rd);
bool SMSUBL(Translator& t, Reg Rm, Reg Ra, Reg Rn, Reg Rd);
bool SMULH(Translator& t, Reg Rm, Reg Rn, Reg Rd);
bool UMADDL(Translator& t, Reg Rm, Reg Ra, Reg Rn, Reg Rd);
bool UMSUBL(Translator& t, Reg Rm, Reg Ra, Reg Rn, Reg Rd);
bool UMULH(Translator& t, Reg Rm, Reg Rn, Reg Rd);

// --- Loads and stores (C4.1.94)
bool LD_ST_multiple(Translator& t, bool Q, bool L, Imm<4> opcode, Imm<2> size, Reg Rn, Vec Vt);
bool LD_ST_multiple_post(
    Translator& t, bool Q, bool L, Reg Rm, Imm<4> opcode, Imm<2> size, Reg Rn, Vec Vt);
bool LD_ST_single(
    Translator& t, bool Q, bool L, bool R, Imm<3> opcode, bool S, Imm<2> size, Reg Rn, Vec Vt);
bool LD_ST_single_post(Translator& t,
                       bool Q,
                       bool L,
                       bool R,
                       Reg Rm,
                       Imm<3> opcode,
                       bool S,
                       Imm<2> size,
                       Reg Rn,
                       Vec Vt);
bool STXP(Translator& t, bool sz, Reg Rs, Reg Rt2, Reg Rn, Reg Rt);
bool STLXP(Translator& t, bool sz, Reg Rs, Reg Rt2, Reg Rn, Reg Rt);
bool LDXP(Translator& t, bool sz, Reg Rt2, Reg Rn, Reg Rt);
bool LDAXP(Translator& t, bool sz, Reg Rt2, Reg Rn, Reg Rt);
bool STXR(Translator& t, Imm<2> size, Reg Rs, Reg Rn, Reg Rt);
bool STLXR(Translator& t, Imm<2> size, Reg Rs, Reg Rn, Reg Rt);
bool LDXR(Translator& t, Imm<2> size, Reg Rn, Reg Rt);
bool LDAXR(Translator& t, Imm<2> size, Reg Rn, Reg Rt);
bool STLLR(Translator& t, Imm<2> size, Reg Rn, Reg Rt);
bool STLR(Translator& t, Imm<2> size, Reg Rn, Reg Rt);
bool LDLAR(Translator& t, Imm<2> size, Reg Rn, Reg Rt);
bool LDAR(Translator& t, Imm<2> size, Reg Rn, Reg Rt);
bool LDAPR(Translator& t, Imm<2> size, Reg Rn, Reg Rt);
bool CPYFP(Translator& t, Reg Rs, Reg Rn, Reg Rd);
bool CPYFM(Translator& t, Reg Rs, Imm<4> op2, Reg Rn, Reg Rd);
bool CPYFE(Translator& t, Reg Rs, Imm<4> op2, Reg Rn, Reg Rd);
bool SETP(Translator& t, Reg Rs, Reg Rn, Reg Rd);
bool SETGP(Translator& t, Reg Rs, Reg Rn, Reg Rd);
bool SETGM(Translator& t, Reg Rs, Imm<2> options, Reg Rn, Reg Rd);
bool SETGE(Translator& t, Reg Rs, Imm<2> options, Reg Rn, Reg Rd);
bool SETM(Translator& t, Reg Rs, Imm<2> options, Reg Rn, Reg Rd);
bool SETE(Translator& t, Reg Rs, Imm<2> options, Reg Rn, Reg Rd);
bool CPYP(Translator& t, Reg Rs, Reg Rn, Reg Rd);
bool CPYM(Translator& t, Reg Rs, Imm<4> op2, Reg Rn, Reg Rd);
bool CPYE(Translator& t, Reg Rs, Imm<4> op2, Reg Rn, Reg Rd);
bool LDRA(Translator& t, bool M, bool S, Imm<9> imm9, bool W, Reg Rn, Reg Rt);
bool STLUR(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt);
bool LDAPUR(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt);
bool LDAPURS_64(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt);
bool LDAPURS_32(Translator& t, bool size, Imm<9> imm9, Reg Rn, Reg Rt);
bool CAS(Translator& t, Imm<2> size, bool L, Reg Rs, bool o0, Reg Rn, Reg Rt);
bool CASP(Translator& t, bool sz, bool L, Reg Rs, bool o0, Reg Rn, Reg Rt);
bool LDADD(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt);
bool LDCLR(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt);
bool LDEOR(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt);
bool LDSET(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt);
bool LDSMAX(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt);
bool LDSMIN(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt);
bool LDUMAX(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt);
bool LDUMIN(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt);
bool SWP(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt);
bool LDR_lit(Translator& t, bool opc, Imm<19> imm19, Reg Rt);
bool LDRSW_lit(Translator& t, Imm<19> imm19, Reg Rt);
bool PRFM_lit(Translator& t, Imm<19> imm19, Reg Rt);
bool LDR_lit_v(Translator& t, Imm<2> opc, Imm<19> imm19, Vec Vt);
bool STNP(Translator& t, bool opc, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt);
bool LDNP(Translator& t, bool opc, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt);
bool STP_post(Translator& t, bool opc, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt);
bool LDP_post(Translator& t, bool opc, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt);
bool STP_off(Translator& t, bool opc, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt);
bool LDP_off(Translator& t, bool opc, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt);
bool STP_pre(Translator& t, bool opc, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt);
bool LDP_pre(Translator& t, bool opc, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt);
bool LDPSW_post(Translator& t, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt);
bool LDPSW_off(Translator& t, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt);
bool LDPSW_pre(Translator& t, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt);
bool STNP_v(Translator& t, Imm<2> opc, Imm<7> imm7, Vec Vt2, Reg Rn, Vec Vt);
bool LDNP_v(Translator& t, Imm<2> opc, Imm<7> imm7, Vec Vt2, Reg Rn, Vec Vt);
bool STP_post_v(Translator& t, Imm<2> opc, Imm<7> imm7, Vec Vt2, Reg Rn, Vec Vt);
bool LDP_post_v(Translator& t, Imm<2> opc, Imm<7> imm7, Vec Vt2, Reg Rn, Vec Vt);
bool STP_off_v(Translator& t, Imm<2> opc, Imm<7> imm7, Vec Vt2, Reg Rn, Vec Vt);
bool LDP_off_v(Translator& t, Imm<2> opc, Imm<7> imm7, Vec Vt2, Reg Rn, Vec Vt);
bool STP_pre_v(Translator& t, Imm<2> opc, Imm<7> imm7, Vec Vt2, Reg Rn, Vec Vt);
bool LDP_pre_v(Translator& t, Imm<2> opc, Imm<7> imm7, Vec Vt2, Reg Rn, Vec Vt);
bool STUR(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt);
bool LDUR(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt);
bool LDURS_64(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt);
bool LDURS_32(Translator& t, bool size, Imm<9> imm9, Reg Rn, Reg Rt);
bool PRFUM(Translator& t, Imm<9> imm9, Reg Rn, Reg Rt);
bool STUR_v(Translator& t, Imm<2> size, bool q, Imm<9> imm9, Reg Rn, Vec Vt);
bool LDUR_v(Translator& t, Imm<2> size, bool q, Imm<9> imm9, Reg Rn, Vec Vt);
bool STR_post(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt);
bool LDR_post(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt);
bool LDRS_post_64(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt);
bool LDRS_post_32(Translator& t, bool size, Imm<9> imm9, Reg Rn, Reg Rt);
bool STR_post_v(Translator& t, Imm<2> size, bool q, Imm<9> imm9, Reg Rn, Vec Vt);
bool LDR_post_v(Translator& t, Imm<2> size, bool q, Imm<9> imm9, Reg Rn, Vec Vt);
bool STTR(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt);
bool LDTR(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt);
bool LDTRS_64(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt);
bool LDTRS_32(Translator& t, bool size, Imm<9> imm9, Reg Rn, Reg Rt);
bool STR_pre(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt);
bool LDR_pre(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt);
bool LDRS_pre_64(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt);
bool LDRS_pre_32(Translator& t, bool size, Imm<9> imm9, Reg Rn, Reg Rt);
bool STR_pre_v(Translator& t, Imm<2> size, bool q, Imm<9> imm9, Reg Rn, Vec Vt);
bool LDR_pre_v(Translator& t, Imm<2> size, bool q, Imm<9> imm9, Reg Rn, Vec Vt);
bool STR_reg(Translator& t, Imm<2> size, Reg Rm, Imm<3> option, bool S, Reg Rn, Reg Rt);
bool LDR_reg(Translator& t, Imm<2> size, Reg Rm, Imm<3> option, bool S, Reg Rn, Reg Rt);
bool LDRS_reg_64(Translator& t, Imm<2> size, Reg Rm, Imm<3> option, bool S, Reg Rn, Reg Rt);
bool LDRS_reg_32(Translator& t, bool size, Reg Rm, Imm<3> option, bool S, Reg Rn, Reg Rt);
bool PRFM_reg(Translator& t, Reg Rm, Imm<3> option, bool S, Reg Rn, Reg Rt);
bool STR_reg_v(Translator& t, Imm<2> size, bool q, Reg Rm, Imm<3> option, bool S, Reg Rn, Vec Vt);
bool LDR_reg_v(Translator& t, Imm<2> size, bool q, Reg Rm, Imm<3> option, bool S, Reg Rn, Vec Vt);
bool STR_imm(Translator& t, Imm<2> size, Imm<12> imm12, Reg Rn, Reg Rt);
bool LDR_imm(Translator& t, Imm<2> size, Imm<12> imm12, Reg Rn, Reg Rt);
bool LDRS_imm_64(Translator& t, Imm<2> size, Imm<12> imm12, Reg Rn, Reg Rt);
bool LDRS_imm_32(Translator& t, bool size, Imm<12> imm12, Reg Rn, Reg Rt);
bool PRFM_imm(Translator& t, Imm<12> imm12, Reg Rn, Reg Rt);
bool STR_imm_v(Translator& t, Imm<2> size, bool q, Imm<12> imm12, Reg Rn, Vec Vt);
bool LDR_imm_v(Translator& t, Imm<2> size, bool q, Imm<12> imm12, Reg Rn, Vec Vt);

// --- memory_tags.cpp
bool ADDG(Translator& t, Imm<6> uimm6, Imm<4> uimm4, Reg Rn, Reg Rd);
bool SUBG(Translator& t, Imm<6> uimm6, Imm<4> uimm4, Reg Rn, Reg Rd);
bool SUBP(Translator& t, Reg Rm, Reg Rn, Reg Rd);
bool SUBPS(Translator& t, Reg Rm, Reg Rn, Reg Rd);
bool IRG(Translator& t, Reg Rm, Reg Rn, Reg Rd);
bool GMI(Translator& t, Reg Rm, Reg Rn, Reg Rd);
bool STG(Translator& t, Imm<9> imm9, Imm<2> op2, Reg Rn, Reg Rt);
bool STZG(Translator& t, Imm<9> imm9, Imm<2> op2, Reg Rn, Reg Rt);
bool ST2G(Translator& t, Imm<9> imm9, Imm<2> op2, Reg Rn, Reg Rt);
bool STZ2G(Translator& t, Imm<9> imm9, Imm<2> op2, Reg Rn, Reg Rt);
bool LDG(Translator& t, Imm<9> imm9, Reg Rn, Reg Rt);
bool STGP_post(Translator& t, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt);
bool STGP_off(Translator& t, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt);
bool STGP_pre(Translator& t, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt);
bool DC_GVA(Translator& t, Reg Rt);
bool DC_GZVA(Translator& t, Reg Rt);
bool DC_tags(Translator& t, Imm<4> CRm, Reg Rt);
bool DC_tags_data(Translator& t, Imm<4> CRm, Reg Rt);
bool MSR_TCO(Translator& t, Imm<4> CRm);

} // namespace ulna::frontend
