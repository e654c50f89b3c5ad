// Cryptographic AES and SHA instructions. The polynomial multiplies are in simd_three_diff.cpp.

#include "frontend/a64/translate/handlers_simd.h"

namespace ulna::frontend {

namespace {

bool aes_round(Translator& t, Opcode op, Vec Rn, Vec Rd) {
    t.set_V(Rd, t.b.binary(op, t.V(Rd), t.V(Rn)));
    return true;
}
bool aes_mix(Translator& t, Opcode op, Vec Rn, Vec Rd) {
    t.set_V(Rd, t.b.unary(op, t.V(Rn)));
    return true;
}
bool sha_three(Translator& t, Opcode op, Vec Rm, Vec Rn, Vec Rd) {
    t.set_V(Rd, t.b.emit(op, Type::V128, {t.V(Rd), t.V(Rn), t.V(Rm)}));
    return true;
}
bool sha_two(Translator& t, Opcode op, Vec Rn, Vec Rd) {
    t.set_V(Rd, t.b.binary(op, t.V(Rd), t.V(Rn)));
    return true;
}

// The half that `half` takes of the state after four rounds: (a b c d) is VZip2's, (e f g h)
// VZip1's. SHA256H and SHA256H2 come in pairs, which share all but that; and what the next pair
// undoes of it first, passes take out.
bool sha256_rounds(Translator& t, Opcode half, Value abcd, Value efgh, Vec Rm, Vec Rd) {
    const Value schedule = t.V(Rm);
    const auto swapped = [&](Value v) { return t.b.vec(Opcode::VRev, ir::shape::S4, {v}, 8); };
    const auto zip = [&](Opcode op, Value a, Value b) {
        return t.b.vec(op, ir::shape::D2, {a, b});
    };
    const auto two_rounds = [&](Value cdgh, Value abef, u64 words) {
        return t.b.vec(Opcode::Sha256Rnds2, ir::shape::S4, {cdgh, abef, schedule}, words);
    };
    const Value abef = swapped(zip(Opcode::VZip1, efgh, abcd));
    const Value cdgh = swapped(zip(Opcode::VZip2, efgh, abcd));
    const Value middle = two_rounds(cdgh, abef, 0), last = two_rounds(abef, middle, 1);
    t.set_V(Rd, zip(half, swapped(last), swapped(middle)));
    return true;
}
bool sha1_h(Translator& t, Vec Rn, Vec Rd) {
    t.set_V(Rd, t.b.unary(Opcode::Sha1H, t.V(Rn)));
    return true;
}

} // namespace

// --- Cryptographic AES

bool AESE(Translator& t, Vec Rn, Vec Rd) { return aes_round(t, Opcode::AesE, Rn, Rd); }

bool AESD(Translator& t, Vec Rn, Vec Rd) { return aes_round(t, Opcode::AesD, Rn, Rd); }

bool AESMC(Translator& t, Vec Rn, Vec Rd) { return aes_mix(t, Opcode::AesMc, Rn, Rd); }

bool AESIMC(Translator& t, Vec Rn, Vec Rd) { return aes_mix(t, Opcode::AesImc, Rn, Rd); }

// --- Cryptographic three-register SHA

bool SHA1C(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return sha_three(t, Opcode::Sha1C, Rm, Rn, Rd);
}

bool SHA1P(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return sha_three(t, Opcode::Sha1P, Rm, Rn, Rd);
}

bool SHA1M(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return sha_three(t, Opcode::Sha1M, Rm, Rn, Rd);
}

bool SHA1SU0(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return sha_three(t, Opcode::Sha1Su0, Rm, Rn, Rd);
}

bool SHA256H(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return sha256_rounds(t, Opcode::VZip2, t.V(Rd), t.V(Rn), Rm, Rd);
}

bool SHA256H2(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return sha256_rounds(t, Opcode::VZip1, t.V(Rn), t.V(Rd), Rm, Rd);
}

bool SHA256SU1(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return sha_three(t, Opcode::Sha256Su1, Rm, Rn, Rd);
}

// --- Cryptographic two-register SHA

bool SHA1H(Translator& t, Vec Rn, Vec Rd) { return sha1_h(t, Rn, Rd); }

bool SHA1SU1(Translator& t, Vec Rn, Vec Rd) { return sha_two(t, Opcode::Sha1Su1, Rn, Rd); }

bool SHA256SU0(Translator& t, Vec Rn, Vec Rd) { return sha_two(t, Opcode::Sha256Su0, Rn, Rd); }

} // namespace ulna::frontend
