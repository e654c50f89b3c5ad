// Advanced SIMD modified immediate.

#include "frontend/a64/translate/handlers_simd.h"
#include "frontend/a64/translate/simd_common.h"

namespace ulna::frontend {

namespace {

// Word (cmode 0xx1) and halfword (cmode 10x1) forms: Vd OR imm, or Vd AND NOT imm when op.
bool combine_immediate(Translator& t, bool Q, bool op, Imm<4> cmode, Imm<8> imm8, Vec Rd) {
    const Shape shape = register_bytes(Q);
    const Value imm = t.b.vconst(shape, adv_simd_expand_imm(op, cmode, imm8));
    t.set_V(Rd, t.b.vec(op ? Opcode::VBic : Opcode::VOr, shape, {t.V(Rd), imm}));
    return true;
}

} // namespace

// op inverts the immediate, except for cmode 1110 where it selects the byte mask of 64 bits.
bool MOVI_MVNI(Translator& t, bool Q, bool op, Imm<3> abc, Imm<4> cmode, Imm<5> defgh, Vec Rd) {
    const u64 imm64 = adv_simd_expand_imm(op, cmode, concat(abc, defgh));
    const bool inverted = op && cmode != 0b1110u;
    t.set_V(Rd, t.b.vconst(register_bytes(Q), inverted ? ~imm64 : imm64));
    return true;
}

bool ORR_BIC_word(Translator& t, bool Q, bool op, Imm<3> abc, Imm<2> amount, Imm<5> defgh, Vec Rd) {
    return combine_immediate(t, Q, op, concat(false, amount, true), concat(abc, defgh), Rd);
}
bool ORR_BIC_half(Translator& t, bool Q, bool op, Imm<3> abc, bool amount, Imm<5> defgh, Vec Rd) {
    return combine_immediate(t, Q, op, concat(true, false, amount, true), concat(abc, defgh), Rd);
}

// op selects double precision, which has no 64-bit form.
bool FMOV_vimm(Translator& t, bool Q, bool op, Imm<3> abc, Imm<5> defgh, Vec Rd) {
    if (op && !Q) {
        return t.reserved();
    }
    const u64 imm64 = adv_simd_expand_imm(op, {0b1111}, concat(abc, defgh));
    t.set_V(Rd, t.b.vconst(register_bytes(Q), imm64));
    return true;
}

bool FMOV_vimm_half(Translator& t, bool Q, Imm<3> abc, Imm<5> defgh, Vec Rd) {
    const u64 imm16 = vfp_expand_imm(16, concat(abc, defgh));
    t.set_V(Rd, t.b.vconst(register_bytes(Q), replicate(imm16, 16)));
    return true;
}

} // namespace ulna::frontend
