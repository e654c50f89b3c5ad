// AES, SHA1, SHA256, SM4's S-box and polynomial multiplication with the host's instructions for
// them. Hosts without leave the rows empty: the operations are then evaluated out of line.
#include <utility>

#include "backend/x64/emit_vec.h"
#include "backend/x64/host_cpu.h"

namespace ulna::backend::x64 {

namespace {

using ir::kNoValue;

// --- AES. The host's rounds add the round key last, the guest's first: so the first key is added
// by hand. Its (inverse) ShiftRows and SubBytes commute, and a middle round is the last one
// followed by (inverse) MixColumns. What the guest adds next, be it by the next round or by EOR, is
// the host's round key, where it is there in time and nobody looks at what is in between; else zero
// is.

using VexRound = void (Assembler::*)(const Xmm&, const Operand&, const Operand&);

[[nodiscard]] constexpr bool is_round(Opcode op) {
    return op == Opcode::AesE || op == Opcode::AesD;
}
[[nodiscard]] constexpr Opcode mix_of(Opcode round) {
    return round == Opcode::AesE ? Opcode::AesMc : Opcode::AesImc;
}
[[nodiscard]] ValueId id_of(const Emitter& e, const Inst& inst) {
    return static_cast<ValueId>(&inst - e.block().insts.data());
}

// The one instruction that uses a value, or null.
[[nodiscard]] const Inst* only_user(const Emitter& e, ValueId value) {
    const Inst* user = nullptr;
    const bool is_one =
        all_uses(e, value, [&](const Inst& use) { return std::exchange(user, &use) == nullptr; });
    return is_one ? user : nullptr;
}

// The (inverse) MixColumns that is nobody's but this round's, or null.
[[nodiscard]] const Inst* fused_mix(const Emitter& e, const Inst& round) {
    const Inst* const user = only_user(e, id_of(e, round));
    return user != nullptr && user->op == mix_of(round.op) ? user : nullptr;
}

// What is added to the round's result, MixColumns included, and may be added by it; or kNoValue.
[[nodiscard]] ValueId next_key(const Emitter& e, const Inst& round) {
    const Inst* const mix = fused_mix(e, round);
    const ValueId made = mix != nullptr ? id_of(e, *mix) : id_of(e, round);
    const Inst* const user = only_user(e, made);
    const bool adds =
        user != nullptr &&
        (is_round(user->op) || (user->op == Opcode::VXor && user->shape().bytes() == 16));
    if (!adds) {
        return kNoValue;
    }
    const ValueId key = user->args[0] == made ? user->args[1] : user->args[0];
    return key < id_of(e, round) ? key : kNoValue;
}

// A round's value, or that of MixColumns fused with it, to which what is added next has been added.
[[nodiscard]] bool has_next_key(const Emitter& e, ValueId value) {
    const Inst* inst = &e.block().insts[value];
    if ((inst->op == Opcode::AesMc || inst->op == Opcode::AesImc)) {
        const Inst* const round = &e.block().insts[inst->args[0]];
        if (!is_round(round->op) || fused_mix(e, *round) != inst) {
            return false;
        }
        inst = round;
    }
    return is_round(inst->op) && next_key(e, *inst) != kNoValue;
}

// The argument of an addition that is its sum already, or kNoValue.
[[nodiscard]] ValueId sum_by_round(const Emitter& e, const Inst& addition) {
    for (unsigned k = 0; k < 2; ++k) {
        if (has_next_key(e, addition.args[k])) {
            return addition.args[k];
        }
    }
    return kNoValue;
}

template <VexRound kLast, VexRound kMiddle> void emit_aes_round(Emitter& e, const Inst& inst) {
    const VexRound op = fused_mix(e, inst) != nullptr ? kMiddle : kLast;
    const ValueId key = next_key(e, inst), sum = sum_by_round(e, inst);
    const auto add_key = [&] {
        if (key != kNoValue) {
            return e.use_xmm(key);
        }
        const Xmm zero = e.scratch_xmm();
        e.c.vpxor(zero, zero, zero);
        return zero;
    };
    if (sum != kNoValue) {
        const Xmm state = e.use_xmm(sum), added = add_key();
        return (e.c.*op)(e.def_xmm(inst, Overlap::Any), state, added);
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const XmmMem b = e.use_xmm_mem(inst.args[1]);
    const Xmm added = add_key(); // lives on: the result gets another register
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    e.c.vpxor(d, a, b);
    (e.c.*op)(d, d, added);
}

// MixColumns alone: the inverse of a last round, then a middle round.
void emit_AesMc(Emitter& e, const Inst& inst) {
    if (e.inst_of(inst.args[0]).op == Opcode::AesE &&
        fused_mix(e, e.inst_of(inst.args[0])) == &inst) {
        return e.define_as(inst, inst.args[0]);
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    const Xmm zero = e.scratch_xmm();
    e.c.vpxor(zero, zero, zero);
    e.c.vaesdeclast(d, a, zero);
    e.c.vaesenc(d, d, zero);
}

void emit_AesImc(Emitter& e, const Inst& inst) {
    if (e.inst_of(inst.args[0]).op == Opcode::AesD &&
        fused_mix(e, e.inst_of(inst.args[0])) == &inst) {
        return e.define_as(inst, inst.args[0]);
    }
    const XmmMem a = e.use_xmm_mem(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    e.c.vaesimc(d, a);
}

// --- polynomial multiplication

// d = the low lanes of the products of `a` and eight bits of b, the highest at the top of its
// lanes. b is clobbered.
void multiply_bit_by_bit(Emitter& e, unsigned lane, Xmm d, Xmm a, Xmm b) {
    const Xmm t = e.scratch_xmm(), zero = lane == 0 ? e.scratch_xmm() : t;
    e.c.vpxor(d, d, d);
    if (lane == 0) {
        e.c.vpxor(zero, zero, zero);
    }
    for (unsigned i = 0; i < 8; ++i) {
        if (i != 0) {
            emit(e, kVAdd, lane, d, d, d);
            emit(e, kVAdd, lane, b, b, b);
        }
        lane == 0 ? e.c.vpcmpgtb(t, zero, b) : e.c.vpsraw(t, b, 15);
        e.c.vpand(t, t, a);
        e.c.vpxor(d, d, t);
    }
}

void emit_VPMul(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const Xmm bits = e.scratch_xmm();
    e.move(bits, b);
    multiply_bit_by_bit(e, 0, d, a, bits);
    finish(e, inst, d);
}

void multiply_bytes(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const Xmm wide = e.scratch_xmm(), bits = e.scratch_xmm();
    const auto extend = [&](Xmm to, Xmm bytes) {
        if (inst.imm != 0) {
            e.c.vpsrldq(to, bytes, 8);
        }
        e.c.vpmovzxbw(to, inst.imm != 0 ? to : bytes);
    };
    extend(wide, a);
    extend(bits, b);
    e.c.vpsllw(bits, bits, 8);
    multiply_bit_by_bit(e, 1, d, wide, bits);
}

void emit_VPMull(Emitter& e, const Inst& inst) {
    if (inst.shape() != shape::Q1) {
        return multiply_bytes(e, inst);
    }
    if (!host_has_pclmul()) {
        return e.call_eval(inst);
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const XmmMem b = e.use_xmm_mem(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    e.c.vpclmulqdq(d, a, b, inst.imm != 0 ? 0x11 : 0);
}

// --- SHA1. The host keeps a in the highest word, the guest in the lowest; it adds the round
// constant itself, the guest has added it to the schedule, and e is in word 0 of the second
// argument.

constexpr u8 kReverseWords = 0b00011011;

void emit_sha1_rounds(Emitter& e, const Inst& inst, u8 function, u32 constant) {
    e.clean_upper_halves();
    const Xmm abcd = e.use_xmm(inst.args[0]);
    const Xmm hash_e = e.use_xmm(inst.args[1]);
    const Xmm schedule = e.use_xmm(inst.args[2]);
    const Xmm d = e.def_xmm(inst);
    const Xmm t = e.scratch_xmm();
    e.c.vpand(t, hash_e, e.literal(shape_mask(shape::S1)));
    e.c.vpaddd(t, t, schedule);
    e.c.vpsubd(t, t, e.literal(splat(2, constant)));
    e.c.vpshufd(t, t, kReverseWords);
    e.c.vpshufd(d, abcd, kReverseWords);
    e.c.sha1rnds4(d, t, function);
    e.c.vpshufd(d, d, kReverseWords);
}
void emit_Sha1C(Emitter& e, const Inst& inst) { emit_sha1_rounds(e, inst, 0, 0x5a827999); }
void emit_Sha1P(Emitter& e, const Inst& inst) { emit_sha1_rounds(e, inst, 1, 0x6ed9eba1); }
void emit_Sha1M(Emitter& e, const Inst& inst) { emit_sha1_rounds(e, inst, 2, 0x8f1bbcdc); }

void emit_Sha1H(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst);
    const Xmm t = e.scratch_xmm();
    e.c.vpslld(t, a, 30);
    e.c.vpsrld(d, a, 2);
    e.c.vpor(d, d, t);
    clear_past(e, d, shape::S1);
}

void emit_Sha1Su0(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const XmmMem c = e.use_xmm_mem(inst.args[2]);
    const Xmm d = e.def_xmm(inst);
    e.c.vpalignr(d, b, a, 8);
    e.c.vpxor(d, d, a);
    e.c.vpxor(d, d, c);
}

// Word 3 also takes the new word 0 rotated: ROL(t0, 2) is ROL(ROL(t0, 1), 1).
void emit_Sha1Su1(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const Xmm t = e.scratch_xmm();
    const auto rotate_left_once = [&](Xmm x) {
        e.c.vpsrld(t, x, 31);
        e.c.vpaddd(x, x, x);
        e.c.vpor(x, x, t);
    };
    const Xmm wrapped = e.scratch_xmm();
    e.c.vpsrldq(d, b, 4);
    e.c.vpxor(d, d, a);
    rotate_left_once(d);
    e.c.vpslldq(wrapped, d, 12);
    rotate_left_once(wrapped);
    e.c.vpxor(d, d, wrapped);
}

// --- SHA256. The host takes the schedule's two words from XMM0, which is a guest register.

// A scratch that is not XMM0, which the allocator may hand out when it runs short.
[[nodiscard]] Xmm scratch_but_xmm0(Emitter& e) {
    const Xmm first = e.scratch_xmm();
    return first.getIdx() != 0 ? first : e.scratch_xmm();
}

void emit_Sha256Rnds2(Emitter& e, const Inst& inst) {
    e.clean_upper_halves();
    const Xmm cdgh = e.use_xmm(inst.args[0]);
    const Xmm abef = e.use_xmm(inst.args[1]);
    const XmmMem schedule = e.use_xmm_mem(inst.args[2]);
    const Xmm d = e.def_xmm(inst, Overlap::First);
    const Xmm xmm0{0}, saved = scratch_but_xmm0(e);
    const bool is_for_xmm0 = d.getIdx() == 0;
    const Xmm state = is_for_xmm0 ? scratch_but_xmm0(e) : d;
    e.move(saved, xmm0);
    e.move(state, cdgh);
    inst.imm == 0 ? e.c.vmovaps(xmm0, schedule) : e.c.vpshufd(xmm0, schedule, 0b1110);
    e.c.sha256rnds2(state, abef.getIdx() == 0 ? saved : abef);
    e.move(xmm0, is_for_xmm0 ? state : saved);
}

void emit_Sha256Su0(Emitter& e, const Inst& inst) {
    e.clean_upper_halves();
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    e.move(d, a);
    e.c.sha256msg1(d, b);
}

void emit_Sha256Su1(Emitter& e, const Inst& inst) {
    e.clean_upper_halves();
    const Xmm a = e.use_xmm(inst.args[0]);
    const XmmMem n = e.use_xmm_mem(inst.args[1]);
    const Xmm m = e.use_xmm(inst.args[2]);
    const Xmm d = e.def_xmm(inst);
    e.c.vpalignr(d, m, n, 4);
    e.c.vpaddd(d, d, a);
    e.c.sha256msg2(d, m);
}

// --- SM4. Its S-box is, as AES's, an inverse between two affine maps, in another representation of
// GF(2^8): so AES's S-box does it, between two more affine maps. Those are the sums of two
// look-ups, one for each half of a byte.

struct AffineMap {
    V128 low, high; // of the bytes 0x00 to 0x0f, and of 0x00 to 0xf0 less the constant
};
struct Sm4Maps {
    AffineMap before, after;
};

[[nodiscard]] constexpr unsigned multiply(unsigned a, unsigned b, unsigned modulus) {
    unsigned product = 0;
    for (; b != 0; b >>= 1) {
        product ^= (b & 1) != 0 ? a : 0;
        a = a << 1 ^ ((a & 0x80) != 0 ? modulus : 0);
    }
    return product;
}

[[nodiscard]] constexpr Sm4Maps make_sm4_maps() {
    constexpr unsigned kAesModulus = 0x11b, kSm4Modulus = 0x1f5;
    const auto turned = [](unsigned x, std::initializer_list<int> amounts) {
        u8 sum = 0;
        for (const int n : amounts) {
            sum = static_cast<u8>(sum ^ std::rotl(static_cast<u8>(x), n));
        }
        return sum;
    };
    const auto sm4_affine = [&](unsigned x) { return turned(x, {0, 1, 3, 6, 7}) ^ 0xd3u; };
    const auto aes_affine = [&](unsigned x) { return turned(x, {0, 1, 2, 3, 4}) ^ 0x63u; };
    // The sum of the powers of `base` in AES's field that the bits of x name: an isomorphism, if
    // `base` is a root of SM4's polynomial.
    const auto to_aes = [](unsigned x, unsigned base) {
        unsigned sum = 0, power = 1;
        for (; x != 0; x >>= 1, power = multiply(power, base, kAesModulus)) {
            sum ^= (x & 1) != 0 ? power : 0;
        }
        return sum;
    };
    unsigned root = 2;
    while (to_aes(kSm4Modulus, root) != 0) {
        ++root;
    }
    unsigned from_aes[256]{}, undo_aes_affine[256]{};
    for (unsigned x = 0; x < 256; ++x) {
        from_aes[to_aes(x, root)] = x;
        undo_aes_affine[aes_affine(x)] = x;
    }
    const auto before = [&](unsigned x) { return to_aes(sm4_affine(x), root); };
    const auto after = [&](unsigned x) { return sm4_affine(from_aes[undo_aes_affine[x]]); };
    const auto table = [](auto map) {
        u64 halves[4]{};
        for (unsigned i = 0; i < 16; ++i) {
            halves[i / 8] |= u64{map(i)} << i % 8 * 8;
            halves[2 + i / 8] |= u64{map(i << 4) ^ map(0)} << i % 8 * 8;
        }
        return AffineMap{{halves[0], halves[1]}, {halves[2], halves[3]}};
    };
    return {table(before), table(after)};
}
constexpr Sm4Maps kSm4Maps = make_sm4_maps();

// d = the map of every byte of `a`; d may be a.
void apply(Emitter& e, const AffineMap& map, Xmm d, Xmm a, Xmm u, Xmm w) {
    const V128 half = splat(0, 0x0f);
    e.c.vpsrlw(u, a, 4);
    e.c.vpand(u, u, e.literal(half));
    e.c.vpand(d, a, e.literal(half));
    e.load_imm(w, map.high);
    e.c.vpshufb(u, w, u);
    e.load_imm(w, map.low);
    e.c.vpshufb(d, w, d);
    e.c.vpxor(d, d, u);
}

void emit_Sm4Sub(Emitter& e, const Inst& inst) {
    const Inst& producer = e.inst_of(inst.args[0]);
    const bool equal_columns = producer.op == Opcode::VDup && producer.shape() == shape::S4;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    const Xmm u = e.scratch_xmm(), w = e.scratch_xmm();
    apply(e, kSm4Maps.before, d, a, u, w);
    if (!equal_columns) { // undoes ShiftRows
        e.c.vpshufb(d, d, e.literal(shuffle_control([](unsigned i) { return i * 13 % 16; })));
    }
    e.c.vpxor(u, u, u);
    e.c.vaesenclast(d, d, u);
    apply(e, kSm4Maps.after, d, d, u, w);
}

} // namespace

ValueId sum_made_by_aes_round(const Emitter& e, const Inst& addition) {
    return host_has_aes() && addition.shape().bytes() == 16 ? sum_by_round(e, addition)
                                                            : ir::kNoValue;
}

void add_crypto_emitters(EmitTable& table) {
    if (host_has_aes()) {
        table.set(Opcode::AesE, emit_aes_round<&Assembler::vaesenclast, &Assembler::vaesenc>,
                  kKeepsFlags);
        table.set(Opcode::AesD, emit_aes_round<&Assembler::vaesdeclast, &Assembler::vaesdec>,
                  kKeepsFlags);
        table.set(Opcode::Sm4Sub, emit_Sm4Sub, kKeepsFlags);
        table.set(Opcode::AesMc, emit_AesMc, kKeepsFlags);
        table.set(Opcode::AesImc, emit_AesImc, kKeepsFlags);
    }
    table.set(Opcode::VPMul, emit_VPMul);
    table.set(Opcode::VPMull, emit_VPMull);
    table.set(Opcode::Sha1H, emit_Sha1H, kKeepsFlags);
    table.set(Opcode::Sha1Su0, emit_Sha1Su0, kKeepsFlags);
    table.set(Opcode::Sha1Su1, emit_Sha1Su1, kKeepsFlags);
    if (host_has_sha()) {
        table.set(Opcode::Sha1C, emit_Sha1C, kKeepsFlags);
        table.set(Opcode::Sha1P, emit_Sha1P, kKeepsFlags);
        table.set(Opcode::Sha1M, emit_Sha1M, kKeepsFlags);
        table.set(Opcode::Sha256Rnds2, emit_Sha256Rnds2, kKeepsFlags);
        table.set(Opcode::Sha256Su0, emit_Sha256Su0, kKeepsFlags);
        table.set(Opcode::Sha256Su1, emit_Sha256Su1, kKeepsFlags);
    }
}

} // namespace ulna::backend::x64
