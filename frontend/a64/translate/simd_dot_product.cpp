// SDOT and UDOT: each word accumulates the products of its four bytes.

#include "frontend/a64/translate/handlers_simd.h"
#include "frontend/a64/translate/simd_common.h"

namespace ulna::frontend {

namespace {

struct DotProduct {
    Opcode multiply, add_pairs;
};
constexpr DotProduct kSigned{Opcode::VSMull, Opcode::VSAddlP};
constexpr DotProduct kUnsigned{Opcode::VUMull, Opcode::VUAddlP};

// Sums of pairs of products, as words, of one half of the registers.
[[nodiscard]] Value pair_sums(Translator& t, const DotProduct& dot, Value n, Value m) {
    const Value products = t.b.vec(dot.multiply, shape::H8, {n, m});
    return t.b.vec(dot.add_pairs, shape::S4, {products});
}

bool accumulate(Translator& t, const DotProduct& dot, bool Q, Value m, Vec Rn, Vec Rd) {
    const Value n = t.V(Rn);
    const Value low = pair_sums(t, dot, n, m);
    const Value high =
        Q ? pair_sums(t, dot, t.b.unary(Opcode::VHigh, n), t.b.unary(Opcode::VHigh, m)) : low;
    const Value sums = t.b.vec(Opcode::VAddP, shape::S4, {low, high});
    t.set_V(Rd, t.b.vec(Opcode::VAdd, vector_shape({2}, Q), {t.V(Rd), sums}));
    return true;
}

bool vector(Translator& t, const DotProduct& dot, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return size == 2u ? accumulate(t, dot, Q, t.V(Rm), Rn, Rd) : t.reserved();
}

// The four bytes of word H:L of Vm against each word of Vn.
bool by_element(
    Translator& t, const DotProduct& dot, bool Q, unsigned index, Vec Vm, Vec Rn, Vec Rd) {
    const Value m = t.b.vec(Opcode::VDupLane, vector_shape({2}, Q), {t.V(Vm)}, index);
    return accumulate(t, dot, Q, m, Rn, Rd);
}

} // namespace

bool SDOT_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return vector(t, kSigned, Q, size, Rm, Rn, Rd);
}
bool UDOT_vec(Translator& t, bool Q, Imm<2> size, Vec Rm, Vec Rn, Vec Rd) {
    return vector(t, kUnsigned, Q, size, Rm, Rn, Rd);
}
bool SDOT_elem(Translator& t, bool Q, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    return by_element(t, kSigned, Q, concat(H, L).v, Rm, Rn, Rd);
}
bool UDOT_elem(Translator& t, bool Q, bool L, Vec Rm, bool H, Vec Rn, Vec Rd) {
    return by_element(t, kUnsigned, Q, concat(H, L).v, Rm, Rn, Rd);
}

} // namespace ulna::frontend
