// Flag manipulation (FEAT_FlagM, FEAT_FlagM2). NZCV as a word: N 31, Z 30, C 29, V 28.
#include "frontend/a64/translate/handlers_base.h"

namespace ulna::frontend {

namespace {
constexpr u32 kN = 1u << 31, kZ = 1u << 30, kC = 1u << 29, kV = 1u << 28;

Value flags_word(Translator& t) { return t.b.nzcv_unpack(t.nzcv()); }
bool write(Translator& t, Value word) {
    t.set_nzcv(t.b.nzcv_pack(word));
    return true;
}
// The bits of `value`, which its type says the width of, that are in `mask`.
Value only(Translator& t, Value value, u32 mask) { return t.b.and_(value, t.b.c32(mask)); }
} // namespace

bool RMIF(Translator& t, Imm<6> imm6, Reg Rn, Imm<4> mask) {
    const Value X = t.X(Type::I64, Rn);
    const Value rotated = t.b.ror(X, t.b.c64(imm6.zext()));
    const Value nzcv = t.b.shl(t.b.trunc(rotated, Type::I32), 28);
    if (mask == 15) {
        return write(t, nzcv);
    }
    const u32 written = mask.v << 28;
    return write(t, t.b.or_(only(t, nzcv, written), only(t, flags_word(t), ~written)));
}

// SETF8, SETF16: N, Z and V of the low bits as a result; C stays.
bool SETF(Translator& t, bool sz, Reg Rn) {
    const unsigned msb = sz ? 15 : 7;
    const Value W = t.X(Type::I32, Rn);
    const Value top = t.b.shl(W, 31 - msb);
    const Value N = only(t, top, kN);
    const Value Z = t.b.shl(t.b.zext(t.b.icmp(Cond::EQ, top, t.b.c32(0)), Type::I32), 30);
    const Value C = only(t, flags_word(t), kC);
    const Value V = only(t, t.b.shl(t.b.xor_(W, t.b.shr(W, 1)), 28 - msb), kV);
    return write(t, t.b.or_(t.b.or_(N, Z), t.b.or_(C, V)));
}

bool CFINV(Translator& t) { return write(t, t.b.xor_(flags_word(t), t.b.c32(kC))); }

// From Arm's flags of an FP compare to those of an alternative format, and back.
bool AXFLAG(Translator& t) {
    const Value f = flags_word(t);
    const Value Z = only(t, t.b.or_(f, t.b.shl(f, 2)), kZ);    // Z or V
    const Value C = only(t, t.b.andnot(f, t.b.shl(f, 1)), kC); // C and not V
    return write(t, t.b.or_(Z, C));
}
bool XAFLAG(Translator& t) {
    const Value f = flags_word(t);
    const Value z_at_c = t.b.shr(f, 1);
    const Value either = t.b.or_(f, z_at_c); // bit 29: C or Z
    const Value N = only(t, t.b.shl(t.b.not_(either), 2), kN);
    const Value Z = only(t, t.b.and_(f, t.b.shl(f, 1)), kZ);
    const Value C = only(t, either, kC);
    const Value V = only(t, t.b.shr(t.b.andnot(z_at_c, f), 1), kV); // Z and not C
    return write(t, t.b.or_(t.b.or_(N, Z), t.b.or_(C, V)));
}

} // namespace ulna::frontend
