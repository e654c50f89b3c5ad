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
    return sha_three(t, Opcode::Sha256H, Rm, Rn, Rd);
}

bool SHA256H2(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return sha_three(t, Opcode::Sha256H2, Rm, Rn, Rd);
}

bool SHA256SU1(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    return sha_three(t, Opcode::Sha256Su1, Rm, Rn, Rd);
}

// --- Cryptographic two-register SHA

bool SHA1H(Translator& t, Vec Rn, Vec Rd) { return sha1_h(t, Rn, Rd); }

bool SHA1SU1(Translator& t, Vec Rn, Vec Rd) { return sha_two(t, Opcode::Sha1Su1, Rn, Rd); }

bool SHA256SU0(Translator& t, Vec Rn, Vec Rd) { return sha_two(t, Opcode::Sha256Su0, Rn, Rd); }

} // namespace ulna::frontend
