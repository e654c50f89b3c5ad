// Advanced SIMD permute, extract and table lookup.

#include "frontend/a64/translate/handlers_simd.h"
#include "frontend/a64/translate/simd_common.h"

namespace ulna::frontend {

// --- Advanced SIMD extract, table lookup

bool EXT_vec(Translator& t, bool Q, Vec Rm, Imm<4> imm4, Vec Rn, Vec Rd) {
    if (!Q && imm4.bit(3)) {
        return t.reserved();
    }
    return three_same(t, Opcode::VExt, register_bytes(Q), Rm, Rn, Rd, imm4.zext());
}

namespace {

// VTbl looks up two table registers at most. For registers three and four the indices are lowered
// by 32: those that the first lookup served become larger than any table, and keep its result.
bool table_lookup(Translator& t, bool Q, Vec Rm, Imm<2> len, Vec Rn, Vec Rd, Value fallback) {
    const Shape shape = register_bytes(Q);
    const unsigned registers = len.v + 1;
    Value indices = t.V(Rm);
    Value result = fallback;
    for (unsigned n = 0; n < registers; n += 2) {
        if (n > 0) {
            indices = t.b.vec(Opcode::VSub, shape, {indices, t.b.vconst(shape, replicate(32, 8))});
        }
        const Value table = t.V(Rn + n);
        result = registers - n == 1
                     ? t.b.vec(Opcode::VTbl, shape, {result, indices, table}, 1)
                     : t.b.vec(Opcode::VTbl, shape, {result, indices, table, t.V(Rn + (n + 1))}, 2);
    }
    t.set_V(Rd, result);
    return true;
}

} // namespace

bool TBL(Translator& t, bool Q, Vec Rm, Imm<2> len, Vec Rn, Vec Rd) {
    return table_lookup(t, Q, Rm, len, Rn, Rd, t.b.vzero());
}
bool TBX(Translator& t, bool Q, Vec Rm, Imm<2> len, Vec Rn, Vec Rd) {
    return table_lookup(t, Q, Rm, len, Rn, Rd, t.V(Rd));
}

// --- Advanced SIMD permute

bool UZP1_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUzp1, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool TRN1_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VTrn1, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool ZIP1_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VZip1, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool UZP2_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VUzp2, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool TRN2_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VTrn2, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

bool ZIP2_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return three_same(t, Opcode::VZip2, lanes_bhsd(size, Q), Rm, Rn, Rd);
}

} // namespace ulna::frontend
