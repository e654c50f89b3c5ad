// Cryptographic three-register SHA512 and four-register SHA3 instructions. They are lifted to
// ordinary operations: no host has better ones.

#include "frontend/a64/translate/handlers_simd.h"
#include "frontend/a64/translate/simd_common.h"

namespace ulna::frontend {

namespace {

[[nodiscard]] Value doubleword(Translator& t, Value vector, unsigned lane) {
    return t.b.vget(vector, shape::D2, lane, Type::I64);
}

// --- scalar: SHA512H and SHA512H2, whose second lane depends on the first

struct Rotations {
    unsigned a, b, c;
};
[[nodiscard]] Value sigma(Translator& t, Value x, Rotations r) {
    const auto ror = [&](unsigned n) { return t.b.ror(x, t.b.c64(n)); };
    return t.b.xor_(t.b.xor_(ror(r.a), ror(r.b)), ror(r.c));
}
[[nodiscard]] Value choose(Translator& t, Value x, Value y, Value z) {
    return t.b.xor_(t.b.and_(x, y), t.b.andnot(z, x));
}
[[nodiscard]] Value majority(Translator& t, Value x, Value y, Value z) {
    return t.b.or_(t.b.and_(x, y), t.b.and_(t.b.or_(x, y), z));
}
[[nodiscard]] Value add3(Translator& t, Value x, Value y, Value z) {
    return t.b.add(t.b.add(x, y), z);
}

// --- vector

[[nodiscard]] Value shift(Translator& t, Opcode op, Value x, unsigned n) {
    return t.b.vec(op, shape::D2, {x}, n);
}
[[nodiscard]] Value exclusive_or(Translator& t, Value x, Value y) {
    return t.b.vec(Opcode::VXor, shape::B16, {x, y});
}
[[nodiscard]] Value rotate_right(Translator& t, Value x, unsigned n) {
    return n == 0 ? x
                  : t.b.vec(Opcode::VOr, shape::B16,
                            {shift(t, Opcode::VUShr, x, n), shift(t, Opcode::VShl, x, 64 - n)});
}
// The schedule's sigma: two rotations and a shift.
[[nodiscard]] Value schedule_sigma(Translator& t, Value x, Rotations r) {
    const Value rotations = exclusive_or(t, rotate_right(t, x, r.a), rotate_right(t, x, r.b));
    return exclusive_or(t, rotations, shift(t, Opcode::VUShr, x, r.c));
}
[[nodiscard]] Value add(Translator& t, Value x, Value y) {
    return t.b.vec(Opcode::VAdd, shape::D2, {x, y});
}

} // namespace

// --- SHA512

bool SHA512H(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    constexpr Rotations kSigma1{14, 18, 41};
    const Value X = t.V(Rn), Y = t.V(Rm), W = t.V(Rd);
    const Value x0 = doubleword(t, X, 0), x1 = doubleword(t, X, 1);
    const Value y0 = doubleword(t, Y, 0), y1 = doubleword(t, Y, 1);
    const Value high = add3(t, choose(t, y1, x0, x1), sigma(t, y1, kSigma1), doubleword(t, W, 1));
    const Value tmp = t.b.add(high, y0);
    const Value low = add3(t, choose(t, tmp, y1, x0), sigma(t, tmp, kSigma1), doubleword(t, W, 0));
    t.set_V(Rd, t.b.vpair(low, high));
    return true;
}

bool SHA512H2(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    constexpr Rotations kSigma0{28, 34, 39};
    const Value X = t.V(Rn), Y = t.V(Rm), W = t.V(Rd);
    const Value x0 = doubleword(t, X, 0);
    const Value y0 = doubleword(t, Y, 0), y1 = doubleword(t, Y, 1);
    const Value high = add3(t, majority(t, x0, y1, y0), sigma(t, y0, kSigma0), doubleword(t, W, 1));
    const Value low =
        add3(t, majority(t, high, y0, y1), sigma(t, high, kSigma0), doubleword(t, W, 0));
    t.set_V(Rd, t.b.vpair(low, high));
    return true;
}

// Lane i takes the sigma of lane i + 1 of Vn:Vd.
bool SHA512SU0(Translator& t, Vec Rn, Vec Rd) {
    const Value W = t.V(Rd);
    const Value next = t.b.vec(Opcode::VExt, shape::B16, {W, t.V(Rn)}, 8);
    t.set_V(Rd, add(t, W, schedule_sigma(t, next, {1, 8, 7})));
    return true;
}

bool SHA512SU1(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    const Value sigma1 = schedule_sigma(t, t.V(Rn), {19, 61, 6});
    t.set_V(Rd, add(t, add(t, t.V(Rd), sigma1), t.V(Rm)));
    return true;
}

// --- SHA3

bool EOR3(Translator& t, Vec Rm, Vec Ra, Vec Rn, Vec Rd) {
    t.set_V(Rd, exclusive_or(t, exclusive_or(t, t.V(Rn), t.V(Rm)), t.V(Ra)));
    return true;
}

bool BCAX(Translator& t, Vec Rm, Vec Ra, Vec Rn, Vec Rd) {
    const Value cleared = t.b.vec(Opcode::VBic, shape::B16, {t.V(Rm), t.V(Ra)});
    t.set_V(Rd, exclusive_or(t, t.V(Rn), cleared));
    return true;
}

bool RAX1(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    t.set_V(Rd, exclusive_or(t, t.V(Rn), rotate_right(t, t.V(Rm), 63)));
    return true;
}

bool XAR(Translator& t, Vec Rm, Imm<6> imm6, Vec Rn, Vec Rd) {
    t.set_V(Rd, rotate_right(t, exclusive_or(t, t.V(Rn), t.V(Rm)), imm6.v));
    return true;
}

} // namespace ulna::frontend
