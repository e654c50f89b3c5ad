// Common short sequence compression (FEAT_CSSC): minimum, maximum, absolute value, bit counts.
#include "frontend/a64/translate/handlers_base.h"

namespace ulna::frontend {

namespace {
// Rd = a if `cond` holds between a and b, else b.
bool choose(Translator& t, Cond cond, Reg Rd, Value a, Value b) {
    t.set_X(Rd, t.b.select(t.b.icmp(cond, a, b), a, b));
    return true;
}
bool choose_reg(Translator& t, Cond cond, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    return choose(t, cond, Rd, t.X(gpr(sf), Rn), t.X(gpr(sf), Rm));
}
bool choose_imm(Translator& t, Cond cond, bool sf, u64 imm, Reg Rn, Reg Rd) {
    return choose(t, cond, Rd, t.X(gpr(sf), Rn), t.imm(gpr(sf), imm));
}
u64 sext(Imm<8> imm8) { return static_cast<u64>(imm8.sext()); }
} // namespace

bool SMAX_imm(Translator& t, bool sf, Imm<8> imm8, Reg Rn, Reg Rd) {
    return choose_imm(t, Cond::GE, sf, sext(imm8), Rn, Rd);
}
bool UMAX_imm(Translator& t, bool sf, Imm<8> imm8, Reg Rn, Reg Rd) {
    return choose_imm(t, Cond::HS, sf, imm8.zext(), Rn, Rd);
}
bool SMIN_imm(Translator& t, bool sf, Imm<8> imm8, Reg Rn, Reg Rd) {
    return choose_imm(t, Cond::LE, sf, sext(imm8), Rn, Rd);
}
bool UMIN_imm(Translator& t, bool sf, Imm<8> imm8, Reg Rn, Reg Rd) {
    return choose_imm(t, Cond::LS, sf, imm8.zext(), Rn, Rd);
}
bool SMAX_reg(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    return choose_reg(t, Cond::GE, sf, Rm, Rn, Rd);
}
bool UMAX_reg(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    return choose_reg(t, Cond::HS, sf, Rm, Rn, Rd);
}
bool SMIN_reg(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    return choose_reg(t, Cond::LE, sf, Rm, Rn, Rd);
}
bool UMIN_reg(Translator& t, bool sf, Reg Rm, Reg Rn, Reg Rd) {
    return choose_reg(t, Cond::LS, sf, Rm, Rn, Rd);
}

bool CTZ_int(Translator& t, bool sf, Reg Rn, Reg Rd) {
    t.set_X(Rd, t.b.ctz(t.X(gpr(sf), Rn)));
    return true;
}
bool CNT_int(Translator& t, bool sf, Reg Rn, Reg Rd) {
    t.set_X(Rd, t.b.popcnt(t.X(gpr(sf), Rn)));
    return true;
}
bool ABS_int(Translator& t, bool sf, Reg Rn, Reg Rd) {
    const Value value = t.X(gpr(sf), Rn);
    const Value negative = t.b.icmp(Cond::LT, value, t.imm(gpr(sf), 0));
    t.set_X(Rd, t.b.select(negative, t.b.neg(value), value));
    return true;
}

} // namespace ulna::frontend
