// Advanced SIMD two-register miscellaneous, vector and scalar.

#include "frontend/a64/translate/handlers_simd.h"
#include "frontend/a64/translate/simd_common.h"

namespace ulna::frontend {

namespace {

bool reverse(Translator& t, Lanes lanes, u64 container_bytes, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VRev, lanes, Rn, Rd, container_bytes);
}

enum PairSum : bool { kReplace, kAccumulate };

// SADDLP, SADALP and the unsigned forms.
bool add_long_pairs(
    Translator& t, Opcode op, bool Q, Imm<2> size, Vec Rn, Vec Rd, PairSum pair_sum) {
    if (size == 3u) {
        return t.reserved();
    }
    const Shape wide = vector_shape({size.v + 1}, Q);
    const Value sum = t.b.vec(op, wide, {t.V(Rn)});
    t.set_V(Rd, pair_sum == kReplace ? sum : t.b.vec(Opcode::VAdd, wide, {t.V(Rd), sum}));
    return true;
}

bool compare_zero(Translator& t, Opcode op, Lanes lanes, Vec Rn, Vec Rd) {
    if (!lanes) {
        return t.reserved();
    }
    t.set_V(Rd, t.b.vec(op, *lanes, {t.V(Rn), t.b.vzero()}));
    return true;
}

// a < 0 as 0 > a.
bool compare_zero_swapped(Translator& t, Opcode op, Lanes lanes, Vec Rn, Vec Rd) {
    if (!lanes) {
        return t.reserved();
    }
    t.set_V(Rd, t.b.vec(op, *lanes, {t.b.vzero(), t.V(Rn)}));
    return true;
}

bool narrow(Translator& t, Opcode op, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    if (size == 3u) {
        return t.reserved();
    }
    set_part(t, Rd, Q, t.b.vec(op, vector_shape(size, false), {t.V(Rn)}));
    return true;
}

bool shift_left_long(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    if (size == 3u) {
        return t.reserved();
    }
    const Shape wide = vector_shape({size.v + 1}, true);
    const Value extended = t.b.vec(Opcode::VUxtl, wide, {part(t, Rn, Q)});
    t.set_V(Rd, t.b.vec(Opcode::VShl, wide, {extended}, wide.lane_bits() / 2));
    return true;
}

} // namespace

// --- Advanced SIMD two-register miscellaneous

bool REV64_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return reverse(t, lanes_bhs(size, Q), 8, Rn, Rd);
}

bool REV16_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return reverse(t, lanes_b(size, Q), 2, Rn, Rd);
}

bool REV32_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return reverse(t, lanes_bh(size, Q), 4, Rn, Rd);
}

bool SADDLP_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return add_long_pairs(t, Opcode::VSAddlP, Q, size, Rn, Rd, kReplace);
}

bool UADDLP_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return add_long_pairs(t, Opcode::VUAddlP, Q, size, Rn, Rd, kReplace);
}

bool SADALP_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return add_long_pairs(t, Opcode::VSAddlP, Q, size, Rn, Rd, kAccumulate);
}

bool UADALP_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return add_long_pairs(t, Opcode::VUAddlP, Q, size, Rn, Rd, kAccumulate);
}

bool SUQADD_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSUQAdd, lanes_bhsd(size, Q), Rn, Rd, Rd);
}

bool USQADD_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUSQAdd, lanes_bhsd(size, Q), Rn, Rd, Rd);
}

bool CLS_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VCls, lanes_bhs(size, Q), Rn, Rd);
}

bool CLZ_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VClz, lanes_bhs(size, Q), Rn, Rd);
}

bool CNT_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VCnt, lanes_b(size, Q), Rn, Rd);
}

bool SQABS_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VSQAbs, lanes_bhsd(size, Q), Rn, Rd);
}

bool SQNEG_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VSQNeg, lanes_bhsd(size, Q), Rn, Rd);
}

bool ABS_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VAbs, lanes_bhsd(size, Q), Rn, Rd);
}

bool NEG_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VNeg, lanes_bhsd(size, Q), Rn, Rd);
}

bool CMGT_zero_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return compare_zero(t, Opcode::VCmGt, lanes_bhsd(size, Q), Rn, Rd);
}

bool CMEQ_zero_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return compare_zero(t, Opcode::VCmEq, lanes_bhsd(size, Q), Rn, Rd);
}

bool CMLT_zero_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return compare_zero_swapped(t, Opcode::VCmGt, lanes_bhsd(size, Q), Rn, Rd);
}

bool CMGE_zero_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return compare_zero(t, Opcode::VCmGe, lanes_bhsd(size, Q), Rn, Rd);
}

bool CMLE_zero_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return compare_zero_swapped(t, Opcode::VCmGe, lanes_bhsd(size, Q), Rn, Rd);
}

bool XTN_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return narrow(t, Opcode::VXtn, Q, size, Rn, Rd);
}

bool SQXTN_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return narrow(t, Opcode::VSQXtn, Q, size, Rn, Rd);
}

bool SQXTUN_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return narrow(t, Opcode::VSQXtun, Q, size, Rn, Rd);
}

bool UQXTN_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return narrow(t, Opcode::VUQXtn, Q, size, Rn, Rd);
}

bool SHLL_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return shift_left_long(t, Q, size, Rn, Rd);
}

bool NOT_vec(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VNot, register_bytes(Q), Rn, Rd);
}

bool RBIT_vec(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VRbit, register_bytes(Q), Rn, Rd);
}

bool URECPE_vec(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VURecpE, vector_shape({2}, Q), Rn, Rd);
}

bool URSQRTE_vec(Translator& t, bool Q, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VURSqrtE, vector_shape({2}, Q), Rn, Rd);
}

// --- Advanced SIMD scalar two-register miscellaneous

bool SUQADD_scalar(Translator& t, Imm<2> size, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VSUQAdd, scalar_bhsd(size), Rn, Rd, Rd);
}

bool USQADD_scalar(Translator& t, Imm<2> size, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUSQAdd, scalar_bhsd(size), Rn, Rd, Rd);
}

bool SQABS_scalar(Translator& t, Imm<2> size, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VSQAbs, scalar_bhsd(size), Rn, Rd);
}

bool SQNEG_scalar(Translator& t, Imm<2> size, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VSQNeg, scalar_bhsd(size), Rn, Rd);
}

bool ABS_scalar(Translator& t, Imm<2> size, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VAbs, scalar_d(size), Rn, Rd);
}

bool NEG_scalar(Translator& t, Imm<2> size, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VNeg, scalar_d(size), Rn, Rd);
}

bool CMGT_zero_scalar(Translator& t, Imm<2> size, Vec Rn, Vec Rd) {
    return compare_zero(t, Opcode::VCmGt, scalar_d(size), Rn, Rd);
}

bool CMEQ_zero_scalar(Translator& t, Imm<2> size, Vec Rn, Vec Rd) {
    return compare_zero(t, Opcode::VCmEq, scalar_d(size), Rn, Rd);
}

bool CMLT_zero_scalar(Translator& t, Imm<2> size, Vec Rn, Vec Rd) {
    return compare_zero_swapped(t, Opcode::VCmGt, scalar_d(size), Rn, Rd);
}

bool CMGE_zero_scalar(Translator& t, Imm<2> size, Vec Rn, Vec Rd) {
    return compare_zero(t, Opcode::VCmGe, scalar_d(size), Rn, Rd);
}

bool CMLE_zero_scalar(Translator& t, Imm<2> size, Vec Rn, Vec Rd) {
    return compare_zero_swapped(t, Opcode::VCmGe, scalar_d(size), Rn, Rd);
}

bool SQXTN_scalar(Translator& t, Imm<2> size, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VSQXtn, scalar_bhs(size), Rn, Rd);
}

bool SQXTUN_scalar(Translator& t, Imm<2> size, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VSQXtun, scalar_bhs(size), Rn, Rd);
}

bool UQXTN_scalar(Translator& t, Imm<2> size, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VUQXtn, scalar_bhs(size), Rn, Rd);
}

} // namespace ulna::frontend
