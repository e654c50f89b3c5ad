// Scalar conversions between FP formats and between FP and integers (DDI 0487 C4.1.96).
#include "frontend/a64/translate/fp_common.h"
#include "frontend/a64/translate/handlers_fp.h"

namespace ulna::frontend {

using ir::FixedInfo;

namespace {
bool to_int(Translator& t, FixedInfo info, bool sf, Imm<2> ftype, Vec Rn, Reg Rd) {
    const auto type = arithmetic_type(t, ftype);
    if (!type) {
        return t.unallocated();
    }
    t.set_X(Rd, t.b.emit(Opcode::FCvtToInt, gpr(sf), {t.F(*type, Rn)}, static_cast<u16>(*type),
                         info.pack()));
    return true;
}

bool from_int(Translator& t, FixedInfo info, bool sf, Imm<2> ftype, Reg Rn, Vec Rd) {
    const auto type = arithmetic_type(t, ftype);
    if (!type) {
        return t.unallocated();
    }
    const Value operand = t.X(gpr(sf), Rn);
    t.set_F(Rd,
            t.b.emit(Opcode::FCvtFromInt, *type, {operand}, static_cast<u16>(gpr(sf)), info.pack()),
            Rd);
    return true;
}

// A W register has at most 32 fraction bits.
[[nodiscard]] bool reserved_scale(bool sf, Imm<6> scale) { return !sf && !scale.bit(5); }
[[nodiscard]] u8 fraction_bits(Imm<6> scale) { return static_cast<u8>(64 - scale.v); }
} // namespace

bool FCVT_to_int(Translator& t, bool sf, Imm<2> ftype, Imm<2> rmode, bool U, Vec Rn, Reg Rd) {
    const Rounding rounding = static_cast<Rounding>(rmode.v); // FPDecodeRounding
    return to_int(t, {0, !U, rounding}, sf, ftype, Rn, Rd);
}
bool FCVTA_to_int(Translator& t, bool sf, Imm<2> ftype, bool U, Vec Rn, Reg Rd) {
    return to_int(t, {0, !U, Rounding::TieAway}, sf, ftype, Rn, Rd);
}
bool CVTF_from_int(Translator& t, bool sf, Imm<2> ftype, bool U, Reg Rn, Vec Rd) {
    return from_int(t, {0, !U, Rounding::Current}, sf, ftype, Rn, Rd);
}

bool FCVTZ_to_fixed(Translator& t, bool sf, Imm<2> ftype, bool U, Imm<6> scale, Vec Rn, Reg Rd) {
    if (reserved_scale(sf, scale)) {
        return t.unallocated();
    }
    return to_int(t, {fraction_bits(scale), !U, Rounding::Zero}, sf, ftype, Rn, Rd);
}
bool CVTF_from_fixed(Translator& t, bool sf, Imm<2> ftype, bool U, Imm<6> scale, Reg Rn, Vec Rd) {
    if (reserved_scale(sf, scale)) {
        return t.unallocated();
    }
    return from_int(t, {fraction_bits(scale), !U, Rounding::Current}, sf, ftype, Rn, Rd);
}

bool FCVT(Translator& t, Imm<2> ftype, Imm<2> opc, Vec Rn, Vec Rd) {
    const auto from = fp_type(ftype),
               to = fp_type(opc); // half precision is in the base architecture here
    if (!from || !to || from == to) {
        return t.unallocated();
    }
    const u64 rounding = static_cast<u64>(Rounding::Current);
    t.set_F(Rd, t.b.emit(Opcode::FCvt, *to, {t.F(*from, Rn)}, static_cast<u16>(*from), rounding),
            Rd);
    return true;
}

// PSTATE.<N,Z,C,V> = '0':Z:'00', which the operation has in bits 63:60.
bool FJCVTZS(Translator& t, Vec Rn, Reg Rd) {
    const Value both = t.b.emit(Opcode::FJCvtZs, Type::I64, {t.F(Type::F64, Rn)});
    t.set_nzcv(t.b.nzcv_pack(t.b.trunc(t.b.shr(both, 32), Type::I32)));
    t.set_X(Rd, t.b.trunc(both, Type::I32));
    return true;
}

} // namespace ulna::frontend
