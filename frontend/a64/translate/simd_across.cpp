// Advanced SIMD across lanes, and the scalar pairwise add.

#include "frontend/a64/translate/handlers_simd.h"
#include "frontend/a64/translate/simd_common.h"

namespace ulna::frontend {

namespace {

bool across(Translator& t, Opcode op, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    const Shape lanes = vector_shape(size, Q);
    if (size == 3u || lanes == shape::S2) {
        return t.reserved();
    }
    return two_misc(t, op, lanes, Rn, Rd);
}

} // namespace

// --- Advanced SIMD across lanes

bool SADDLV_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return across(t, Opcode::VSAddlV, Q, size, Rn, Rd);
}

bool SMAXV_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return across(t, Opcode::VSMaxV, Q, size, Rn, Rd);
}

bool SMINV_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return across(t, Opcode::VSMinV, Q, size, Rn, Rd);
}

bool ADDV_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return across(t, Opcode::VAddV, Q, size, Rn, Rd);
}

bool UADDLV_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return across(t, Opcode::VUAddlV, Q, size, Rn, Rd);
}

bool UMAXV_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return across(t, Opcode::VUMaxV, Q, size, Rn, Rd);
}

bool UMINV_vec(Translator& t, bool Q, Imm<2> size, Vec Rn, Vec Rd) {
    return across(t, Opcode::VUMinV, Q, size, Rn, Rd);
}

// --- Advanced SIMD scalar pairwise

bool ADDP_pair(Translator& t, Vec Rn, Vec Rd) {
    return two_misc(t, Opcode::VAddV, shape::D2, Rn, Rd);
}

} // namespace ulna::frontend
