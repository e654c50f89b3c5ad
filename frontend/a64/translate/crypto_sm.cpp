// Cryptographic SM3 and SM4 instructions, lifted to ordinary operations but for SM4's S-box.

#include "frontend/a64/translate/handlers_simd.h"
#include "frontend/a64/translate/simd_common.h"

namespace ulna::frontend {

namespace {

// --- words

[[nodiscard]] Value word(Translator& t, Value vector, unsigned lane) {
    return t.b.vget(vector, shape::S4, lane, Type::I32);
}
[[nodiscard]] Value rol(Translator& t, Value x, unsigned n) { return t.b.ror(x, t.b.c32(32 - n)); }
[[nodiscard]] Value xor3(Translator& t, Value x, Value y, Value z) {
    return t.b.xor_(t.b.xor_(x, y), z);
}
[[nodiscard]] Value choose(Translator& t, Value x, Value y, Value z) {
    return t.b.or_(t.b.and_(x, y), t.b.andnot(z, x));
}
[[nodiscard]] Value majority(Translator& t, Value x, Value y, Value z) {
    return t.b.or_(t.b.and_(x, y), t.b.and_(t.b.or_(x, y), z));
}
// Words 1 to 3 of `v` move down; `last` becomes word 3.
[[nodiscard]] Value shift_in(Translator& t, Value v, Value last) {
    const Value moved = t.b.vec(Opcode::VExt, shape::B16, {v, v}, 4);
    return t.b.emit(Opcode::VSetLane, Type::V128, {moved, last}, shape::S4.pack(), 3);
}

// --- vectors of words

[[nodiscard]] Value exclusive_or(Translator& t, Value x, Value y) {
    return t.b.vec(Opcode::VXor, shape::B16, {x, y});
}
[[nodiscard]] Value rotate_left(Translator& t, Value x, unsigned n) {
    return t.b.vec(
        Opcode::VOr, shape::B16,
        {t.b.vec(Opcode::VShl, shape::S4, {x}, n), t.b.vec(Opcode::VUShr, shape::S4, {x}, 32 - n)});
}

// --- SM3: the message expansion's P1, and a round

[[nodiscard]] Value P1(Translator& t, Value x) {
    return exclusive_or(t, exclusive_or(t, x, rotate_left(t, x, 15)), rotate_left(t, x, 23));
}

using Boolean = Value (*)(Translator& t, Value x, Value y, Value z);

// What the TT instructions share: Vd holds four of the state's eight words, the newest in word 3;
// word 1 is rotated as it gets older.
struct Sm3Round {
    Value state, sum; // before the round; function + word 0 + word imm2 of Vm
    unsigned rotation;
};
[[nodiscard]] Value finish_round(Translator& t, const Sm3Round& round, Value newest) {
    const Value moved = shift_in(t, round.state, newest);
    return t.b.emit(Opcode::VSetLane, Type::V128,
                    {moved, rol(t, word(t, round.state, 2), round.rotation)}, shape::S4.pack(), 1);
}
[[nodiscard]] Sm3Round
begin_round(Translator& t, Boolean function, unsigned rotation, Vec Rm, Imm<2> imm2, Vec Rd) {
    const Value d = t.V(Rd);
    const Value value = function(t, word(t, d, 3), word(t, d, 2), word(t, d, 1));
    const Value sum = t.b.add(t.b.add(value, word(t, d, 0)), word(t, t.V(Rm), imm2.v));
    return {d, sum, rotation};
}

bool TT1(Translator& t, Boolean function, Vec Rm, Imm<2> imm2, Vec Rn, Vec Rd) {
    const Sm3Round round = begin_round(t, function, 9, Rm, imm2, Rd);
    const Value SS2 = t.b.xor_(word(t, t.V(Rn), 3), rol(t, word(t, round.state, 3), 12));
    t.set_V(Rd, finish_round(t, round, t.b.add(round.sum, SS2)));
    return true;
}
bool TT2(Translator& t, Boolean function, Vec Rm, Imm<2> imm2, Vec Rn, Vec Rd) {
    const Sm3Round round = begin_round(t, function, 19, Rm, imm2, Rd);
    const Value TT2 = t.b.add(round.sum, word(t, t.V(Rn), 3));
    t.set_V(Rd, finish_round(t, round, xor3(t, TT2, rol(t, TT2, 9), rol(t, TT2, 17))));
    return true;
}

// --- SM4: four rounds. Each replaces the oldest word; `linear` is the round's linear map of words.

using Linear = Value (*)(Translator& t, Value x);

[[nodiscard]] Value encryption_map(Translator& t, Value x) {
    const Value y = xor3(t, x, rol(t, x, 2), rol(t, x, 10));
    return xor3(t, y, rol(t, x, 18), rol(t, x, 24));
}
[[nodiscard]] Value key_map(Translator& t, Value x) {
    return xor3(t, x, rol(t, x, 13), rol(t, x, 23));
}
[[nodiscard]] Value substitute(Translator& t, Value x) {
    const Value bytes = t.b.emit(Opcode::VDup, Type::V128, {x}, shape::S4.pack());
    return word(t, t.b.unary(Opcode::Sm4Sub, bytes), 0);
}

[[nodiscard]] Value sm4_rounds(Translator& t, Linear linear, Value state, Value keys) {
    Value x[8];
    for (unsigned i = 0; i < 4; ++i) {
        x[i] = word(t, state, i);
    }
    for (unsigned i = 0; i < 4; ++i) {
        const Value mixed = t.b.xor_(xor3(t, x[i + 1], x[i + 2], x[i + 3]), word(t, keys, i));
        x[i + 4] = t.b.xor_(x[i], linear(t, substitute(t, mixed)));
    }
    const auto pair = [&](Value low, Value high) {
        return t.b.or_(t.b.zext(low, Type::I64), t.b.shl(t.b.zext(high, Type::I64), 32));
    };
    return t.b.vpair(pair(x[4], x[5]), pair(x[6], x[7]));
}

} // namespace

bool SM3SS1(Translator& t, Vec Rm, Vec Ra, Vec Rn, Vec Rd) {
    const auto last = [&](Vec v) { return word(t, t.V(v), 3); };
    const Value sum = t.b.add(t.b.add(rol(t, last(Rn), 12), last(Rm)), last(Ra));
    const Value SS1 = t.b.zext(rol(t, sum, 7), Type::I64);
    t.set_V(Rd, t.b.vpair(t.b.c64(0), t.b.shl(SS1, 32)));
    return true;
}

bool SM3TT1A(Translator& t, Vec Rm, Imm<2> imm2, Vec Rn, Vec Rd) {
    return TT1(t, xor3, Rm, imm2, Rn, Rd);
}
bool SM3TT1B(Translator& t, Vec Rm, Imm<2> imm2, Vec Rn, Vec Rd) {
    return TT1(t, majority, Rm, imm2, Rn, Rd);
}
bool SM3TT2A(Translator& t, Vec Rm, Imm<2> imm2, Vec Rn, Vec Rd) {
    return TT2(t, xor3, Rm, imm2, Rn, Rd);
}
bool SM3TT2B(Translator& t, Vec Rm, Imm<2> imm2, Vec Rn, Vec Rd) {
    return TT2(t, choose, Rm, imm2, Rn, Rd);
}

// Words 1 to 3 of Vm, rotated, meet words 0 to 2; word 3 meets the new word 0, rotated.
bool SM3PARTW1(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    const Value zero = t.b.vzero();
    const Value mixed = exclusive_or(t, t.V(Rd), t.V(Rn));
    const Value next = t.b.vec(Opcode::VExt, shape::B16, {t.V(Rm), zero}, 4);
    const Value x = exclusive_or(t, mixed, rotate_left(t, next, 15));
    const Value first = t.b.vec(Opcode::VExt, shape::B16, {zero, P1(t, x)}, 4); // in word 3
    t.set_V(Rd, P1(t, exclusive_or(t, x, rotate_left(t, first, 15))));
    return true;
}
bool SM3PARTW2(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    const Value mixed = exclusive_or(t, t.V(Rn), rotate_left(t, t.V(Rm), 7));
    const Value first = t.b.vec(Opcode::VExt, shape::B16, {t.b.vzero(), mixed}, 4); // in word 3
    const Value last = P1(t, rotate_left(t, first, 15));
    t.set_V(Rd, exclusive_or(t, exclusive_or(t, t.V(Rd), mixed), last));
    return true;
}

bool SM4E(Translator& t, Vec Rn, Vec Rd) {
    t.set_V(Rd, sm4_rounds(t, encryption_map, t.V(Rd), t.V(Rn)));
    return true;
}
bool SM4EKEY(Translator& t, Vec Rm, Vec Rn, Vec Rd) {
    t.set_V(Rd, sm4_rounds(t, key_map, t.V(Rn), t.V(Rm)));
    return true;
}

} // namespace ulna::frontend
